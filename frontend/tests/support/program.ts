// A program that a test starts, and ends by its own process id. What it prints is kept and
// shown when it ends unasked.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

const OUTPUT_MAX = 20_000;

export class Program {
  output = '';
  private readonly child: ChildProcess;

  constructor(
    private readonly path: string,
    args: string[],
    env: Record<string, string> = {},
  ) {
    this.child = spawn(path, args, {
      env: { PATH: process.env.PATH ?? '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (bytes) => {
        this.output = (this.output + bytes).slice(-OUTPUT_MAX);
      });
    this.child.once('error', (error) => {
      this.output += String(error);
    });
  }

  isRunning(): boolean {
    return this.child.pid !== undefined && !this.hasEnded();
  }

  /** For a condition that is waited for: a dead program does not get ready. */
  assertRuns(): void {
    if (!this.isRunning()) throw new Error(`${this.path} has ended: ${this.output}`);
  }

  signal(name: NodeJS.Signals): void {
    if (this.isRunning()) this.child.kill(name);
  }

  async end(name: NodeJS.Signals): Promise<void> {
    if (!this.isRunning()) return;
    const ended = once(this.child, 'exit');
    this.child.kill(name);
    await ended;
  }

  private hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }
}
