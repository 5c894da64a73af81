// What became of something, for a moment; a failure stays until it is put away.

import { CircleCheck, TriangleAlert, X } from 'lucide-react';
import { useEffect } from 'react';

export interface Toast {
  id: number;
  text: string;
  isError: boolean;
}

const SHOWN_MS = 5000;

function One({ toast, onDone }: { toast: Toast; onDone: (id: number) => void }) {
  const { id, text, isError } = toast;

  useEffect(() => {
    if (isError) return;
    const timer = setTimeout(() => onDone(id), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [id, isError, onDone]);
  return (
    <div className={isError ? 'toast failed' : 'toast'}>
      {isError ? <TriangleAlert aria-hidden /> : <CircleCheck aria-hidden />}
      <span dir="auto">{text}</span>
      <button
        type="button"
        className="icon"
        aria-label="Dismiss"
        onClick={() => onDone(id)}
      >
        <X aria-hidden />
      </button>
    </div>
  );
}

export function Toasts({
  toasts,
  onDone,
}: {
  toasts: Toast[];
  onDone: (id: number) => void;
}) {
  return (
    <div className="toasts" role="status" aria-live="polite">
      {toasts.map((toast) => (
        <One key={toast.id} toast={toast} onDone={onDone} />
      ))}
    </div>
  );
}
