// One side of a conversation, with npm's ws.
//
//     node talk.mjs URL ROOM first|second
//
// The first to come says something before the second is there, and leaves first. Every
// step is checked; the exit status is 0 when the conversation went as it should. talk.py
// is the same with python3-websockets, so that each can be either side.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import WebSocket from 'ws';

const PATIENCE_MS = 30000;
const OPENING = { text: 'is anybody here? \u00e9 \u{1f600} "quoted"', data: { n: [1, null] } };
const ANSWER = { text: 'I am. \u2028 \\ /' };
const REPLY = { text: 'good to hear' };

class Talk {
  constructor(socket, room, user) {
    Object.assign(this, { socket, room, user, inbox: [], wake: () => {} });
    socket.on('message', (text, isBinary) => {
      assert.equal(isBinary, false);
      this.inbox.push(JSON.parse(text));
      this.wake();
    });
  }

  send(request) {
    this.socket.send(JSON.stringify({ room: this.room, ...request }));
  }

  // The next event of this type, with these fields; others may come before it.
  async wait(type, fields) {
    for (;;) {
      while (this.inbox.length === 0) await new Promise((wake) => (this.wake = wake));
      const event = this.inbox.shift();
      assert.notEqual(event.type, 'error', JSON.stringify(event));
      if (event.type !== type) continue;
      for (const [name, value] of Object.entries(fields)) {
        assert.deepEqual(event[name], value, `${name} in ${JSON.stringify(event)}`);
      }
      return event;
    }
  }

  async join(members) {
    const { room, user } = this;
    this.send({ type: 'join', user, id: 1 });
    const ack = { id: 1, room, user, members, recovered: false };
    const { epoch } = await this.wait('join_ack', ack);
    const history = await this.wait('history_batch', { room, epoch, more: false });
    return history.messages;
  }

  async say(message, seq) {
    this.send({ type: 'message', id: 'say', ...message });
    await this.wait('message_ack', { id: 'say', room: this.room, seq });
  }

  async hear(user, message, seq) {
    const event = await this.wait('message', { room: this.room, user, seq, ...message });
    assert.ok(Number.isInteger(event.ts));
  }

  async see(...members) {
    this.send({ type: 'get_members', id: 2 });
    await this.wait('member_list', { id: 2, members, count: members.length, next: null });
  }

  async leave() {
    this.send({ type: 'leave', id: 3 });
    await this.wait('leave_ack', { id: 3, room: this.room });
  }
}

async function beFirst(talk) {
  assert.deepEqual(await talk.join(1), []);
  talk.send({ type: 'message', ...OPENING });
  await talk.hear('first', OPENING, 1);
  await talk.wait('member_joined', { room: talk.room, user: 'second', members: 2 });
  await talk.hear('second', ANSWER, 2);
  await talk.see('first', 'second');
  await talk.say(REPLY, 3);
  await talk.leave();
}

async function beSecond(talk) {
  const [opening, ...others] = await talk.join(2);
  const { user, seq, text, data } = opening;
  assert.deepEqual({ user, seq, text, data }, { user: 'first', seq: 1, ...OPENING });
  assert.equal(others.length, 0);
  talk.send({ type: 'message', ...ANSWER });
  await talk.hear('second', ANSWER, 2);
  await talk.hear('first', REPLY, 3);
  await talk.wait('member_left', { room: talk.room, user: 'first', members: 1, reason: 'left' });
  await talk.see('second');
  await talk.leave();
}

const [url, room, role] = process.argv.slice(2);
setTimeout(() => assert.fail('it takes too long'), PATIENCE_MS).unref();
const socket = new WebSocket(url, ['roomcast.v1']);
const talk = new Talk(socket, room, role);
await once(socket, 'open');
assert.equal(socket.protocol, 'roomcast.v1');
await { first: beFirst, second: beSecond }[role](talk);
socket.ping();
await once(socket, 'pong');
socket.close(1000);
const [code] = await once(socket, 'close');
assert.equal(code, 1000);
