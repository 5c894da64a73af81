#!/usr/bin/env python3
"""Measures what bench/fleet_model.py needs and no other benchmark tells: what it costs that the
members of a room are on many gateways.

    bench/fleet_units.py [--rounds N]      medians of the rounds; some minutes

Each figure is processor time of one process by the kernel's account, or memory by Redis's own. The
scripts publish by SPUBLISH, as in a cluster, to a server that is not part of one: what the cluster
itself adds, a look at the slot of each key, is not in it.
"""
import argparse
import importlib.util
import pathlib
import select
import statistics
import sys
import tempfile
import time

import targets

HERE = pathlib.Path(__file__).resolve().parent
BIN = HERE.parent / "build" / "bin"

spec = importlib.util.spec_from_file_location("scripts", HERE / "micro" / "scripts.py")
scripts = importlib.util.module_from_spec(spec)
spec.loader.exec_module(scripts)

NODES = [f"gateway-4242-5a5a5a5a.{n}" for n in range(10)]
ROOMS = 1000
CHANNELS = 100_000
LISTENERS = 10
RENEW_MS, ON_MS = 540_000, 2_180_000


class Redis(scripts.Redis):
    """As there, but the scripts publish by SPUBLISH."""

    def __init__(self, directory):
        super().__init__(directory, [])
        self.digests = {
            path.stem: self.ask("SCRIPT", "LOAD", path.read_bytes().replace(b"'PUBLISH'", b"'SPUBLISH'"))
            for path in scripts.LUA.glob("*.lua")}
        self.listeners = []

    def listen(self, count, channels):
        """More connections that listen to all the channels. Microseconds a subscription."""
        commands = [scripts.encode(["SSUBSCRIBE", channel]) for channel in channels]
        before = self.cpu_us()
        for _ in range(count):
            listener = scripts.Connection(self.port)
            for at in range(0, len(commands), 200):
                listener.socket.sendall(b"".join(commands[at:at + 200]))
                for _ in commands[at:at + 200]:
                    listener.read()
            self.listeners.append(listener)
        return (self.cpu_us() - before) / count / len(channels)

    def drop_notices(self):
        super().drop_notices()
        sockets = [listener.socket for listener in self.listeners]
        while sockets and (ready := select.select(sockets, [], [], 0)[0]):
            for one in ready:
                one.recv(1 << 20)

    def forget_listeners(self):
        for listener in self.listeners:
            listener.socket.close()
        self.listeners = []

    def memory(self):
        return int(self.ask("INFO", "memory").decode().split("used_memory:")[1].split()[0])

    def cost_us(self, calls, at_once):
        self.drop_notices()
        before = self.cpu_us()
        self.run(calls, at_once)
        return (self.cpu_us() - before) / len(calls)


# ---- a room that is spread over nodes: one member a node ----


def join(redis, room, n):
    node, user = NODES[n], f"user-{n:04}"
    return redis.call("join", scripts.keys(room, "meta", "members", f"on:{node}", "history", "bans",
                                           "events", "kicks", "nodes"),
                      [scripts.EPOCH, scripts.KEEP_MS, 0, scripts.EVENTS_MAX, node, RENEW_MS, ON_MS,
                       user, user, scripts.event("member_joined", room, user)])


def leave(redis, room, n):
    node, user = NODES[n], f"user-{n:04}"
    return redis.call("leave", scripts.keys(room, "meta", "members", f"on:{node}", "history", "events",
                                            "nodes"),
                      [scripts.ROOM_TTL_MS, scripts.EVENTS_MAX, node,
                       user, user, scripts.event("member_left", room, user), 1])


def sync(redis, room, n):
    node, user = NODES[n], f"user-{n:04}"
    return redis.call("sync", scripts.keys(room, "meta", "members", f"on:{node}", "history", "events",
                                           "kicks", "closed", "bans", "nodes"),
                      [scripts.EPOCH, scripts.EPOCH, scripts.KEEP_MS, 0, scripts.EVENTS_MAX,
                       f'{{"type":"member_joined","room":"{room}","user":', 1, 0, "", node, RENEW_MS,
                       ON_MS, "", user, user, 1])


def renew(redis, room, n):
    node = NODES[n]
    return redis.call("renew", scripts.keys(room, "meta", "members", f"on:{node}", "history", "nodes",
                                            "events"),
                      [scripts.KEEP_MS, node, RENEW_MS, ON_MS, 20_000, f"user-{n:04}"])


def reap(redis, room, n):
    """Of a node that has nobody there any more."""
    return redis.call("reap", scripts.keys(room, "meta", "members", "on:gone", "history", "events", "nodes"),
                      [500, scripts.ROOM_TTL_MS, scripts.EVENTS_MAX,
                       f'{{"type":"member_left","room":"{room}","reason":"expired","user":', "gone"])


def srem(redis, room, n):
    return scripts.encode(["SREM", f"rc:node:{NODES[n]}:rooms", room])


def hlen(redis, room, n):
    return scripts.encode(["HLEN", scripts.key(room, "members")])


def publish(redis, room):
    """As from the first node."""
    return redis.call("publish", scripts.keys(room, "meta", "history", "events", f"on:{NODES[0]}",
                                              "mutes"),
                      [scripts.HISTORY, scripts.HISTORY_BYTES,
                       f'{{"type":"message","room":"{room}","seq":', 1, "user-0000", 1, 0, scripts.TAIL])


