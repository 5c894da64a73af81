// Light, dark, or as the system has it; kept in this browser.

import { useEffect, useState } from 'react';

export type Theme = 'auto' | 'light' | 'dark';

const KEY = 'roomcast.theme';
const ORDER: readonly Theme[] = ['auto', 'light', 'dark'];

function readTheme(): Theme {
  const found = localStorage.getItem(KEY);
  return ORDER.find((theme) => theme === found) ?? 'auto';
}

export function useTheme(): [Theme, () => void] {
  const [theme, setTheme] = useState(readTheme);

  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem(KEY, theme);
  }, [theme]);
  const next = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length] ?? 'auto';
  return [theme, () => setTheme(next)];
}
