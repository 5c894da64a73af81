// The tokens of the chat page: the admin service makes them where it has a secret, for an operator who
// may make some.

import { Api } from './api';
import { readSession, roleMay } from './session';

const SECS = 3600;
const ROOMS = { '*': 'rw' };

/** What gets tokens of this user, one each time; undefined: nobody here may, or there is no secret. */
export async function findTokens(
  user: string,
): Promise<(() => Promise<string>) | undefined> {
  const session = readSession();
  if (!session || !roleMay(session.role, 'admin')) return undefined;
  const api = new Api(session, () => undefined);
  const make = async () =>
    (await api.makeToken({ user, rooms: ROOMS, secs: SECS })).token;
  let next: string | undefined;

  try {
    next = await make();
  } catch {
    return undefined;
  }
  return async () => {
    const token = next ?? (await make());
    next = undefined;
    return token;
  };
}
