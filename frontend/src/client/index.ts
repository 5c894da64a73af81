// The TypeScript client of roomcast: no framework in it, and nothing but the browser's (or
// node 22's) WebSocket below it. chat_client.ts is where to begin.

export { ChatClient, type ChatOptions, type ChatSnapshot } from './chat_client';
export type { ConnectionStatus } from './connection';
export type { Unsent } from './outgoing';
export type { RoomEnd, RoomPhase, RoomSnapshot } from './room';
export type { Item } from './timeline';
export type { Position, WireEvent, WireMessage } from './wire';
