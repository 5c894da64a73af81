// socketio.js PORT REDIS_PORT - chat rooms on socket.io with its Redis adapter, as their
// documentation recommends it for production.
//
//     message -> io.to(room).emit -> this process's members, at once
//          |              `-> PUBLISH -> the other processes' members
//          `-> the acknowledgement
//
// That is the adapter's way: who publishes does not wait for Redis, gets its own message
// from there as well, and drops it. So an acknowledgement promises less here than
// roomcast's. The number of an event is this process's count; see bun.js.
import { createServer } from "node:http";

import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const [port, redisPort] = process.argv.slice(2).map(Number);
const publisher = createClient({ url: `redis://127.0.0.1:${redisPort}` });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

const http = createServer();
const io = new Server(http, {
  adapter: createAdapter(publisher, subscriber),
  transports: ["websocket"], // the load generator speaks nothing else
  perMessageDeflate: false, // the default; nobody else compresses either
  serveClient: false,
});

// "Memory usage" in its documentation: the request of the upgrade is of no more use.
// "Performance tuning": bufferutil is installed, and ws finds it by itself.
io.engine.on("connection", (raw) => {
  raw.request = null;
});

const seqs = new Map(); // room -> the last number

io.on("connection", (socket) => {
  socket.on("join", async (room, user, done) => {
    socket.data = { room, user };
    await socket.join(room);
    done({ seq: seqs.get(room) ?? 0 });
  });
  socket.on("message", (text, done) => {
    const { room, user } = socket.data;
    const seq = (seqs.get(room) ?? 0) + 1;
    seqs.set(room, seq);
    io.to(room).emit("message", { type: "message", room, seq, user, text, ts: Date.now() });
    done({ seq });
  });
});

http.listen(port, "127.0.0.1");
