// The state of a gateway's worker, in a word and a colour; what it was last while nobody can
// be asked.

import { printDuration, printTime } from '../lib/format';
import type { KnownNode } from '../lib/gateways';
import { Badge } from './basics';
import { useIsUpToDate } from './hooks';

export function NodeBadge({ node }: { node: KnownNode }) {
  const isKnown = useIsUpToDate();
  if (!isKnown && node.state === 'ready') return <Badge kind="idle">was ready</Badge>;
  return <Badge kind={node.state}>{wordOf(node)}</Badge>;
}

function wordOf({ state, heartbeat_age_ms, lostAt }: KnownNode): string {
  switch (state) {
    case 'ready':
      return 'ready';
    case 'draining':
      return 'draining';
    case 'silent':
    case 'dead':
      return `silent for ${printDuration(heartbeat_age_ms)}`;
    case 'lost':
      return `lost at ${printTime(lostAt ?? 0)}`;
  }
}
