// The state of each worker of each gateway, as an operator wants it said. One that was there
// and is not any more, without having drained, stays in the list as lost for a while: a killed
// gateway is reaped within seconds, and nobody looks at the right moment.

import type { GatewayNode } from './api';

export type NodeState = 'ready' | 'draining' | 'silent' | 'dead' | 'lost';

export interface KnownNode extends GatewayNode {
  state: NodeState;
  /** When it was missed first; null: it is there. */
  lostAt: number | null;
}

/** Heartbeats come three a lease, every 3.3 s by default. */
export const SILENT_MS = 8000;
const REMEMBERED_MS = 15 * 60_000;

export function stateOf(node: GatewayNode): NodeState {
  if (node.address === null) return 'dead';
  if (node.heartbeat_age_ms >= SILENT_MS) return 'silent';
  return node.draining ? 'draining' : 'ready';
}

export const isTrouble = ({ state }: KnownNode): boolean =>
  state !== 'ready' && state !== 'draining';

/** Of another life of the same worker: the name of a node ends with the worker's number. */
function isSuccessor(node: GatewayNode, of: GatewayNode): boolean {
  const workerOf = ({ node: name }: GatewayNode) => name.slice(name.lastIndexOf('.'));
  return node.address === of.address && workerOf(node) === workerOf(of);
}

/** What is known now, from what was known and what the service tells. */
export function mergeNodes(
  before: readonly KnownNode[],
  told: readonly GatewayNode[],
  now: number,
): KnownNode[] {
  const names = new Set(told.map(({ node }) => node));
  const known = new Map(before.map((node) => [node.node, node]));
  const here = told.map((node): KnownNode => {
    const last = node.address === null ? known.get(node.node) : undefined;
    const address = node.address ?? last?.address ?? null;
    const version = node.version ?? last?.version ?? null;
    return { ...node, address, version, state: stateOf(node), lostAt: null };
  });
  const lost = before
    .filter(({ node, state }) => !names.has(node) && state !== 'draining')
    .filter((node) => !here.some((other) => isSuccessor(other, node)))
    .map((node): KnownNode => ({ ...node, state: 'lost', lostAt: node.lostAt ?? now }))
    .filter(({ lostAt }) => now - (lostAt ?? now) < REMEMBERED_MS);

  return [...here, ...lost].sort((a, b) =>
    `${a.address} ${a.node}` < `${b.address} ${b.node}` ? -1 : 1,
  );
}
