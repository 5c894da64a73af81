// Who is signed in: the token and the operator's name, for this tab only and until it is
// closed.

export interface Session {
  token: string;
  /** Stands in the audit trail; empty: the service writes `admin`. */
  operator: string;
}

const KEY = 'roomcast.session';

export function readSession(): Session | null {
  try {
    const text = sessionStorage.getItem(KEY);
    const found: unknown = text === null ? null : JSON.parse(text);
    const { token, operator } = (found ?? {}) as Partial<Session>;
    return token ? { token, operator: operator ?? '' } : null;
  } catch {
    return null;
  }
}

export function writeSession(session: Session | null): void {
  if (session) sessionStorage.setItem(KEY, JSON.stringify(session));
  else sessionStorage.removeItem(KEY);
}
