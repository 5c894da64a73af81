// The token of the admin service, and the name that shall stand in the audit trail.

import { LogIn } from 'lucide-react';
import { type SubmitEvent, useEffect, useState } from 'react';
import { Api, ApiError, bytesOf, fetchConfig } from '../lib/api';
import { errorText } from '../lib/format';
import { beginLogin } from '../lib/login';
import type { Session } from '../lib/session';
import { Brand } from '../parts/Shell';

const OPERATOR_BYTES = 64;

type Typed = Pick<Session, 'token' | 'operator'>;

/** Who it is, or why nobody. */
async function lookUp(typed: Typed): Promise<Session | string> {
  if (bytesOf(typed.operator).length > OPERATOR_BYTES) return 'This name is too long.';
  try {
    return { ...typed, ...(await new Api(typed, () => {}).whoAmI()) };
  } catch (error) {
    if (!(error instanceof ApiError)) return errorText(error);
    if (error.status === 401) return 'This token is not the right one.';
    if (error.status === 429)
      return 'Too many wrong tokens: wait a while, then try again.';
    return error.status === 0 ? 'The service does not answer.' : error.message;
  }
}

/** Whether one can sign in by a provider. */
function useHasProvider(): boolean {
  const [has, setHas] = useState(false);

  useEffect(() => {
    fetchConfig().then(
      ({ oidc }) => setHas(oidc),
      () => {}, // a token can be tried all the same
    );
  }, []);
  return has;
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
  const hasProvider = useHasProvider();

  const onSubmit = async (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const typed = {
      token: String(fields.get('token')).trim(),
      operator: String(fields.get('operator')).trim(),
    };
    setBusy(true);
    const found = await lookUp(typed);
    setBusy(false);
    setProblem(typeof found === 'string' ? found : '');
    if (typeof found !== 'string') onSignIn(found);
  };

  return (
    <main className="sign-in">
      <form onSubmit={onSubmit} className="panel">
        <Brand />
        <h1>Sign in</h1>
        {hasProvider && (
          <>
            <button type="button" className="primary" onClick={() => void beginLogin()}>
              <LogIn aria-hidden />
              Continue with single sign-on
            </button>
            <p className="or">or with a token</p>
          </>
        )}
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
        <button
          type="submit"
          className={hasProvider ? undefined : 'primary'}
          disabled={busy}
        >
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
