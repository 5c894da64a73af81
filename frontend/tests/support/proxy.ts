// A TCP proxy on a free port that a test cuts: all connections at once, or silently, so that
// bytes are taken and go nowhere; and that refuses who comes while it is shut.

import { connect, createServer, type Server, type Socket } from 'node:net';

export class CutProxy {
  port = 0;
  private isShut = false;
  private isMute = false;
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  private constructor(private readonly target: number) {
    this.server = createServer((socket) => this.onConnection(socket));
  }

  static start(target: number): Promise<CutProxy> {
    const proxy = new CutProxy(target);

    return new Promise((resolve, reject) => {
      proxy.server.once('error', reject);
      proxy.server.listen(0, '127.0.0.1', () => {
        const address = proxy.server.address();
        proxy.port = typeof address === 'object' && address ? address.port : 0;
        resolve(proxy);
      });
    });
  }

  url(): string {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  /** Cuts every connection, in the middle of whatever it says. */
  cut(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  shut(on: boolean): void {
    this.isShut = on;
    if (on) this.cut();
  }

  /** What comes from the gateway is thrown away; nobody is told. */
  mute(on: boolean): void {
    this.isMute = on;
  }

  stop(): Promise<void> {
    this.cut();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private onConnection(socket: Socket): void {
    if (this.isShut) {
      socket.resetAndDestroy();
      return;
    }
    const behind = connect(this.target, '127.0.0.1');

    this.pass(socket, behind, () => true);
    this.pass(behind, socket, () => !this.isMute);
  }

  private pass(from: Socket, to: Socket, mayPass: () => boolean): void {
    this.sockets.add(from);
    from.on('data', (bytes) => mayPass() && to.write(bytes));
    from.on('error', () => {});
    from.on('close', () => {
      this.sockets.delete(from);
      to.destroy();
    });
  }
}
