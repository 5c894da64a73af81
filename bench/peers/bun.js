// bun.js PORT REDIS_PORT - chat rooms on Bun's WebSocket server, many processes on one
// Redis, as Bun's documentation puts the parts together: a room is a native topic, and a
// channel of Redis joins the processes' topics of that name.
//
//     message -> PUBLISH -> (every process) on the channel -> server.publish
//                   `-> its reply -> message_ack
//
// An event is encoded once, by who publishes it; the others pass the bytes on. Its number
// is this process's count, which is right only while the talkers of a room are on one
// process: enough for the load generator to see whether anything is missing.
import { RedisClient } from "bun";

const [port, redisPort] = process.argv.slice(2).map(Number);
const url = `redis://127.0.0.1:${redisPort}`;
// A connection that subscribes can do nothing else. Commands of one turn share a write
// (enableAutoPipelining, on by default).
const publisher = new RedisClient(url);
const subscriber = new RedisClient(url);
await Promise.all([publisher.connect(), subscriber.connect()]);

const rooms = new Map(); // name -> {members, seq, ready}

async function join(ws, { room, user }) {
  let state = rooms.get(room);
  if (!state) {
    const ready = subscriber.subscribe(room, (event) => server.publish(room, event));
    state = { members: 0, seq: 0, ready };
    rooms.set(room, state);
  }
  state.members++;
  ws.data = { room, user, state };
  ws.subscribe(room);
  await state.ready;
  ws.send(JSON.stringify({ type: "join_ack", room, seq: state.seq }));
}

async function say(ws, { id, text }) {
  const { room, user, state } = ws.data;
  const seq = ++state.seq;
  await publisher.publish(
    room,
    JSON.stringify({ type: "message", room, seq, user, text, ts: Date.now() }),
  );
  ws.send(JSON.stringify({ type: "message_ack", id, room, seq }));
}

async function leave(ws) {
  const { room, state } = ws.data;
  if (state && --state.members === 0) {
    rooms.delete(room);
    await subscriber.unsubscribe(room);
  }
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port,
  fetch(request, server) {
    if (!server.upgrade(request, { data: {} }))
      return new Response("this is for WebSockets\n", { status: 426 });
  },
  websocket: {
    perMessageDeflate: false, // the default; nobody else compresses either
    message(ws, text) {
      const request = JSON.parse(text);
      if (request.type === "join") return join(ws, request);
      return say(ws, request);
    },
    close: leave,
  },
});
