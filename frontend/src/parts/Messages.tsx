// The box that holds the messages of a conversation. It is read from its end: what comes is
// scrolled to, unless one reads further up.

import {
  type ReactNode,
  type RefObject,
  useEffect,
  useLayoutEffect,
  useRef,
} from 'react';

const NEAR_PX = 60;

function useStickToEnd(
  room: string,
  newest: number | string,
): [RefObject<HTMLDivElement | null>, () => void] {
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const last = useRef(room);

  // biome-ignore lint/correctness/useExhaustiveDependencies: it is about what came
  useLayoutEffect(() => {
    if (last.current !== room) isAtEnd.current = true;
    last.current = room;
    if (box.current && isAtEnd.current)
      box.current.scrollTop = box.current.scrollHeight;
  }, [room, newest]);
  useEffect(() => {
    const at = box.current;
    if (!at) return;
    const resized = new ResizeObserver(() => {
      if (isAtEnd.current) at.scrollTop = at.scrollHeight;
    });
    resized.observe(at);
    return () => resized.disconnect();
  }, []);
  const onScroll = () => {
    const at = box.current;
    if (at)
      isAtEnd.current = at.scrollHeight - at.scrollTop - at.clientHeight < NEAR_PX;
  };
  return [box, onScroll];
}

/** `newest` is another one when something has come. */
export function Messages({
  room,
  newest,
  children,
}: {
  room: string;
  newest: number | string;
  children: ReactNode;
}) {
  const [box, onScroll] = useStickToEnd(room, newest);
  return (
    <div
      className="messages"
      ref={box}
      onScroll={onScroll}
      tabIndex={0}
      role="log"
      aria-label="Messages"
    >
      {children}
    </div>
  );
}
