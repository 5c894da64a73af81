#!/usr/bin/env python3
"""How quick the admin service's listings are with a million rooms in Redis.

    bench/many_rooms.py [--rooms N] [--fill-only]

Fills a private Redis as a fleet would leave it, starts roomcast-admin, and asks each
listing many times: once alone, for the time and the CPU of the service a request, and once
while a second process asks /healthz without a pause, for how long the service's loop stands
still at worst. What Redis took for its slowest call is from its own slow log. Exit 1: a
call took Redis more than 50 ms, or an answer was not what was put in.

A listing with pages is followed by its cursors to the end (--pages), so its median is that
of deep pages too.
"""
import argparse
import contextlib
import http.client
import json
import multiprocessing
import os
import pathlib
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

from run import BIN, free_port, is_ready, machine, redis, running, wait_until

TOKEN = "many-rooms"
REDIS_CALL_MS_MAX = 50
SLOWLOG_US = 100  # quicker calls are not told apart
POLL_PAUSE_SECS = 0.001
BATCH_BYTES = 1 << 20
ADD_AT_ONCE = 500
ROOM_TTL_SECS = 86400  # nothing expires while it is measured

NODES = 4
IN_USE_ONE_OF = 10  # the other rooms are empty and count down
NEEDLES = 20  # rooms that a search finds
CROWD = 100_000  # members of one room
HISTORY = 100  # messages in it
ANN_IS_IN = 200
AUDIT_ENTRIES = 10_000
SAMPLES = 24 * 360  # a day of one in ten seconds


# ---- filling ----


