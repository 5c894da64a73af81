// The console. App.tsx decides what is shown; docs/console.md says what for.

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './App';
import { takeLoginCode } from './lib/login';
import './style.css';

const root = document.getElementById('root');
if (root)
  createRoot(root).render(
    <StrictMode>
      <App code={takeLoginCode()} />
    </StrictMode>,
  );
