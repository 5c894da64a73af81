// A conversation is read from its end: what comes is scrolled to, unless one reads further up.

import { type RefObject, useEffect, useLayoutEffect, useRef } from 'react';

const NEAR_PX = 60;

/** `count` changes when something comes; `key` when it is another conversation. */
export function useStickToEnd(
  key: string,
  count: number | string,
): [RefObject<HTMLDivElement | null>, () => void] {
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const last = useRef(key);

  // biome-ignore lint/correctness/useExhaustiveDependencies: it is about what came
  useLayoutEffect(() => {
    if (last.current !== key) isAtEnd.current = true;
    last.current = key;
    if (box.current && isAtEnd.current)
      box.current.scrollTop = box.current.scrollHeight;
  }, [key, count]);
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
