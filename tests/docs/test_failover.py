#!/usr/bin/python3
"""What docs/operations.md says of a Redis that fails over: two gateways that ask Sentinel, or are
behind its HAProxy configuration, two people who talk all the time, and what they were told.

    redis a, b, c  <-  gateways 1, 2, which ask Sentinel  <-  ann, bob
    redis a, b, c  <-  HAProxy  <-  gateways 1, 2         <-  ann, bob

Each message has a key and a number of its own as its text. What is acked must have been
delivered to both, once; only where Redis may lose something, a reset may stand in its place.
"""

import asyncio
import contextlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest

import websockets

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))
import programs
from programs import Program, free_port, get, wait_until

PATIENCE_SECS = 60
DOWN_AFTER_MS = 5000
TALK_PAUSE_SECS = 0.02
STEADY_SECS = 1  # of talk before and after
WITH_REPLICAS = "tcp-check expect rstring role:master[^_]*connected_slaves:[1-9]"
WITHOUT = "tcp-check expect string role:master"


class Person:
    """Says something all the time and remembers what it hears. A join that is refused, since
    Redis is away, is said again."""

    def __init__(self, name, port):
        self.name, self.port = name, port
        self.heard, self.acked, self.told = [], {}, []

    async def __aenter__(self):
        self.ws = await websockets.connect(f"ws://127.0.0.1:{self.port}/ws",
                                           ping_interval=None)
        self._reading = asyncio.create_task(self.read())
        await self.join()
        return self

    async def __aexit__(self, *_):
        await self.ws.close()
        await self._reading

    async def join(self):
        while "join_ack" not in self.kinds():
            refused = self.kinds().count("error")
            await self.send(type="join", room="lobby", user=self.name)
            await until(f"{self.name}'s join is answered", lambda: "join_ack" in self.kinds()
                        or self.kinds().count("error") > refused)
            self.check_refusals()
        await until(f"{self.name} has the history", lambda: "history_batch" in self.kinds())

    def check_refusals(self):
        codes = {event["code"] for event in self.told if event["type"] == "error"}
        if codes - {"unavailable"}:
            raise AssertionError(f"{self.name} is refused: {codes}")

    def kinds(self):
        return [event["type"] for event in self.told]

    async def send(self, **request):
        await self.ws.send(json.dumps(request))

    async def read(self):
        async for text in self.ws:
            event = json.loads(text)
            if event["type"] == "message":
                self.heard.append(event["text"])
            elif event["type"] == "message_ack":
                self.acked[event["id"]] = time.monotonic()
            else:
                self.told.append(event)

    async def talk(self):
        for i in range(1_000_000):
            text = f"{self.name} {i}"
            await self.send(type="message", room="lobby", text=text, key=text, id=text)
            await asyncio.sleep(TALK_PAUSE_SECS)


async def until(what, holds):
    end = time.monotonic() + PATIENCE_SECS
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"in vain: {what}")
        await asyncio.sleep(0.02)


def longest_pause(people, since):
    """Between two acks, in seconds."""
    times = sorted(at for person in people for at in person.acked.values())
    return max(b - a for a, b in zip(times, times[1:]) if b > since)


def acks_since(people, since):
    return min(sum(1 for at in person.acked.values() if at > since) for person in people)