def fill(redis):
    """Rooms of ten members on ten nodes, each with what its node keeps of it."""
    rooms = scripts.room_names(ROOMS)
    for room in rooms:
        redis.run([join(redis, room, n) for n in range(len(NODES))], 10)
    for node in NODES:
        redis.ask("SADD", f"rc:node:{node}:rooms", *rooms)
    for name, score in (("rc:rooms", 1_700_000_000_000), ("rc:rooms:members", 10)):
        redis.ask("ZADD", name, *(word for n, room in enumerate(rooms)
                                  for word in (score + n, room)))
    return rooms


def measure_redis(redis):
    redis.ask("FLUSHALL")
    redis.ask("SCRIPT", "FLUSH")
    for path in scripts.LUA.glob("*.lua"):
        redis.ask("SCRIPT", "LOAD", path.read_bytes().replace(b"'PUBLISH'", b"'SPUBLISH'"))
    empty = redis.memory()
    rooms = fill(redis)
    figures = {"room_bytes": (redis.memory() - empty) / ROOMS}
    each = [(room, n) for n in range(len(NODES)) for room in rooms]
    figures["publish_bytes"] = len(publish(redis, rooms[0]))
    figures["publish_us"] = redis.cost_us([publish(redis, room) for room in rooms] * 4, 4)
    for name, call in (("renew_us", renew), ("sync_us", sync), ("reap_us", reap),
                       ("srem_us", srem), ("leave_us", leave), ("join_us", join)):
        figures[name] = redis.cost_us([call(redis, room, n) for room, n in each[:5000]], 4)
    figures["hlen_us"] = redis.cost_us([hlen(redis, room, 0) for room in rooms] * 4, 100)
    channels = [scripts.key(room, "events") for room in rooms]
    redis.listen(LISTENERS, channels)
    redis.calls.socket.sendall(publish(redis, rooms[0]))
    redis.calls.read()
    figures["notice_bytes"] = len(redis.listeners[0].read()[2])
    told = redis.cost_us([publish(redis, room) for room in rooms] * 4, 4)
    figures["listener_us"] = (told - figures["publish_us"]) / LISTENERS
    redis.forget_listeners()
    before = redis.memory()
    figures["subscribe_us"] = redis.listen(1, [f"rc:{{room-{n:06}}}:events" for n in range(CHANNELS)])
    figures["subscription_bytes"] = (redis.memory() - before) / CHANNELS
    redis.forget_listeners()
    return figures


# What bench/micro/scripts.py has a case of.
CASES = {"register_us": "register", "history_us": "history, all of it",
         "missed_us": "history, what was missed", "index_us": "index", "heartbeat_us": "heartbeat"}


def measure_cases(redis):
    """As there, for one room or message where a call is about several."""
    figures = {}
    for name, case in CASES.items():
        one = next(one for one in scripts.CASES if one.name == case)
        units = one.units if name == "index_us" else 1
        figures[name] = scripts.measure(redis, one)["cpu"] / units
    return figures


# ---- a gateway that has one member of each room ----


def threads_us(pid):
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir()) / 1000


def gauge(ops_port, name):
    for line in targets.ask_http(ops_port, "/metrics").splitlines():
        if line.startswith(f"roomcast_{name} "):
            return float(line.split()[1])
    return 0


def measure_gateway(redis, directory):
    """One member of each of 1,000 rooms: what a notice costs that has one delivery."""
    redis.ask("FLUSHALL")
    place = targets.Place(BIN, directory, redis.process.pid, redis.port)
    with targets.gateway(place) as server:
        command = [BIN / "roomcast-bench", "--url", f"127.0.0.1:{server.port}", "--connections",
                   str(ROOMS), "--rooms", str(ROOMS), "--idle", "--seconds", "600"]
        with targets.running(command) as clients:
            targets.wait_until(clients, lambda: gauge(server.ops_port, "members") == ROOMS, "all are in")
            time.sleep(3)
            rooms = [name.decode() for name in redis.ask("ZRANGE", "rc:rooms", 0, -1)]
            source = (scripts.LUA / "publish.lua").read_bytes()
            digest = redis.ask("SCRIPT", "LOAD", source)
            calls = [scripts.encode(["EVALSHA", digest, 5, *scripts.keys(room, "meta", "history", "events",
                                                                         "on:none", "mutes"),
                                     scripts.HISTORY, scripts.HISTORY_BYTES,
                                     f'{{"type":"message","room":"{room}","seq":', 1, "", 1, 0,
                                     scripts.TAIL]) for room in rooms]
            before, begin = threads_us(server.pids[0]), time.monotonic()
            for n in range(10):
                for at in range(0, len(calls), 2):
                    redis.calls.socket.sendall(b"".join(calls[at:at + 2]))
                    for _ in calls[at:at + 2]:
                        redis.calls.read()
                    redis.drop_notices()
                    time.sleep(0.0005)
            time.sleep(0.5)
            spent = threads_us(server.pids[0]) - before
            print(f"    {10 * len(calls) / (time.monotonic() - begin):,.0f} notices a second",
                  file=sys.stderr)
    return {"notice_us": spent / (10 * len(calls))}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, choices=range(1, 51), metavar="N",
                        help="1 to 50 (default 5)")
    options = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as directory:
        redis = Redis(directory)
        try:
            for number in range(options.rounds):
                print(f"round {number + 1}", file=sys.stderr)
                rounds.append(measure_redis(redis) | measure_cases(redis)
                              | measure_gateway(redis, directory))
        finally:
            redis.stop()
    for name in rounds[0]:
        values = sorted(one[name] for one in rounds)
        print(f"{name:20} {statistics.median(values):10.2f}   {values[0]:.2f} to {values[-1]:.2f}")


if __name__ == "__main__":
    main()
