// Where in the console we are, in the hash of the address: the name of a room may be
// anything, also `..` and `a/b.c`, and a path would not survive that.

export type Route =
  | { view: 'overview' | 'rooms' | 'gateways' | 'shards' | 'audit' | 'chat' }
  | { view: 'room'; room: string };

export function parseRoute(hash: string): Route {
  const [view = '', name] = hash.replace(/^#?\/?/, '').split('/', 2);

  try {
    if (view === 'rooms' && name)
      return { view: 'room', room: decodeURIComponent(name) };
  } catch {
    return { view: 'rooms' };
  }
  switch (view) {
    case 'rooms':
    case 'gateways':
    case 'shards':
    case 'audit':
    case 'chat':
      return { view };
    default:
      return { view: 'overview' };
  }
}

export function printRoute(route: Route): string {
  if (route.view === 'room') return `#/rooms/${encodeURIComponent(route.room)}`;
  return `#/${route.view}`;
}
