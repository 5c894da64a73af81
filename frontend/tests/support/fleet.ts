// A Redis of its own (or several: shards), two gateways and an admin service, all on free ports of 127.0.0.1, for
// the tests of one file:
//
//     const fleet = fleetOfFile();
//
// The admin service has the console of frontend/dist. The programs are
// $ROOMCAST_BIN/roomcast-* and redis-server of the PATH. Redis writes each command to disk at
// once, so that a restart brings it back as it was.

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { takePort } from './port';
import { Program } from './program';
import { waitFor } from './wait';

const BIN = resolve(process.env.ROOMCAST_BIN ?? '../build/bin');
const GATEWAYS = 2;
export const TOKEN = 'the-token-of-the-tests';

interface Redis {
  port: number;
  dir: string;
  program: Program | null;
}

interface Gateway {
  port: number;
  opsPort: number;
  program: Program | null;
}

async function isReady(port: number): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
  await answer.text();
  return answer.status === 200;
}

/** Starts before the first test, and before what `beforeAll` says further down; stops behind
 *  it all. */
export function fleetOfFile(settings: Record<string, string> = {}, shards = 1): Fleet {
  const fleet = new Fleet(shards, {
    ROOMCAST_WORKERS: '1',
    ROOMCAST_DRAIN_SECS: '1',
    ROOMCAST_LEASE_SECS: '2',
    ROOMCAST_REQUESTS_PER_SEC: '0', // tests send as fast as they can
    ROOMCAST_BYTES_PER_SEC: '0',
    ...settings,
  });

  beforeAll(() => fleet.start());
  afterAll(() => fleet.stop());
  return fleet;
}

class Fleet {
  private adminPort = 0;
  private dir = '';
  private readonly redises: Redis[] = [];
  private admin: Program | null = null;
  private readonly gateways: Gateway[] = [];

  constructor(
    private readonly shards: number,
    private readonly settings: Record<string, string>,
  ) {}

  async start(): Promise<void> {
    this.dir = await mkdtemp(join(tmpdir(), 'roomcast-console-'));
    for (let i = 0; i < this.shards; i++) {
      const dir = join(this.dir, `redis-${i}`);
      await mkdir(dir);
      this.redises.push({ port: await takePort(), dir, program: null });
      await this.startRedis(i);
    }
    for (let i = 0; i < GATEWAYS; i++)
      this.gateways.push({
        port: await takePort(),
        opsPort: await takePort(),
        program: null,
      });
    await Promise.all(this.gateways.map((_, i) => this.startGateway(i)));
    await this.startAdmin();
  }

  async stop(): Promise<void> {
    await this.admin?.end('SIGTERM');
    await Promise.all(this.gateways.map(({ program }) => program?.end('SIGTERM')));
    await Promise.all(this.redises.map(({ program }) => program?.end('SIGTERM')));
    await rm(this.dir, { recursive: true, force: true });
  }

  url(index: number): string {
    return `ws://127.0.0.1:${this.gateways[index]?.port}/ws`;
  }

  urls(): string[] {
    return this.gateways.map((_, i) => this.url(i));
  }

  port(index: number): number {
    return this.gateways[index]?.port ?? 0;
  }

  /** The index of the gateway with this address. */
  indexOf(address: string): number {
    return this.gateways.findIndex(({ port }) => address.includes(`:${port}`));
  }

  console(): string {
    return `http://127.0.0.1:${this.adminPort}/`;
  }

