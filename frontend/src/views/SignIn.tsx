// The token of the admin service, and the name that shall stand in the audit trail.

import { LogIn } from 'lucide-react';
import { type SubmitEvent, useState } from 'react';
import { Api, ApiError, bytesOf } from '../lib/api';
import { errorText } from '../lib/format';
import type { Session } from '../lib/session';
import { Brand } from '../parts/Shell';

const OPERATOR_BYTES = 64;

/** null: it is the right one, also where Redis cannot be asked just now. */
async function whyNot(session: Session): Promise<string | null> {
  if (bytesOf(session.operator).length > OPERATOR_BYTES)
    return 'This name is too long.';
  try {
    await new Api(session, () => {}).stats();
    return null;
  } catch (error) {
    if (!(error instanceof ApiError)) return errorText(error);
    if (error.status === 503) return null;
    if (error.status === 401) return 'This token is not the right one.';
    if (error.status === 429)
      return 'Too many wrong tokens: wait a while, then try again.';
    return error.status === 0 ? 'The service does not answer.' : error.message;
  }
}

export function SignIn({
  notice,
  onSignIn,
}: {
  notice: string;
  onSignIn: (session: Session) => void;
}) {
  const [problem, setProblem] = useState(notice);
  const [busy, setBusy] = useState(false);

  const onSubmit = async (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const session = {
      token: String(fields.get('token')).trim(),
      operator: String(fields.get('operator')).trim(),
    };
    setBusy(true);
    const why = await whyNot(session);
    setBusy(false);
    setProblem(why ?? '');
    if (why === null) onSignIn(session);
  };

  return (
    <main className="sign-in">
      <form onSubmit={onSubmit} className="panel">
        <Brand />
        <h1>Sign in</h1>
        <label>
          Token of the admin service
          <input
            name="token"
            type="password"
            required
            autoComplete="current-password"
            aria-describedby="sign-in-problem"
          />
        </label>
        <label>
          <span>
            Your name, for the audit trail <span className="hint">(optional)</span>
          </span>
          <input name="operator" maxLength={64} autoComplete="username" />
        </label>
        <p id="sign-in-problem" className="problem" role="alert">
          {problem}
        </p>
        <button type="submit" className="primary" disabled={busy}>
          <LogIn aria-hidden />
          {busy ? 'Signing in…' : 'Sign in'}
        </button>
        <p className="hint">
          script/server prints the token. It is kept until this tab is closed.
        </p>
        <p>
          <a href="#/chat">Only chat, without a token</a>
        </p>
      </form>
    </main>
  );
}
