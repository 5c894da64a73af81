// The admin API (docs/admin.md): its objects as types, and one function a request. Whatever
// goes wrong is an ApiError with a code for us and a message for people.

import type { Role, Session } from './session';

export interface RoomRow {
  room: string;
  members: number;
  seq: number;
  shard_id: number;
  created_at: number;
  /** The countdown of an empty room; null while somebody is in. */
  ttl_ms: number | null;
  /** Why it cannot be read; the numbers are 0 then. */
  broken?: string;
}

export interface RoomPage {
  rooms: RoomRow[];
  next: string | null;
  /** null: not known. */
  total: number | null;
  /** Those that are down; what is in them is left out. */
  missing_shards?: number[];
}

export interface RoomDetail extends RoomRow {
  epoch: string;
  history_length: number;
}

export interface Message {
  type: 'message';
  room: string;
  seq: number;
  ts: number;
  user?: string;
  text?: string;
  deleted?: true;
}

export interface Stats {
  redis_up: boolean;
  connections: number;
  members: number;
  rooms: number;
  gateways: number;
  messages_total: number;
  /** Those that are down; `rooms` is without theirs. */
  missing_shards?: number[];
}

export interface Sample {
  ts: number;
  connections: number;
  members: number;
  rooms: number;
  gateways: number;
  messages_total: number;
}

/** One worker of a gateway; of one that is dead only its name and its silence are known. */
export interface GatewayNode {
  node: string;
  address: string | null;
  version: string | null;
  started_at: number | null;
  connections: number | null;
  rooms: number | null;
  members: number | null;
  draining: boolean | null;
  heartbeat_age_ms: number;
}

/** One of the shards that the rooms are spread over. */
export interface Shard {
  shard_id: number;
  /** Address, path or name of the Redis that serves it. */
  where: string;
  up: boolean;
  rooms: number | null;
  /** master or replica. */
  role: string | null;
}

export interface AuditEntry {
  id: string;
  ts: number;
  who: string;
  what: string;
  room: string | null;
  user: string | null;
  seq: number | null;
  detail: string | null;
  from: string;
}

export interface Entry {
  user: string;
  /** ms since 1970; 0: for good. */
  until: number;
}

export interface MemberRow {
  user: string;
  nodes: number;
}

export interface Outcome {
  /** Gateways that have not confirmed yet; they obey when they are back. */
  pending?: string[];
  members?: number;
}

export interface ServiceConfig {
  ws_urls: string[];
  version: string;
  /** Whether one can sign in by a provider. */
  oidc: boolean;
}

export type Sort = 'recent' | 'members';

export class ApiError extends Error {
  constructor(
    /** 0: no answer at all. */
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** A header carries bytes: of text beyond ASCII its UTF-8. */
export function bytesOf(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

export async function errorOf(answer: Response): Promise<ApiError> {
  try {
    const { error } = (await answer.json()) as { error: ApiError };
    return new ApiError(answer.status, error.code, error.message);
  } catch {
    return new ApiError(answer.status, 'odd_answer', `the answer was ${answer.status}`);
  }
}

export const offline = () => new ApiError(0, 'offline', 'the service does not answer');

function queryOf(fields: Record<string, string | number | null | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields))
    if (value !== null && value !== undefined && value !== '')
      query.set(name, String(value));
  return query.size > 0 ? `?${query}` : '';
}

/** Of these names browsers make other paths, however they are written. */
const isPathOnly = (name: string) => name === '.' || name === '..';

/** A name in a path; one that cannot be in a path goes into the query (pathOf). */
const segment = (name: string) => (isPathOnly(name) ? '-' : encodeURIComponent(name));

/** The path of a room, of what is below it, and of a user there. */
function pathOf(
  room: string,
  below = '',
  user: string | null = null,
  query: Record<string, string | number | null> = {},
): string {
  const path = `/rooms/${segment(room)}${below}${user === null ? '' : `/${segment(user)}`}`;
  const names = {
    room: isPathOnly(room) ? room : null,
    user: user !== null && isPathOnly(user) ? user : null,
  };
  return `${path}${queryOf({ ...query, ...names })}`;
}

export class Api {
  constructor(
    private readonly session: Pick<Session, 'token' | 'operator'>,
    /** The token is not, or no longer, the right one. */
    private readonly onUnauthorized: () => void,
  ) {}

