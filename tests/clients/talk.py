"""One side of a conversation, with Debian's python3-websockets.

    talk.py URL ROOM first|second

The first to come says something before the second is there, and leaves first. Every
step is checked; the exit status is 0 when the conversation went as it should. talk.mjs
is the same with npm's ws, so that each can be either side.
"""

import asyncio
import json
import sys

import websockets

PATIENCE_SECS = 30
OPENING = {"text": "is anybody here? \u00e9 \U0001f600 \"quoted\"", "data": {"n": [1, None]}}
ANSWER = {"text": "I am. \u2028 \\ /"}
REPLY = {"text": "good to hear"}


class Talk:
    def __init__(self, socket, room, user):
        self.socket, self.room, self.user = socket, room, user

    async def send(self, **request):
        await self.socket.send(json.dumps({"room": self.room, **request}))

    async def wait(self, kind, **fields):
        """The next event of this type, with these fields; others may come before it."""
        while True:
            text = await asyncio.wait_for(self.socket.recv(), PATIENCE_SECS)
            assert isinstance(text, str), text
            event = json.loads(text)
            assert event["type"] != "error", event
            if event["type"] == kind:
                break
        for name, value in fields.items():
            assert event.get(name) == value, (name, value, event)
        return event

    async def join(self, members):
        await self.send(type="join", user=self.user, id=1)
        ack = await self.wait("join_ack", id=1, room=self.room, user=self.user,
                              members=members, recovered=False)
        history = await self.wait("history_batch", room=self.room, epoch=ack["epoch"],
                                  more=False)
        return history["messages"]

    async def say(self, message, seq):
        await self.send(type="message", id="say", **message)
        await self.wait("message_ack", id="say", room=self.room, seq=seq)

    async def hear(self, user, message, seq):
        event = await self.wait("message", room=self.room, user=user, seq=seq, **message)
        assert isinstance(event["ts"], int), event

    async def see(self, *members):
        await self.send(type="get_members", id=2)
        await self.wait("member_list", id=2, members=list(members), count=len(members),
                        next=None)

    async def leave(self):
        await self.send(type="leave", id=3)
        await self.wait("leave_ack", id=3, room=self.room)


async def be_first(talk):
    assert await talk.join(members=1) == []
    await talk.send(type="message", **OPENING)
    await talk.hear("first", OPENING, seq=1)
    await talk.wait("member_joined", room=talk.room, user="second", members=2)
    await talk.hear("second", ANSWER, seq=2)
    await talk.see("first", "second")
    await talk.say(REPLY, seq=3)
    await talk.leave()


async def be_second(talk):
    (opening,) = await talk.join(members=2)
    assert opening["user"] == "first" and opening["seq"] == 1, opening
    assert opening["text"] == OPENING["text"], opening
    assert opening["data"] == OPENING["data"], opening
    await talk.send(type="message", **ANSWER)
    await talk.hear("second", ANSWER, seq=2)
    await talk.hear("first", REPLY, seq=3)
    await talk.wait("member_left", room=talk.room, user="first", members=1, reason="left")
    await talk.see("second")
    await talk.leave()


async def main(url, room, role):
    async with websockets.connect(url, subprotocols=["roomcast.v1"]) as socket:
        assert socket.subprotocol == "roomcast.v1", socket.subprotocol
        await {"first": be_first, "second": be_second}[role](Talk(socket, room, role))
        pong = await socket.ping()
        await asyncio.wait_for(pong, PATIENCE_SECS)
    assert socket.close_code == 1000, socket.close_code


asyncio.run(main(*sys.argv[1:]))