class Pipe:
    """Commands to Redis in large writes; Redis is told not to answer them."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.waiting = bytearray()
        self.add("CLIENT", "REPLY", "OFF")

    def add(self, *words):
        out = [b"*%d\r\n" % len(words)]
        for word in words:
            word = word.encode() if isinstance(word, str) else b"%d" % word
            out.append(b"$%d\r\n%b\r\n" % (len(word), word))
        self.waiting += b"".join(out)
        if len(self.waiting) > BATCH_BYTES:
            self.flush()

    def flush(self):
        self.socket.sendall(self.waiting)
        self.waiting.clear()

    def close(self):
        """Returns once Redis has done all of it."""
        self.add("CLIENT", "REPLY", "ON")
        self.flush()
        answer = self.socket.recv(16)
        self.socket.close()
        if answer != b"+OK\r\n":
            sys.exit(f"Redis: {answer}")


class Filler:
    """What a fleet of NODES nodes leaves behind; docs/redis.md tells the keys."""

    def __init__(self, port, rooms):
        self.pipe = Pipe(port)
        self.rooms = rooms
        self.random = random.Random(1)
        self.now = int(time.time() * 1000)
        self.nodes = [f"gateway-{i}-100{i}-{self.random.getrandbits(32):08x}.0"
                      for i in range(NODES)]
        self.rooms_of = {node: [] for node in self.nodes}
        self.members_of = dict.fromkeys(self.nodes, 0)
        self.recent, self.sizes = [], []
        self.ann_left = min(ANN_IS_IN, rooms // IN_USE_ONE_OF)

    def add_indexes(self):
        if self.recent:
            self.pipe.add("ZADD", "rc:rooms", *self.recent)
            self.pipe.add("ZADD", "rc:rooms:members", *self.sizes)
        self.recent, self.sizes = [], []

    def add_room(self, room, users, messages):
        """In use, if there are users."""
        tag = f"rc:{{{room}}}"
        epoch = f"{self.random.getrandbits(64):016x}"
        touched = self.now - self.random.randrange(3_600_000)
        meta = ["epoch", epoch, "seq", messages, "rev", len(users) + 1,
                "created_at", touched - 60_000, "shard_id", "0"]
        keys = ["meta"]
        if users:
            self.add_members(tag, room, epoch, users)
            keys.append("members")
        else:
            meta += ["empty_since", touched]
        self.pipe.add("HSET", f"{tag}:meta", *meta)
        if messages:
            keys.append("history")
            self.pipe.add("RPUSH", f"{tag}:history", *(
                json.dumps({"type": "message", "room": room, "seq": seq, "user": "ann",
                            "text": f"message {seq} of {messages}", "ts": touched},
                           separators=(",", ":")) for seq in range(1, messages + 1)))
        life = ROOM_TTL_SECS * 1000 * (3 if users else 1)
        for key in keys:
            self.pipe.add("PEXPIRE", f"{tag}:{key}", life)
        self.recent += [touched, room]
        self.sizes += [len(users), room]
        if len(self.recent) >= 2 * ADD_AT_ONCE:
            self.add_indexes()

    def add_members(self, tag, room, epoch, users):
        node = self.random.choice(self.nodes)
        self.rooms_of[node].append(room)
        self.members_of[node] += len(users)
        for at in range(0, len(users), ADD_AT_ONCE):
            some = users[at:at + ADD_AT_ONCE]
            self.pipe.add("HSET", f"{tag}:members", *(w for u in some for w in (u, 1)))
            self.pipe.add("HSET", f"{tag}:on:{node}", *(w for u in some for w in (u, epoch)))
        self.pipe.add("PEXPIRE", f"{tag}:on:{node}", 3000 * ROOM_TTL_SECS)

    def add_usual_room(self, i):
        is_needle = i % max(1, self.rooms // NEEDLES) == 0 and i // (
            self.rooms // NEEDLES or 1) < NEEDLES
        room = f"{'needle' if is_needle else 'room'} {i}"
        users = []
        if i % IN_USE_ONE_OF == 1:
            users = [f"user {i}.{k}" for k in range(self.random.randint(1, 5))]
            if self.ann_left > 0:
                users.append("ann")
                self.ann_left -= 1
        self.add_room(room, users, self.random.randint(0, 10) if users else i % 2)

    def add_nodes(self):
        for node in self.nodes:
            rooms = self.rooms_of[node]
            self.pipe.add("ZADD", "rc:nodes", self.now, node)
            self.pipe.add("HSET", f"rc:node:{node}", "address", node.split("-1")[0],
                          "pid", 1000, "version", "0.1.0", "started_at", self.now,
                          "connections", self.members_of[node], "rooms", len(rooms),
                          "members", self.members_of[node], "messages", 0, "draining", 0)
            for at in range(0, len(rooms), ADD_AT_ONCE):
                self.pipe.add("SADD", f"rc:node:{node}:rooms", *rooms[at:at + ADD_AT_ONCE])

    def add_fleet(self):
        self.add_nodes()
        self.pipe.add("HSET", "rc:stats", "messages_total", 12_345_678)
        for i in range(SAMPLES):
            self.pipe.add("RPUSH", "rc:stats:online", json.dumps({
                "ts": self.now - (SAMPLES - i) * 10_000, "connections": 1000 + i,
                "members": 1000 + i, "rooms": self.rooms, "gateways": NODES,
                "messages_total": 12_000_000 + i}, separators=(",", ":")))
        for i in range(AUDIT_ENTRIES):
            self.pipe.add("XADD", "rc:audit", f"{self.now - AUDIT_ENTRIES + i}-0",
                          "who", "admin", "what", "kick", "room", f"room {i}",
                          "user", f"user {i}.0", "from", "127.0.0.1")

    def fill(self):
        self.add_room("crowd", [f"user {i}" for i in range(CROWD)], HISTORY)
        for i in range(self.rooms - 1):
            self.add_usual_room(i)
        self.add_indexes()
        self.add_fleet()
        self.pipe.close()


def redis_text(port, *words):
    command = ["redis-cli", "-p", str(port), *map(str, words)]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True,
                          timeout=120).stdout


def redis_cli(port, *words):
    return json.loads(redis_text(port, "--json", *words))


def redis_info(port, section):
    lines = redis_text(port, "INFO", section).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def fill(port, rooms):
    started = time.monotonic()
    Filler(port, rooms).fill()
    seconds = time.monotonic() - started
    errors = int(redis_info(port, "stats")["total_error_replies"])
    counts = [redis_cli(port, "ZCARD", key) for key in ("rc:rooms", "rc:rooms:members")]
    if errors or counts != [rooms, rooms]:
        sys.exit(f"filling went wrong: {errors} errors, {counts} rooms in the indexes")
    memory = int(redis_info(port, "memory")["used_memory"]) / 2**20
    print(f"{rooms:,} rooms in {seconds:.0f} s, {redis_cli(port, 'DBSIZE'):,} keys,"
          f" {memory:,.0f} MiB", file=sys.stderr)


# ---- asking ----


@contextlib.contextmanager
def admin(bin_dir, redis_port):
    port = free_port()
    env = {name: value for name, value in os.environ.items()
           if not name.startswith("ROOMCAST_")}
    env |= {"AUTH_TOKEN": TOKEN, "ROOMCAST_ADMIN_LISTEN": f"127.0.0.1:{port}",
            "ROOMCAST_REDIS_URL": f"redis://127.0.0.1:{redis_port}",
            "ROOMCAST_ROOM_TTL_SECS": str(ROOM_TTL_SECS), "ROOMCAST_LOG_LEVEL": "warn"}
    with running([bin_dir / "roomcast-admin"], env) as process:
        wait_until(process, lambda: is_ready(port), "the admin service")
        yield process.pid, port


class Client:
    def __init__(self, pid, port):
        self.pid = pid
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.walls, self.cpus = [], []

    def cpu_seconds(self):
        tasks = pathlib.Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def get(self, path):
        cpu, started = self.cpu_seconds(), time.perf_counter()
        self.http.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
        answer = self.http.getresponse()
        body = answer.read()
        self.walls.append(time.perf_counter() - started)
        self.cpus.append(self.cpu_seconds() - cpu)
        if answer.status != 200:
            sys.exit(f"GET {path}: {answer.status} {body[:200]!r}")
        return json.loads(body)


def once(client, path, options):
    return client.get(path)


def follow(client, path, options):
    """All pages as one answer: each of its lists joined."""
    whole, cursor = {}, None
    for _ in range(options.pages):
        more = f"{'&' if '?' in path else '?'}cursor={urllib.parse.quote(cursor or '', '')}"
        page = client.get(path + (more if cursor else ""))
        for name, value in page.items():
            if isinstance(value, list):
                whole.setdefault(name, []).extend(value)
        cursor = page["next"]
        if cursor is None:
            return whole
    return None  # not seen to the end


def names(answer, key, field):
    return len({item[field] for item in answer[key]})


# name: (path, how it is asked, what the answer must hold, given the count of rooms)
LISTINGS = {
    "rooms, the most recent": (
        "/api/rooms?sort=recent", once, lambda a, n: a["total"] == n),
    "rooms, the largest": (
        "/api/rooms?sort=members", once, lambda a, n: a["rooms"][0]["room"] == "crowd"),
    "rooms by activity, all pages": (
        "/api/rooms?sort=recent&limit=1000", follow,
        lambda a, n: names(a, "rooms", "room") == n),
    "rooms by size, all pages": (
        "/api/rooms?sort=members&limit=1000", follow,
        lambda a, n: names(a, "rooms", "room") == n),
    "search, few hits, to the end": (
        "/api/rooms?search=needle&limit=1000", follow,
        lambda a, n: names(a, "rooms", "room") == min(NEEDLES, n - 1)),
    "search, no hit, to the end": (
        "/api/rooms?search=%2A%3F%5Bx&limit=1000", follow,
        lambda a, n: a["rooms"] == []),
    "one room": ("/api/rooms/crowd", once, lambda a, n: a["members"] == CROWD),
    "members of 100,000": (
        "/api/rooms/crowd/members", once, lambda a, n: a["count"] == CROWD),
    "members of 100,000, all pages": (
        "/api/rooms/crowd/members?limit=1000", follow,
        lambda a, n: names(a, "members", "user") == CROWD),
    "messages": (
        "/api/rooms/crowd/messages", once, lambda a, n: len(a["messages"]) == HISTORY),
    "a user in 200 rooms, to the end": (
        "/api/users/ann", follow,
        lambda a, n: len(set(a["rooms"])) == min(ANN_IS_IN, n // IN_USE_ONE_OF)),
    "a user in none, to the end": (
        "/api/users/nobody", follow, lambda a, n: a["rooms"] == []),
    "gateways": ("/api/gateways", once, lambda a, n: len(a["gateways"]) == NODES),
    "stats": ("/api/stats", once, lambda a, n: a["rooms"] == n),
    "an hour online": (
        "/api/stats/online", once, lambda a, n: len(a["samples"]) > 0),
    "a day online": (
        "/api/stats/online?minutes=1440", once, lambda a, n: len(a["samples"]) > 8000),
    "audit": ("/api/audit", once, lambda a, n: len(a["entries"]) > 0),
    "audit, all pages": (
        "/api/audit?limit=1000", follow,
        lambda a, n: len(a["entries"]) >= AUDIT_ENTRIES * 0.9),
}


# ---- measuring ----


def ask_often(client, path, ask, options):
    while len(client.walls) < options.requests:
        answer = ask(client, path, options)
    return answer


def poll(port, worst, end):
    """Another process: the longest that /healthz took since `worst` was set to 0."""
    http_ = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while not end.is_set():
        started = time.perf_counter()
        http_.request("GET", "/healthz")
        http_.getresponse().read()
        worst.value = max(worst.value, time.perf_counter() - started)
        time.sleep(POLL_PAUSE_SECS)


class Poller:
    def __init__(self, port):
        self.worst = multiprocessing.Value("d", 0.0)
        self.end = multiprocessing.Event()
        self.process = multiprocessing.Process(target=poll, daemon=True,
                                               args=(port, self.worst, self.end))

    def __enter__(self):
        self.process.start()
        while self.worst.value == 0 and self.process.is_alive():
            time.sleep(0.01)
        self.worst.value = 0.0
        return self

    def __exit__(self, *_):
        self.end.set()
        self.process.join(10)


def take_slowest(redis_port):
    """(ms, command) of the slowest call since the last time; (0, "") where all were quick."""
    calls = [(call[2] / 1000, call[3][0])
             for call in redis_cli(redis_port, "SLOWLOG", "GET", -1)
             if call[3][0].upper() not in ("SLOWLOG", "CONFIG", "INFO")]
    redis_cli(redis_port, "SLOWLOG", "RESET")
    return max(calls, default=(0, ""))


def redis_cpu_seconds(redis_port):
    info = redis_info(redis_port, "cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def measure(name, target, redis_port, options):
    path, ask, is_right = LISTINGS[name]
    alone, watched = Client(*target), Client(*target)

    take_slowest(redis_port)
    redis_cpu = redis_cpu_seconds(redis_port)
    answer = ask_often(alone, path, ask, options)
    redis_cpu = redis_cpu_seconds(redis_port) - redis_cpu
    with Poller(target[1]) as poller:
        ask_often(watched, path, ask, options)
    slowest, command = take_slowest(redis_port)
    return {
        "requests": len(alone.walls),
        "wall_ms": statistics.median(alone.walls) * 1000,
        "worst_ms": max(alone.walls) * 1000,
        "cpu_us": statistics.median(alone.cpus) * 1e6,
        "redis_us": redis_cpu / len(alone.walls) * 1e6,
        "slowest_ms": slowest,
        "slowest": command,
        "stall_ms": poller.worst.value * 1000,
        "is_right": answer is None or is_right(answer, options.rooms),
    }


def show(name, r):
    slowest = f"{r['slowest_ms']:.1f} {r['slowest'].lower()}" if r["slowest"] else "< 0.1"
    return (f"| {name} | {r['requests']:,} | {r['wall_ms']:.2f} | {r['worst_ms']:.1f}"
            f" | {r['cpu_us']:,.0f} | {r['redis_us']:,.0f} | {slowest}"
            f" | {r['stall_ms']:.1f} |" + ("" if r["is_right"] else " WRONG ANSWER"))


def measure_all(bin_dir, redis_port, options):
    redis_cli(redis_port, "CONFIG", "SET", "slowlog-log-slower-than", SLOWLOG_US)
    redis_cli(redis_port, "CONFIG", "SET", "slowlog-max-len", 1_000_000)
    where = machine()
    print(f"{options.rooms:,} rooms, {where['cpu']}, {where['cores']} cores, Redis"
          f" {where['redis']}\n\n| | requests | median ms | worst ms | CPU µs a request"
          " | Redis CPU µs a request | slowest Redis call, ms | /healthz at worst, ms |\n"
          "|---|---:|---:|---:|---:|---:|---:|---:|")
    results = {}
    with admin(bin_dir, redis_port) as target:
        with Poller(target[1]) as poller:
            time.sleep(1)
        for name in LISTINGS:
            if options.only in name:
                results[name] = measure(name, target, redis_port, options)
                print(show(name, results[name]), flush=True)
    print(f"\nWhile nothing else was asked, /healthz took"
          f" {poller.worst.value * 1000:.1f} ms at worst.")
    return results


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rooms", type=int, default=1_000_000, metavar="N",
                        help="at least 1000 (default 1000000)")
    parser.add_argument("--requests", type=int, default=100, metavar="N",
                        help="at least, of each listing (default 100)")
    parser.add_argument("--pages", type=int, default=2000, metavar="N",
                        help="at most, of a listing with pages (default 2000)")
    parser.add_argument("--only", default="", metavar="TEXT",
                        help="only listings whose name contains TEXT")
    parser.add_argument("--fill-only", action="store_true",
                        help="fills Redis, says how long it took, and ends")
    parser.add_argument("--bin", type=pathlib.Path, default=BIN, metavar="DIR",
                        help="other programs than build/bin")
    options = parser.parse_args()
    if options.rooms < 1000 or options.requests < 1 or options.pages < 1:
        parser.error("too few")
    return options


def main():
    options = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as directory, redis(directory) as (_, redis_port):
        fill(redis_port, options.rooms)
        if options.fill_only:
            return
        results = measure_all(options.bin, redis_port, options)
    slow = [name for name, r in results.items() if r["slowest_ms"] > REDIS_CALL_MS_MAX]
    wrong = [name for name, r in results.items() if not r["is_right"]]
    if slow or wrong:
        sys.exit(f"over {REDIS_CALL_MS_MAX} ms in Redis: {slow or 'none'};"
                 f" wrong answers: {wrong or 'none'}")


if __name__ == "__main__":
    main()
