#!/usr/bin/env python3
"""What each script of lua/ costs Redis, called as the programs call it.

    bench/micro/scripts.py [--rounds N] [--only TEXT] [--instructions]

Starts a private redis-server, fills it for each case, sends the calls a few at a time,
as a turn of a gateway's loop does, and prints a table in markdown. "Redis CPU" is all
processor time of the server from the kernel's account, so with reading the call and
writing the reply: medians of the rounds. "Script" is what INFO commandstats says of
EVALSHA; as that goes by the clock, the least of the rounds. A second table takes
publish.lua apart by the commands that it calls. "Unchecked" is the plainest script that
numbers, stores and tells, and "without a script" the command by itself, to see what the
machine makes of such. A client is subscribed to every room,
as a gateway with members is.

With --instructions the server runs under callgrind and its instructions are counted:
some minutes for all cases, but nearly the same figures each time, whatever else the
machine does. Kernel time is not in it.
"""
import argparse
import collections
import pathlib
import re
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time

# As they are built in, with what they use of lua/lib.
LUA = pathlib.Path(__file__).resolve().parent.parent.parent / "build/embedded/lua"
START_SECS = 60
COUNTED_CALLS = 64  # under callgrind

NODE = "gateway-4242-5a5a5a5a.0"
EPOCH = "00000000000000e1"
KEEP_MS = 900_000
ROOM_TTL_MS = 300_000
EVENTS_MAX = 500
HISTORY = 100
HISTORY_BYTES = 1_048_576
DEDUPE_MS = 300_000
KEYS_MAX = 100_000
STAMP = [NODE, 540_000, 2_180_000]  # of the node: args_add_stamp
TEXT = "x" * 100
TAIL = f',"user":"user-1","text":"{TEXT}","ts":1700000000000}}'


