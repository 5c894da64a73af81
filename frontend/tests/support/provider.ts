// An OpenID provider that lets everybody in at once: tests/support/fleet/provider.py.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { takePort } from './port';
import { Program } from './program';
import { waitFor } from './wait';

const SCRIPT = resolve('../tests/support/fleet/provider.py');

export class Provider {
  private constructor(
    readonly url: string,
    private readonly dir: string,
    private readonly program: Program,
  ) {}

  static async start(): Promise<Provider> {
    const dir = await mkdtemp(join(tmpdir(), 'roomcast-provider-'));
    const port = await takePort();
    const url = `http://127.0.0.1:${port}`;

    await writeFile(join(dir, 'answer'), 'own\n');
    const program = new Program('/usr/bin/python3', ['-B', SCRIPT, `${port}`, dir]);
    await waitFor('the provider answers', async () => {
      program.assertRuns();
      return (await fetch(`${url}/.well-known/openid-configuration`)).ok;
    });
    return new Provider(url, dir, program);
  }

  /** Claims of those who come from now on. */
  async setPerson(claims: object): Promise<void> {
    await writeFile(join(this.dir, 'person'), JSON.stringify(claims));
  }

  async stop(): Promise<void> {
    await this.program.end('SIGKILL');
    await rm(this.dir, { recursive: true, force: true });
  }
}
