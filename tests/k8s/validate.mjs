// Holds Kubernetes objects to the types of the API: what is not a field there is an error,
// as is a field that lacks or has another type.
//
// Reads lists of objects, one a line, and answers each with a line: the list of their faults.
//
// The schemas are made of kubernetes-types, which is made of the API's own OpenAPI.

import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { createGenerator } from 'ts-json-schema-generator';

const HERE = dirname(fileURLToPath(import.meta.url));

const generator = createGenerator({
  path: join(HERE, 'kinds.ts'),
  tsconfig: join(HERE, 'tsconfig.json'),
  type: '*',
  skipTypeCheck: true,
  additionalProperties: false,
});
const ajv = new Ajv({ allErrors: true, allowUnionTypes: true, logger: false });
const validators = new Map();

function validatorOf(kind) {
  if (!validators.has(kind))
    validators.set(kind, ajv.compile(generator.createSchema(kind)));
  return validators.get(kind);
}

function wordsOf({ instancePath, message, params }) {
  const which = params.additionalProperty ?? params.allowedValue ?? '';
  return `${instancePath || '/'} ${message} ${which}`.trim();
}

/** What is wrong with an object, a text each. */
function faultsOf(object) {
  let validate;

  // In the types both are optional.
  for (const field of ['apiVersion', 'kind'])
    if (typeof object?.[field] !== 'string') return [`no ${field}`];
  try {
    validate = validatorOf(object.kind);
  } catch {
    return [`a kind that tests/k8s/kinds.ts does not name`];
  }
  if (validate(object)) return [];
  return [...new Set(validate.errors.map(wordsOf))];
}

for await (const line of createInterface({ input: process.stdin })) {
  const faults = JSON.parse(line).flatMap((object) =>
    faultsOf(object).map((text) => `${object?.kind} ${object?.metadata?.name}: ${text}`),
  );
  console.log(JSON.stringify(faults));
}
