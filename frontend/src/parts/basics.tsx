// The small pieces that every view is made of.

import { Inbox, LoaderCircle, TriangleAlert, X } from 'lucide-react';
import { type ReactNode, useLayoutEffect, useRef } from 'react';
import { ApiError } from '../lib/api';
import { errorText, printMoment, printTime } from '../lib/format';
import { printRoute } from '../lib/route';
import { type Resource, useNow } from './hooks';

/** What a user called somebody or something: text, whatever is in it, and kept to itself. */
export function Name({ children }: { children: string }) {
  return (
    <bdi className="name" title={children}>
      {children}
    </bdi>
  );
}

export function RoomLink({ room }: { room: string }) {
  return (
    <a href={printRoute({ view: 'room', room })} className="name-link">
      <Name>{room}</Name>
    </a>
  );
}

export function Time({ ms }: { ms: number }) {
  return (
    <time dateTime={new Date(ms).toISOString()} title={printMoment(ms)}>
      {printTime(ms)}
    </time>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="state">
      <Inbox aria-hidden />
      <p className="state-title">{title}</p>
      {children && <p>{children}</p>}
    </div>
  );
}

export function Loading() {
  return (
    <div className="state" role="status">
      <LoaderCircle aria-hidden className="spin" />
      <p>Loading…</p>
    </div>
  );
}

export function explain(error: unknown): string {
  const status = error instanceof ApiError ? error.status : -1;
  if (status === 503)
    return 'Redis cannot be reached. This view comes back by itself when it can.';
  if (status === 0 && error instanceof ApiError && error.code === 'offline')
    return 'The service does not answer. This view comes back by itself when it does.';
  return errorText(error);
}

export function Failed({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  return (
    <div className="state failed" role="alert">
      <TriangleAlert aria-hidden />
      <p>{explain(error)}</p>
      {onRetry && (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Whatever state the data is in; what was there stays while newer cannot be had. */
export function Loaded<T>({
  resource,
  children,
}: {
  resource: Resource<T>;
  children: (data: T) => ReactNode;
}) {
  if (resource.data !== null) return children(resource.data);
  if (resource.error)
    return <Failed error={resource.error} onRetry={resource.reload} />;
  return <Loading />;
}

/** Since when a view is old; null: it is not. The place is kept, so that nothing jumps. */
export function Since({ ms }: { ms: number | null }) {
  return (
    <span className="freshness stale" role="status">
      {ms !== null && `Not up to date since ${printTime(ms)}`}
    </span>
  );
}

export function Freshness<T>({ resource }: { resource: Resource<T> }) {
  const stale = resource.error !== null && resource.data !== null;
  return <Since ms={stale ? resource.at : null} />;
}

export function ViewHead({
  title,
  note,
  children,
}: {
  title: ReactNode;
  note?: ReactNode;
  children?: ReactNode;
}) {
  return (
    <header className="view-head">
      <div className="view-title">
        <h1>{title}</h1>
        {note}
      </div>
      {children && <div className="view-actions">{children}</div>}
    </header>
  );
}

export function Badge({ kind, children }: { kind: string; children: ReactNode }) {
  return <span className={`badge badge-${kind}`}>{children}</span>;
}

/** How long ago, or how long still, second by second. */
export function Ticking({ print }: { print: (now: number) => string }) {
  return <span className="number">{print(useNow())}</span>;
}

/** A modal dialog: the browser keeps the focus in it, and Escape closes it. */
export function Dialog({
  title,
  onClose,
  children,
}: {
  title: string;
  onClose: () => void;
  children: ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);

  // Closed before it is taken away, so that the focus goes back to where it was.
  useLayoutEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => shown?.close();
  }, []);
  const onClosed = () => {
    if (!dialog.current?.open) onClose();
  };
  return (
    <dialog ref={dialog} onClose={onClosed} aria-label={title}>
      <div className="dialog-head">
        <h2>{title}</h2>
        <button
          type="button"
          className="icon"
          aria-label="Cancel"
          onClick={() => dialog.current?.close()}
        >
          <X aria-hidden />
        </button>
      </div>
      {children}
    </dialog>
  );
}