class Failover(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.dir = pathlib.Path(self.stack.enter_context(
            tempfile.TemporaryDirectory(prefix="roomcast-failover-")))
        self.programs, self.ports = {}, {}

    def start(self, name, words, environment=None):
        program = Program(words, environment, self.dir / f"{name}.log")
        self.programs[name] = self.stack.enter_context(program)
        return program

    def cli(self, name, *words):
        return subprocess.run(["redis-cli", "-p", str(self.ports[name]), *words],
                              capture_output=True, text=True).stdout

    # ---- the programs ----

    def start_redis(self, name, *more):
        (self.dir / name).mkdir()
        self.start(name, ["redis-server", "--port", self.ports[name], "--bind", "127.0.0.1",
                          "--dir", self.dir / name, "--appendonly", "yes", "--save", "",
                          "--notify-keyspace-events", "Kx",
                          "--repl-diskless-sync-delay", "0", *more])  # else 5 s
        wait_until("Redis answers", lambda: "PONG" in self.cli(name, "ping"))

    def start_redises(self, names, *more):
        self.ports.update({name: free_port() for name in names})
        for name in names:
            replica = [] if name == "a" else ["--replicaof", f"127.0.0.1 {self.ports['a']}"]
            self.start_redis(name, *replica, *more)
        for name in names[1:]:
            wait_until("a replica has all", lambda: "master_link_status:up"
                       in self.cli(name, "info", "replication"))

    def start_sentinel(self, replicas):
        self.ports["sentinel"] = free_port()
        path = self.dir / "sentinel.conf"
        path.write_text(f"port {self.ports['sentinel']}\nbind 127.0.0.1\ndir {self.dir}\n"
                        f"sentinel monitor fleet 127.0.0.1 {self.ports['a']} 1\n"
                        f"sentinel down-after-milliseconds fleet {DOWN_AFTER_MS}\n")
        self.start("sentinel", ["redis-server", path, "--sentinel"])
        wait_until("Sentinel knows the replicas", lambda: f"num-slaves\n{replicas}\n"
                   in self.cli("sentinel", "sentinel", "master", "fleet"))

    def start_haproxy(self, names, change=lambda text: text):
        """The configuration is the one that stands in the documentation."""
        page = (ROOT / "docs/operations.md").read_text()
        text = change(re.search(r"```\n(listen redis\n.*?)```", page, re.S)[1])
        self.ports["proxy"] = free_port()
        text = text.replace("bind :6379", f"bind 127.0.0.1:{self.ports['proxy']}")
        for name in "abc":
            line = f"    server {name} redis-{name}:6379 check\n"
            self.assertIn(line, text)
            text = text.replace(line, line.replace(
                f"redis-{name}:6379", f"127.0.0.1:{self.ports[name]}")
                if name in names else "")
        path = self.dir / "haproxy.cfg"
        path.write_text(text)
        self.start("haproxy", ["haproxy", "-db", "-f", path])

    def start_gateways(self, url=None):
        for i in "12":
            self.ports[f"ws {i}"], self.ports[f"ops {i}"] = free_port(), free_port()
            self.start(f"gateway {i}", [programs.path_of("gateway")], {
                "ROOMCAST_LISTEN": f"127.0.0.1:{self.ports[f'ws {i}']}",
                "ROOMCAST_OPS_LISTEN": f"127.0.0.1:{self.ports[f'ops {i}']}",
                "ROOMCAST_REDIS_URL": url or f"redis://127.0.0.1:{self.ports['proxy']}",
                "ROOMCAST_WORKERS": "1"})
        wait_until("the gateways are ready", self.are_ready)

    def are_ready(self):
        return all(get(self.ports[f"ops {i}"], "/readyz") == 200 for i in "12")

    # ---- the play ----

    def play(self, fail_over, names, may_reset):
        try:
            asyncio.run(asyncio.wait_for(self.play_it(fail_over, names, may_reset), 200))
        except Exception:
            for name, program in self.programs.items():
                print(f"---- {name}\n{program.log()}", flush=True)
            raise

    async def play_it(self, fail_over, names, may_reset):
        async with Person("ann", self.ports["ws 1"]) as ann, \
                Person("bob", self.ports["ws 2"]) as bob:
            await until("ann knows of bob", lambda: "member_joined" in ann.kinds())
            people = (ann, bob)
            talks = [asyncio.create_task(person.talk()) for person in people]
            await until("both are acked",
                        lambda: acks_since(people, 0) * TALK_PAUSE_SECS > STEADY_SECS)
            start = time.monotonic()
            await asyncio.to_thread(fail_over)
            await until("another one is the primary", lambda: any(
                "role:master" in self.cli(name, "info", "replication") for name in names[1:])
                and "role:master" not in self.cli("a", "info", "replication"))
            since = time.monotonic()
            await until("both are acked again",
                        lambda: acks_since(people, since) * TALK_PAUSE_SECS > STEADY_SECS)
            await asyncio.to_thread(
                programs.wait_until, "the gateways are ready again", self.are_ready)
            for talk in talks:
                talk.cancel()
            await self.check(people, may_reset)
            self.report(people, longest_pause(people, start), names)

    async def check(self, people, may_reset):
        acked = {text for person in people for text in person.acked}
        for person in people:
            def is_told():
                return "reset" in person.kinds() or acked <= set(person.heard)

            await until(f"{person.name} has what was acked, or knows", is_told)
            self.assertEqual(len(person.heard), len(set(person.heard)), "something twice")
            self.assertNotIn("member_left", person.kinds())
            if not may_reset:
                self.assertNotIn("reset", person.kinds())
                self.assertNotIn("gap", person.kinds())

    def report(self, people, pause, names):
        """The figures of the documentation. Numbers go on after a reset, so the last one is
        how many messages are left of all; some of these were not acked."""
        [seq] = [int(self.cli(name, "hget", "rc:{lobby}:meta", "seq")) for name in names
                 if "role:master" in self.cli(name, "info", "replication")]
        acked = sum(len(person.acked) for person in people)
        resets = any("reset" in person.kinds() for person in people)
        print(f"no ack for {pause:.1f} s; {max(acked - seq, 0)} acked ones are gone;"
              f" {'a' if resets else 'no'} reset", flush=True)

    # ---- the ways to fail over ----

    def test_a_planned_one_loses_nothing(self):
        self.start_redises("ab")
        self.start_haproxy("ab", lambda text: text.replace(WITH_REPLICAS, WITHOUT))
        self.start_gateways()
        self.play(lambda: self.cli("a", "failover", "to", "127.0.0.1", str(self.ports["b"])),
                  "ab", may_reset=False)

    def start_behind_sentinel(self):
        self.start_redises("abc", "--min-replicas-to-write", "1")
        self.start_sentinel(2)
        self.start_gateways(f"redis+sentinel://127.0.0.1:{self.ports['sentinel']}/fleet")

    def test_who_asks_sentinel_finds_the_next_primary_when_one_is_killed(self):
        self.start_behind_sentinel()
        self.play(self.programs["a"].kill, "abc", may_reset=True)

    def test_who_asks_sentinel_finds_the_next_primary_when_it_is_told_to_fail_over(self):
        self.start_behind_sentinel()
        self.play(lambda: self.cli("sentinel", "sentinel", "failover", "fleet"), "abc",
                  may_reset=True)

    def test_a_primary_that_is_killed_is_replaced_and_what_is_gone_is_named(self):
        self.start_redises("abc", "--min-replicas-to-write", "1")
        self.start_sentinel(2)
        self.start_haproxy("abc")
        self.start_gateways()
        self.play(self.programs["a"].kill, "abc", may_reset=True)

    def test_what_sentinel_throws_away_is_named(self):
        self.start_redises("abc", "--min-replicas-to-write", "1")
        self.start_sentinel(2)
        self.start_haproxy("abc")
        self.start_gateways()
        self.play(lambda: self.cli("sentinel", "sentinel", "failover", "fleet"), "abc",
                  may_reset=True)


if __name__ == "__main__":
    unittest.main()
