// Signing in by the OpenID provider, and out. The tab keeps a random secret; the service is told its hash
// before, and the secret itself with the code that comes back in the address. So a link with a code
// in it signs nobody in who did not begin here.

import { errorOf, offline } from './api';
import type { Session } from './session';

const KEY = 'roomcast.login';
const SECRET_BYTES = 32;

function encode(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

export async function challengeOf(secret: string): Promise<string> {
  const bytes = new TextEncoder().encode(secret);
  return encode(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
}

/** Goes to the provider. */
export async function beginLogin(): Promise<void> {
  const secret = encode(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)));

  sessionStorage.setItem(KEY, secret);
  location.assign(`/oidc/login?challenge=${await challengeOf(secret)}`);
}

/** The code in the address; null: there is none. It is removed from the address. */
export function takeLoginCode(): string | null {
  const [, code] = /^#login=(.+)$/.exec(location.hash) ?? [];

  if (!code) return null;
  history.replaceState(null, '', location.pathname);
  return code;
}

export async function endLogin(code: string): Promise<Session> {
  const secret = sessionStorage.getItem(KEY) ?? '-';
  let answer: Response;

  sessionStorage.removeItem(KEY);
  try {
    answer = await fetch('/api/session', {
      method: 'POST',
      body: JSON.stringify({ code, secret }),
    });
  } catch {
    throw offline();
  }
  if (!answer.ok) throw await errorOf(answer);
  const { token, name, role } = (await answer.json()) as Session;
  return { token, operator: '', name, role };
}

/** A token that somebody has typed goes on; that of a login ends. */
export function endSession({ token }: Session): void {
  if (!token.startsWith('rcs_')) return;
  fetch('/api/session', {
    method: 'DELETE',
    headers: { authorization: `Bearer ${token}` },
    keepalive: true,
  }).catch(() => {}); // it ends by itself
}