  /** An answer with status 2xx, not read yet. */
  async open(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers({ authorization: `Bearer ${this.session.token}` });
    let answer: Response;

    if (this.session.operator)
      headers.set('x-operator', bytesOf(this.session.operator));
    try {
      answer = await fetch(`/api${path}`, { ...init, headers });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw offline();
    }
    if (answer.status === 401) this.onUnauthorized();
    if (!answer.ok) throw await errorOf(answer);
    return answer;
  }

  private async get<T>(path: string): Promise<T> {
    return (await (await this.open(path)).json()) as T;
  }

  private async send<T>(method: string, path: string, body?: unknown): Promise<T> {
    const init: RequestInit = { method };
    if (body !== undefined) init.body = JSON.stringify(body);
    return (await (await this.open(path, init)).json()) as T;
  }

  whoAmI = () => this.get<{ name: string; role: Role }>('/session');

  stats = () => this.get<Stats>('/stats');

  online = (minutes: number) =>
    this.get<{ samples: Sample[] }>(`/stats/online?minutes=${minutes}`);

  gateways = () => this.get<{ gateways: GatewayNode[] }>('/gateways');

  shards = () => this.get<{ shards: Shard[] }>('/shards');

  rooms = (q: { sort: Sort; search: string; cursor: string | null; limit: number }) =>
    this.get<RoomPage>(`/rooms${queryOf({ ...q, sort: q.search ? null : q.sort })}`);

  room = (room: string) => this.get<RoomDetail>(pathOf(room));

  members = (room: string, cursor: string | null, limit: number) =>
    this.get<{ members: MemberRow[]; next: string | null; count: number }>(
      pathOf(room, '/members', null, { cursor, limit }),
    );

  messages = (room: string, before: number | null) =>
    this.get<{ messages: Message[]; more: boolean }>(
      pathOf(room, '/messages', null, { before, limit: 100 }),
    );

  entries = (room: string, kind: 'bans' | 'mutes', cursor: string | null) =>
    this.get<{ entries: Entry[]; next: string | null }>(
      pathOf(room, `/${kind}`, null, { cursor, limit: 100 }),
    );

  audit = (cursor: string | null) =>
    this.get<{ entries: AuditEntry[]; next: string | null }>(
      `/audit${queryOf({ cursor, limit: 50 })}`,
    );

  post = (room: string, text: string, key: string) =>
    this.send<{ seq: number }>('POST', pathOf(room, '/messages'), { text, key });

  deleteMessage = (room: string, seq: number) =>
    this.send<Outcome>('DELETE', pathOf(room, `/messages/${seq}`));

  close = (room: string, reason: string) =>
    this.send<Outcome>('POST', pathOf(room, '/close'), { reason });

  kick = (room: string, user: string, reason: string) =>
    this.send<Outcome>('POST', pathOf(room, '/kick', user), { reason });

  ban = (room: string, user: string, secs: number, reason: string) =>
    this.send<Outcome>('POST', pathOf(room, '/ban', user), { secs, reason });

  mute = (room: string, user: string, secs: number) =>
    this.send<Outcome>('POST', pathOf(room, '/mute', user), { secs });

  lift = (room: string, user: string, kind: 'ban' | 'mute') =>
    this.send<Outcome>('DELETE', pathOf(room, `/${kind}`, user));

  makeToken = (wish: { user: string; rooms: Record<string, string>; secs: number }) =>
    this.send<{ token: string }>('POST', '/tokens', wish);

  disconnect = (user: string) =>
    this.send<Outcome>(
      'POST',
      `/users/${segment(user)}/disconnect${queryOf({ user: isPathOnly(user) ? user : null })}`,
    );
}

/** Where the chat connects; needs no token. */
export async function fetchConfig(): Promise<ServiceConfig> {
  try {
    const answer = await fetch('/config.json');
    if (!answer.ok) throw await errorOf(answer);
    return (await answer.json()) as ServiceConfig;
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw offline();
  }
}