  /** One request to the admin API; its body. */
  async ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await fetch(`${this.console()}api${path}`, {
      method,
      headers: { authorization: `Bearer ${TOKEN}` },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const json: unknown = await answer.json();
    if (!answer.ok) throw new Error(`${method} ${path}: ${JSON.stringify(json)}`);
    return json;
  }

  async startGateway(index: number): Promise<void> {
    const gateway = this.gateways[index] as Gateway;
    const program = new Program(join(BIN, 'roomcast-gateway'), [], {
      ...this.settings,
      ROOMCAST_LISTEN: `127.0.0.1:${gateway.port}`,
      ROOMCAST_OPS_LISTEN: `127.0.0.1:${gateway.opsPort}`,
      ROOMCAST_ADVERTISE: `127.0.0.1:${gateway.port}`,
      ROOMCAST_REDIS_URL: this.redisUrls(),
    });

    gateway.program = program;
    await waitFor('a gateway is ready', () => {
      program.assertRuns();
      return isReady(gateway.opsPort);
    });
  }

  async restartGateway(index: number): Promise<void> {
    await this.killGateway(index);
    await this.startGateway(index);
  }

  async killGateway(index: number): Promise<void> {
    await this.gateways[index]?.program?.end('SIGKILL');
  }

  /** SIGTERM, without waiting for the end. */
  drainGateway(index: number): void {
    this.gateways[index]?.program?.signal('SIGTERM');
  }

  /** Stops and continues it, as a machine that hangs would. */
  freezeGateway(index: number, on: boolean): void {
    this.gateways[index]?.program?.signal(on ? 'SIGSTOP' : 'SIGCONT');
  }

  private redisUrls(): string {
    return this.redises.map(({ port }) => `redis://127.0.0.1:${port}`).join(',');
  }

  redisPort(shard: number): number {
    return this.redises[shard]?.port ?? 0;
  }

  async startRedis(shard = 0): Promise<void> {
    const { port, dir } = this.redises[shard] as Redis;
    const redis = new Program('redis-server', [
      ...['--bind', '127.0.0.1', '--port', `${port}`, '--dir', dir],
      ...['--save', '', '--appendonly', 'yes', '--appendfsync', 'always'],
      ...['--notify-keyspace-events', 'Kx'],
    ]);

    (this.redises[shard] as Redis).program = redis;
    await waitFor('Redis listens', () => {
      redis.assertRuns();
      return redis.output.includes('Ready to accept connections');
    });
    await this.waitReady();
  }

  /** Until all that run have found Redis again. */
  private async waitReady(): Promise<void> {
    const ports = this.gateways.flatMap(({ program, opsPort }) =>
      program?.isRunning() ? [opsPort] : [],
    );
    if (this.admin?.isRunning()) ports.push(this.adminPort);
    await Promise.all(
      ports.map((port) => waitFor('all are ready again', () => isReady(port))),
    );
  }

  async killRedis(shard = 0): Promise<void> {
    await this.redises[shard]?.program?.end('SIGKILL');
  }

  /** Removes what a Redis that is down has kept. */
  async forgetRedis(shard = 0): Promise<void> {
    await rm(join(this.redises[shard]?.dir ?? this.dir, 'appendonlydir'), {
      recursive: true,
      force: true,
    });
  }

  /** In the address of the admin service its port is not known before. */
  private ofAdmin(): Record<string, string> {
    return Object.fromEntries(
      Object.entries(this.settings)
        .filter(([name]) => /^ROOMCAST_(OIDC|ADMIN|JWT)_/.test(name))
        .map(([name, value]) => [name, value.replace('{port}', `${this.adminPort}`)]),
    );
  }

  async startAdmin(): Promise<void> {
    this.adminPort ||= await takePort();
    const admin = new Program(join(BIN, 'roomcast-admin'), [], {
      AUTH_TOKEN: TOKEN,
      ROOMCAST_ADMIN_LISTEN: `127.0.0.1:${this.adminPort}`,
      ROOMCAST_REDIS_URL: this.redisUrls(),
      ROOMCAST_PUBLIC_WS_URLS: this.urls().join(','),
      ROOMCAST_CONSOLE_DIR: resolve('dist'),
      ROOMCAST_ROOM_TTL_SECS: this.settings.ROOMCAST_ROOM_TTL_SECS ?? '300',
      ...this.ofAdmin(),
    });

    this.admin = admin;
    await waitFor('the admin service is ready', () => {
      admin.assertRuns();
      return isReady(this.adminPort);
    });
  }

  async killAdmin(): Promise<void> {
    await this.admin?.end('SIGKILL');
  }
}