# ---- Redis ----


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def encode(words):
    """A command in RESP."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(word), word))
    return b"".join(parts)


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb", 1 << 20)

    def read(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            sys.exit(f"Redis says: {rest.decode()}")
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        if kind == b"$":
            return self.file.read(int(rest) + 2)[:-2] if rest != b"-1" else None
        return int(rest) if kind == b":" else rest

    def ask(self, *words):
        self.socket.sendall(encode(words))
        return self.read()


class Redis:
    """A server of our own, a connection for calls, and one that hears the notices."""

    def __init__(self, directory, prefix):
        self.port = free_port()
        self.process = subprocess.Popen(
            [*prefix, "redis-server", "--bind", "127.0.0.1", "--port", str(self.port),
             "--save", "", "--appendonly", "no", "--dir", directory,
             "--logfile", "redis.log"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        end = time.monotonic() + START_SECS
        while True:
            try:
                self.calls = Connection(self.port)
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    sys.exit("redis-server did not start")
                time.sleep(0.02)
        self.notices = Connection(self.port)
        self.notices.ask("PSUBSCRIBE", "rc:*")
        self.digests = {path.stem: self.ask("SCRIPT", "LOAD", path.read_bytes())
                        for path in LUA.glob("*.lua")}

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def ask(self, *words):
        return self.calls.ask(*words)

    def drop_notices(self):
        while select.select([self.notices.socket], [], [], 0)[0]:
            self.notices.socket.recv(1 << 20)

    def call(self, script, keys, arguments):
        """The command that calls a script."""
        return encode(["EVALSHA", self.digests[script], len(keys), *keys, *arguments])

    def run(self, calls, at_once):
        for at in range(0, len(calls), at_once):
            batch = calls[at:at + at_once]
            self.calls.socket.sendall(b"".join(batch))
            for _ in batch:
                self.calls.read()
            self.drop_notices()

    def cpu_us(self):
        account = pathlib.Path(f"/proc/{self.process.pid}/schedstat").read_text()
        return int(account.split()[0]) / 1000

    def commands(self):
        """name: (calls, microseconds) since CONFIG RESETSTAT."""
        rows = re.findall(r"cmdstat_([^:]+):calls=(\d+),usec=(\d+)",
                          self.ask("INFO", "commandstats").decode())
        return {name: (int(calls), int(us)) for name, calls, us in rows}


# ---- what is in it ----


def key(room, name):
    return f"rc:{{{room}}}:{name}"


def keys(room, *names):
    return [key(room, name) for name in names]


def room_names(count):
    return [f"room-{n:05}" for n in range(count)]


def user_names(count, word="user"):
    return [f"{word}-{n:04}" for n in range(count)]


def event(kind, room, user):
    return f'{{"type":"{kind}","room":"{room}","user":"{user}","members":'


def call_join(redis, room, users):
    arguments = [EPOCH, KEEP_MS, 0, EVENTS_MAX, *STAMP]
    for user in users:
        arguments += [user, user, event("member_joined", room, user)]
    return redis.call("join", keys(room, "meta", "members", f"on:{NODE}", "history",
                                   "bans", "events", "kicks", "nodes", "changed"), arguments)


def call_leave(redis, room, users):
    arguments = [ROOM_TTL_MS, EVENTS_MAX, NODE]
    for user in users:
        arguments += [user, user, event("member_left", room, user), 1]
    return redis.call("leave", keys(room, "meta", "members", f"on:{NODE}", "history",
                                    "events", "nodes", "changed"), arguments)


def call_publish(redis, room, count, message_keys=()):
    """Message `n` with message_keys[n], if there are any."""
    arguments = [HISTORY, HISTORY_BYTES, f'{{"type":"message","room":"{room}","seq":',
                 1, "user-0000", count, 1 if message_keys else 0]
    names = ["meta", "history", "events", f"on:{NODE}", "mutes"]
    if message_keys:
        names += ["keys", "keys:old"]
        arguments += [DEDUPE_MS, KEYS_MAX, 0, count]
        arguments += [f"9:user-0000:{name}" for name in message_keys]
    return redis.call("publish", keys(room, *names), arguments + [TAIL] * count)


BARE = """
local first = redis.call('HINCRBY', KEYS[1], 'seq', #ARGV - 2) - #ARGV + 3
local lines = {}
for i = 3, #ARGV do
    lines[i - 2] = ARGV[2] .. (first + i - 3) .. ARGV[i]
end
redis.call('RPUSH', KEYS[2], unpack(lines))
redis.call('LTRIM', KEYS[2], -ARGV[1], -1)
redis.call('PUBLISH', KEYS[3], 'm ' .. first .. '\\n' .. table.concat(lines, '\\n'))
return first
"""


def call_bare(redis, room, count):
    digest = redis.ask("SCRIPT", "LOAD", BARE)
    arguments = [HISTORY, f'{{"type":"message","room":"{room}","seq":']
    return encode(["EVALSHA", digest, 3, *keys(room, "meta", "history", "events"),
                   *arguments, *[TAIL] * count])


def call_sync(redis, room, users, known=EPOCH):
    arguments = [known, EPOCH, KEEP_MS, 0, EVENTS_MAX,
                 f'{{"type":"member_joined","room":"{room}","user":', 1, 0, "", *STAMP, ""]
    for user in users:
        arguments += [user, user, 1]
    return redis.call("sync", keys(room, "meta", "members", f"on:{NODE}", "history",
                                   "events", "kicks", "closed", "bans", "nodes", "changed"),
                      arguments)


def fill_room(redis, room, members, messages=HISTORY):
    users = user_names(members)
    for at in range(0, members, 100):
        redis.run([call_join(redis, room, users[at:at + 100])], 1)
    if messages:
        redis.run([call_publish(redis, room, messages)], 1)


def fill_rooms(redis, rooms, members, messages=HISTORY):
    names = room_names(rooms)
    for room in names:
        fill_room(redis, room, members, messages)
    return names


# ---- the cases: each fills Redis and returns its calls ----

CASES = []
Case = collections.namedtuple("Case", "name units at_once fill")


def case(name, units=1, at_once=16):
    """Of a call that is about `units` messages or users, `at_once` in a write."""
    def add(fill):
        CASES.append(Case(name, units, at_once, fill))
        return fill
    return add


def publish_case(count, has_keys):
    def fill(redis):
        rooms = fill_rooms(redis, 16, 10)
        calls = []
        for n in range(max(64, 6400 // count)):
            names = [f"{n:08x}-{i:04x}" for i in range(count)] if has_keys else ()
            calls.append(call_publish(redis, rooms[n % 16], count, names))
        return calls
    case(f"publish{', with keys' if has_keys else ''}", count)(fill)


for with_keys in (False, True):
    for messages in (1, 16, 64, 256):
        publish_case(messages, with_keys)


def bare_case(count):
    def fill(redis):
        rooms = fill_rooms(redis, 16, 10)
        return [call_bare(redis, rooms[n % 16], count)
                for n in range(max(64, 6400 // count))]
    case("numbered, stored and told, unchecked", count)(fill)


for messages in (1, 16, 64):
    bare_case(messages)


@case("HSET of a message's key, without a script", at_once=64)
def set_key(redis):
    return [encode(["HSET", key("room-00000", "keys"), f"9:user-0000:{n:08x}-0000", 123456])
            for n in range(100_000)]


@case("join, into rooms of 10")
def join_one(redis):
    return [call_join(redis, room, ["ann"]) for room in fill_rooms(redis, 2000, 10)]


@case("join, into a new room")
def join_new(redis):
    return [call_join(redis, room, ["ann"]) for room in room_names(2000)]


@case("join, into a crowd of 1,000", 100)
def join_crowd(redis):
    rooms = fill_rooms(redis, 100, 1000)
    return [call_join(redis, room, user_names(100, "new")) for room in rooms]


@case("leave, from rooms of 10")
def leave_one(redis):
    return [call_leave(redis, room, ["user-0003"])
            for room in fill_rooms(redis, 2000, 10)]


@case("leave, from a crowd of 1,000", 100)
def leave_crowd(redis):
    rooms = fill_rooms(redis, 100, 1000)
    return [call_leave(redis, room, user_names(100)) for room in rooms]


@case("register")
def register(redis):
    redis.ask("ZADD", "rc:nodes", 1, NODE)
    return [redis.call("register", ["rc:nodes", f"rc:node:{NODE}:rooms", "rc:events"],
                       [NODE, room])
            for room in room_names(2000)]


@case("renew")
def renew(redis):
    return [redis.call("renew", keys(room, "meta", "members", f"on:{NODE}", "history",
                                     "nodes", "events", "changed"),
                       [KEEP_MS, *STAMP, 20_000]) for room in fill_rooms(redis, 2000, 10)]


@case("heartbeat", at_once=1)
def heartbeat(redis):
    node_keys = ["rc:nodes", f"rc:node:{NODE}", f"rc:node:{NODE}:claim", "rc:events",
                 "rc:stats"]
    fields = ["address", "gateway:9001", "pid", 4242, "version", "0.1.0", "started_at",
              1700000000000, "connections", 10000, "rooms", 2000, "members", 10000,
              "messages", 1000000, "draining", 0]
    first = redis.call("heartbeat", node_keys, [NODE, 10000, 1, 0, *fields])
    redis.run([first], 1)
    return [redis.call("heartbeat", node_keys, [NODE, 10000, 0, 100, *fields])] * 1000


def sync_case(count, is_known):
    def fill(redis):
        if is_known:
            rooms = fill_rooms(redis, 50, count)
        else:
            rooms = room_names(50)
        return [call_sync(redis, room, user_names(count)) for room in rooms]
    what = "nothing is missing" if is_known else "all are missing"
    case(f"sync, {what}", count, at_once=4)(fill)


for known in (True, False):
    for users_count in (100, 500):
        sync_case(users_count, known)


def history_case(name, after, before, limit):
    def fill(redis):
        return [redis.call("history", keys(room, "meta", "history"),
                           [after, before, limit, 260_000])
                for room in fill_rooms(redis, 500, 1)]
    case(name, limit, at_once=8)(fill)


history_case("history, all of it", 0, "", 100)
history_case("history, what was missed", 90, "", 10)
history_case("history, a page before", "", 60, 50)


@case("members, a page", 100, at_once=8)
def members(redis):
    return [redis.call("members", keys(room, "members"), ["", 100, 1000, 0])
            for room in fill_rooms(redis, 200, 100)]


@case("reap, all of a dead node", 500, at_once=1)
def reap(redis):
    return [redis.call("reap", keys(room, "meta", "members", f"on:{NODE}", "history",
                                    "events", "nodes", "changed"),
                       [500, ROOM_TTL_MS, EVENTS_MAX,
                        f'{{"type":"member_left","room":"{room}","reason":"expired",'
                        f'"user":', NODE]) for room in fill_rooms(redis, 50, 500)]


@case("index", 100)
def index(redis):
    rooms = fill_rooms(redis, 2000, 2, 0)
    calls = []
    for at in range(0, len(rooms), 100):
        some = [word for room in rooms[at:at + 100] for word in (room, 2)]
        calls.append(redis.call(
            "index", ["rc:rooms", "rc:rooms:members", "rc:events"], some))
    redis.run(calls, 1)  # the rooms are known
    return calls * 5


@case("remake")
def remake(redis):
    return [redis.call("remake", keys(room, "meta", "members", "events", "changed"),
                       [EPOCH, "00000000000000e2"])
            for room in fill_rooms(redis, 500, 100, 0)]


@case("kick")
def kick(redis):
    return [redis.call("kick", keys(room, "meta", "members", "history", "kicks",
                                    "events", "nodes", "changed", f"on:{NODE}"),
                       ["user-0003", "user-0003", "rude",
                        f'{{"type":"kicked","room":"{room}","reason":"rude"}}',
                        event("member_left", room, "user-0003"), EVENTS_MAX,
                        ROOM_TTL_MS]) for room in fill_rooms(redis, 500, 10)]


@case("close")
def close(redis):
    return [redis.call("close", keys(room, "meta", "members", "history", "kicks", "keys",
                                     "keys:old", "bans", "mutes", "closed", "events",
                                     "nodes", "changed", f"on:{NODE}"),
                       ["over", f'{{"type":"room_closed","room":"{room}"}}'])
            for room in fill_rooms(redis, 500, 100)]


@case("delete, in the middle")
def delete(redis):
    return [redis.call("delete", keys(room, "meta", "history", "events", "changed"),
                       [50, f'{{"type":"message","room":"{room}","seq":',
                        f'{{"type":"message_deleted","room":"{room}","seq":50,"rev":', HISTORY])
            for room in fill_rooms(redis, 500, 1)]


@case("edit, in the middle")
def edit(redis):
    names = ["meta", "history", "events", "changed", f"on:{NODE}", "mutes", "bans"]
    return [redis.call("edit", keys(room, *names),
                       [50, f'{{"type":"message","room":"{room}","seq":',
                        f'{{"type":"message_edited","room":"{room}","seq":50', HISTORY,
                        "user-0000", 10**15, ',"user":"user-0000","text":"other"', ""])
            for room in fill_rooms(redis, 500, 1)]


@case("moderate")
def moderate(redis):
    return [redis.call("moderate", keys(room, "mutes", "meta", "events"), ["ann", 60, 1000])
            for room in fill_rooms(redis, 500, 1, 0)]


@case("room")
def room_row(redis):
    names = ["meta", "members", "history", "bans", "mutes", "kicks", "keys", "keys:old",
             "closed", "nodes", "changed"]
    return [redis.call("room", keys(room, *names), [room])
            for room in fill_rooms(redis, 1000, 2, 1)]


@case("rooms, a page of 10,000", 100, at_once=4)
def rooms_page(redis):
    redis.ask("ZADD", "rc:rooms", *(word for n, room in enumerate(room_names(10_000))
                                    for word in (1_700_000_000_000 + n, room)))
    return [redis.call("rooms", ["rc:rooms"], ["", "", 100])] * 200


@case("sample", at_once=1)
def sample(redis):
    return [redis.call("sample", ["rc:stats:sampler", "rc:stats:online", "rc:events"],
                       [f"replica-{n % 2}", 15_000, 8640, ',"connections":1}'])
            for n in range(500)]


@case("audit")
def audit(redis):
    return [redis.call("audit", ["rc:audit", "rc:events"],
                       [10_000, '"type":"audit"}', "who", "operator", "what", "kick",
                        "room", "lobby"])] * 500


@case("claim")
def claim(redis):
    redis.ask("ZADD", "rc:nodes", 1, "dead")
    return [redis.call("claim", ["rc:nodes", "rc:node:dead:claim", "rc:events"],
                       ["dead", 10_000, NODE, 5000])] * 500


@case("forget")
def forget(redis):
    nodes = [f"dead-{n}" for n in range(500)]
    redis.ask("ZADD", "rc:nodes", *(word for node in nodes for word in (1, node)))
    return [redis.call("forget", ["rc:nodes", f"rc:node:{node}", f"rc:node:{node}:rooms",
                                f"rc:node:{node}:claim", "rc:events"], [node]) for node in nodes]


@case("unindex", 100)
def unindex(redis):
    rooms = room_names(5000)
    for name in ("rc:rooms", "rc:rooms:members"):
        redis.ask("ZADD", name, *(word for room in rooms for word in (0, room)))
    return [redis.call("unindex", ["rc:rooms", "rc:rooms:members", "rc:events"],
                       ["room_expired", *(word for room in rooms[at:at + 100]
                                          for word in (room, 0))])
            for at in range(0, len(rooms), 100)]


@case("settle")
def settle(redis):
    redis.ask("HSET", "rc:{lobby}:meta", "epoch", "00000000000000e1", "seq", 1, "rev", 1)
    return [redis.call("settle", ["rc:{lobby}:meta", "rc:{lobby}:events"], [n % 64, 1])
            for n in range(500)]


# ---- measuring ----


def callgrind(redis, *arguments):
    subprocess.run(["callgrind_control", *arguments, str(redis.process.pid)],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   timeout=60)


def count_instructions(one):
    """Instructions of a new server a call."""
    with tempfile.TemporaryDirectory() as directory:
        redis = Redis(directory, [
            "valgrind", "-q", "--tool=callgrind", "--instr-atstart=no",
            f"--callgrind-out-file={directory}/callgrind.out"])
        try:
            calls = one.fill(redis)[:COUNTED_CALLS]
            warm = min(one.at_once, len(calls) // 4)
            redis.run(calls[:warm], warm)
            callgrind(redis, "-i", "on")
            redis.run(calls[warm:], one.at_once)
            callgrind(redis, "-d")
        finally:
            redis.stop()
        dump = pathlib.Path(directory, "callgrind.out.1").read_text()
    total = re.search(r"^(?:totals|summary): (\d+)", dump, re.M)
    return int(total.group(1)) / (len(calls) - warm)


def measure(redis, one):
    """Microseconds a call: Redis's, the script's; and of each command that it calls."""
    redis.ask("FLUSHALL")
    calls = one.fill(redis)
    redis.drop_notices()
    redis.ask("CONFIG", "RESETSTAT")
    before = redis.cpu_us()
    redis.run(calls, one.at_once)
    cpu = redis.cpu_us() - before
    commands = redis.commands()
    _, script = commands.pop("evalsha", (0, 0))
    commands.pop("config|resetstat", None)
    return {"cpu": cpu / len(calls), "script": script / len(calls),
            "commands": {name: (count / len(calls), us / len(calls))
                         for name, (count, us) in commands.items()}}


def print_instructions(cases):
    print("| script | of | instructions a call | instructions each |")
    print("|---|---:|---:|---:|")
    for one in cases:
        count = count_instructions(one)
        print(f"| {one.name} | {one.units} | {count:,.0f} | {count / one.units:,.0f} |",
              flush=True)


def print_costs(cases, runs):
    print("| script | of | calls a write | Redis CPU, µs a call | script, µs a call"
          " | Redis CPU, µs each |")
    print("|---|---:|---:|---:|---:|---:|")
    for one in cases:
        cpu = statistics.median(run["cpu"] for run in runs[one])
        script = min(run["script"] for run in runs[one])
        print(f"| {one.name} | {one.units} | {one.at_once} | {cpu:.1f} | {script:.1f}"
              f" | {cpu / one.units:.2f} |")


def print_commands(one, runs):
    """What publish.lua is made of; what is left is Lua's own."""
    script = min(run["script"] for run in runs) / one.units
    inside = 0
    for name in runs[0]["commands"]:
        count = runs[0]["commands"][name][0] / one.units
        us = min(run["commands"][name][1] for run in runs) / one.units
        inside += us
        print(f"| {one.name} | {one.units} | {name} | {count:.3f} | {us:.3f} |")
    print(f"| {one.name} | {one.units} | Lua itself | | {script - inside:.3f} |")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, choices=range(1, 51),
                        metavar="N", help="of each case, 1 to 50 (default 5)")
    parser.add_argument("--only", default="", metavar="TEXT",
                        help="only cases whose name contains TEXT")
    parser.add_argument("--instructions", action="store_true",
                        help="count the server's instructions instead")
    return parser.parse_args()


def main():
    options = parse_arguments()
    cases = [one for one in CASES if options.only in one.name]
    runs = {one: [] for one in cases}
    if options.instructions:
        print_instructions(cases)
        return
    with tempfile.TemporaryDirectory() as directory:
        redis = Redis(directory, [])
        try:
            for number in range(options.rounds):
                print(f"round {number + 1}", file=sys.stderr)
                for one in cases:
                    runs[one].append(measure(redis, one))
        finally:
            redis.stop()
    print_costs(cases, runs)
    published = [one for one in cases if one.name.startswith("publish")]
    if published:
        print("\n| script | messages | command | calls a message | µs a message |")
        print("|---|---:|---|---:|---:|")
        for one in published:
            print_commands(one, runs[one])


if __name__ == "__main__":
    main()
