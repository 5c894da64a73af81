// Who is signed in: the token, and whom the service takes its bearer for. For this tab only and until
// it is closed.

const ROLES = ['viewer', 'moderator', 'admin'] as const;

/** What somebody may do; each may what the ones before it may. */
export type Role = (typeof ROLES)[number];

export interface Session {
  token: string;
  /** Sent along, for the audit trail; counts only where there is one token for all. Empty: none. */
  operator: string;
  /** As the service says it. */
  name: string;
  role: Role;
}

const KEY = 'roomcast.session';

export function readSession(): Session | null {
  try {
    const text = sessionStorage.getItem(KEY);
    const found: unknown = text === null ? null : JSON.parse(text);
    const { token, operator = '', name = '', role } = (found ?? {}) as Partial<Session>;
    return token && role ? { token, operator, name, role } : null;
  } catch {
    return null;
  }
}

export function writeSession(session: Session | null): void {
  if (session) sessionStorage.setItem(KEY, JSON.stringify(session));
  else sessionStorage.removeItem(KEY);
}

export function roleMay(role: Role, need: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(need);
}
