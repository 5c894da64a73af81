#!/usr/bin/env python3
"""How large a fleet on a Redis Cluster has to be, from what one of each thing costs.

    bench/fleet_model.py                                the tables of docs/scale.md
    bench/fleet_model.py --connections 1000000 --rooms 100000 --messages 20000 --masters 16
    bench/fleet_model.py --write                        puts them into docs/scale.md

A model, no measurement: the costs are measured one by one (UNITS says where), and added up here. What
it leaves out stands in docs/scale.md.
"""
import argparse
import collections
import math
import pathlib

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "scale.md"
BEGIN, END = "<!-- model: written by bench/fleet_model.py --write -->\n", "<!-- end of model -->\n"

# A source that is a page of docs/ has the words that are named with it.
Unit = collections.namedtuple("Unit", "value unit what source words", defaults=("",))
UNITS = {
    # Redis
    "publish": Unit(39.2, "µs", "a message that comes alone: `publish.lua`", "bench/fleet_units.py"),
    "listener": Unit(2.26, "µs", "the same, for each connection that is told", "bench/fleet_units.py"),
    "join": Unit(62.4, "µs", "`join.lua`, one user", "bench/fleet_units.py"),
    "leave": Unit(49.2, "µs", "`leave.lua`, one user", "bench/fleet_units.py"),
    "register": Unit(8.3, "µs", "`register.lua`, before a room's first user on a worker", "bench/fleet_units.py"),
    "reap": Unit(45.9, "µs", "`reap.lua` of nobody and `SREM`, after its last one", "bench/fleet_units.py"),
    "history": Unit(14.6, "µs", "`history.lua`", "bench/fleet_units.py"),
    "history_line": Unit(1.15, "µs", "the same, for each message in it", "bench/fleet_units.py"),
    "renew": Unit(63.7, "µs", "`renew.lua` of a room that is on ten workers", "bench/fleet_units.py"),
    "sync": Unit(65.6, "µs", "`sync.lua`, one user", "bench/fleet_units.py"),
    "index": Unit(5.6, "µs", "a room's line in the indexes: `HLEN`, and a hundredth of `index.lua`",
                  "bench/fleet_units.py"),
    "heartbeat": Unit(69.0, "µs", "`heartbeat.lua`, alone", "bench/fleet_units.py"),
    "subscribe": Unit(2.03, "µs", "`SSUBSCRIBE` of one channel among many", "bench/fleet_units.py"),
    "room_bytes": Unit(4038, "bytes", "a room of ten members on ten workers, without history",
                       "bench/fleet_units.py"),
    "subscription_bytes": Unit(208, "bytes", "a subscription", "bench/fleet_units.py"),
    "publish_bytes": Unit(498, "bytes", "a call of `publish.lua`, a text of 100", "bench/fleet_units.py"),
    "notice_bytes": Unit(246, "bytes", "its notice", "bench/fleet_units.py"),
    "line_bytes": Unit(190, "bytes", "its line of JSON, in the history and to a client", "docs/benchmarks.md",
                       "190 bytes"),
    # Gateways
    "notice": Unit(29.1, "µs", "a notice with one delivery, alone", "bench/fleet_units.py"),
    "delivery": Unit(10.8, "µs", "each further delivery of a notice, alone", "docs/benchmarks.md",
                     "| 1,000 in one room, window 1 | roomcast | 84,471 | **1.009** | 16.8 | 25.7 | 27.8 | 10.8 |"),
    "say": Unit(28.0, "µs", "a message taken from a client, to its ack: five times the difference of a "
                "delivery alone and one in rooms of five where all talk", "docs/benchmarks.md",
                "| 5,000 in 1,000 rooms, all talk | roomcast | 52,562 |  | 104 | 131 | 143 | 16.4 |"),
    "connect": Unit(110.0, "µs", "connect, upgrade and join in rooms of ten", "docs/operations.md",
                    "0.11 ms in rooms of 10"),
    "connection_bytes": Unit(2352, "bytes", "a connection that is alone in its room on the worker",
                             "`roomcast-bench --connections 10000 --rooms 10000 --idle`"),
    "kernel_bytes": Unit(4608, "bytes", "the same, the kernel", "docs/operations.md", "| 4.5 KiB |"),
}

Fleet = collections.namedtuple("Fleet", "connections rooms messages processes workers session_minutes "
                                        "history masters")
DEFAULT = Fleet(connections=10_000_000, rooms=1_000_000, messages=100_000, processes=50, workers=4,
                session_minutes=30, history=20, masters=128)
SHARDS = 64
LEASE_SECS = 10
RENEW_SECS = 540       # three fifths of the time that a room in use is kept (gateway/args.c)
INDEX_SECS = 5         # a room is written there so often at most, by each worker
BEATS_A_SEC = 3 / LEASE_SECS
TAKEOVER_SECS = 4      # from a master's death to its replica's first answer, node-timeout 2000
BUSY = 0.5             # of a core, at most: what comes in bursts must find room


def cost(name):
    return UNITS[name].value


def spread(members, over):
    """On how many of them the members of a room are, if each goes to any."""
    return over * (1 - (1 - 1 / over) ** members)


def history_us(messages):
    return cost("history") + messages * cost("history_line")


def join_us(fleet):
    """All that a join asks Redis for, where each member of a room is on a worker of its own."""
    return cost("register") + cost("subscribe") + cost("join") + history_us(fleet.history)


def redis_cores(fleet, members, on_workers, on_processes):
    """What all masters do in a second, in seconds: {what: cores}."""
    joins = fleet.connections / (60 * fleet.session_minutes)
    workers = fleet.processes * fleet.workers
    pairs = fleet.rooms * on_workers # of a room and a worker
    told = on_processes * cost("listener")
    touches = min(fleet.messages + 2 * joins, pairs / INDEX_SECS)
    us = {
        "messages": fleet.messages * (cost("publish") + told),
        "joins and leaves": joins * (join_us(fleet) + cost("leave") + cost("reap") + 2 * told),
        "renewals": pairs / RENEW_SECS * cost("renew"),
        "indexes": touches * cost("index"),
        "heartbeats": workers * SHARDS * BEATS_A_SEC * cost("heartbeat"),
    }
    return {what: value / 1e6 for what, value in us.items()}


def recovery_secs(fleet, on_workers, on_processes, busy):
    """How long one master needs, after it has taken over, until all its rooms are as before: each process
    subscribes again, each worker syncs, and reads what was said meanwhile."""
    rooms = fleet.rooms / fleet.masters
    missed = fleet.messages / fleet.rooms * TAKEOVER_SECS
    read = min(1, missed) * history_us(max(1, missed))
    us = rooms * (on_processes * cost("subscribe") + on_workers * (cost("sync") + read))
    return us / 1e6 / (1 - busy) if busy < 1 else math.inf


def return_secs(fleet):
    """How long until all connections that were lost at once are in again: the masters, or the workers."""
    return fleet.connections / 1e6 * max(join_us(fleet) / fleet.masters,
                                         cost("connect") / (fleet.processes * fleet.workers))


Plan = collections.namedtuple(
    "Plan", "members on_workers on_processes cores busy recovery back memory out_mb in_mb links notice_links "
            "gateway_cores gateway_bytes rooms_a_master")


def plan(fleet):
    members = fleet.connections / fleet.rooms
    workers = fleet.processes * fleet.workers
    on_workers, on_processes = spread(members, workers), spread(members, fleet.processes)
    cores = redis_cores(fleet, members, on_workers, on_processes)
    busy = sum(cores.values()) / fleet.masters
    rooms = fleet.rooms / fleet.masters
    joins = fleet.connections / (60 * fleet.session_minutes)
    notices = fleet.messages * on_processes
    events = 2 * joins * on_processes
    gateway_us = (fleet.messages * cost("say") + (notices + events) * cost("notice")
                  + (fleet.messages + 2 * joins) * (members - on_processes) * cost("delivery")
                  + joins * cost("connect"))
    # A reader of a process's notices of a shard has a link to each master that has some of its slots.
    per_shard = max(1, fleet.masters / SHARDS)
    notice_links = fleet.processes * min(fleet.workers, SHARDS) * min(
        fleet.masters, math.ceil(SHARDS / fleet.workers) * per_shard)
    return Plan(
        members, on_workers, on_processes, cores, busy,
        recovery_secs(fleet, on_workers, on_processes, busy), return_secs(fleet),
        rooms * (cost("room_bytes") * on_workers / 10 + on_processes * cost("subscription_bytes")
                 + fleet.history * cost("line_bytes")),
        (notices + events) * cost("notice_bytes") / 1e6 / fleet.masters,
        fleet.messages * cost("publish_bytes") / 1e6 / fleet.masters,
        workers + notice_links / fleet.masters, notice_links,
        gateway_us / 1e6, fleet.connections * (cost("connection_bytes") + cost("kernel_bytes")), rooms)


# ---- what is printed ----


def number(value):
    if value == math.inf:
        return "never"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def gib(value):
    return number(value / 2**30)


def table(head, rows):
    right = "|---|" + "---:|" * (len(head) - 1)
    lines = ["| " + " | ".join(head) + " |", right] + ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def masters_for(fleet, is_enough):
    """The fewest masters, as a power of two up to 1024, with which it is; None if none is."""
    for power in range(0, 11):
        tried = fleet._replace(masters=2**power)
        if is_enough(plan(tried)):
            return tried.masters
    return None


def limits(fleet):
    """What asks for more masters, most first."""
    rows = [
        (f"after a failover the rooms of the master are as before within the lease, {LEASE_SECS} s, its takeover "
         "not counted", masters_for(fleet, lambda p: p.recovery <= LEASE_SECS)),
        ("all who were cut off at once are in again within 20 s", masters_for(fleet, lambda p: p.back <= 20)),
        (f"a master is busy for {BUSY:.0%} of its core at most", masters_for(fleet, lambda p: p.busy <= BUSY)),
        ("a master holds 8 GiB at most", masters_for(fleet, lambda p: p.memory <= 8 * 2**30)),
        ("a master sends 100 MB a second at most", masters_for(fleet, lambda p: p.out_mb <= 100)),
    ]
    rows.sort(key=lambda row: -(row[1] or 1 << 20))
    return [(what, number(count) if count else "more than 1,024") for what, count in rows]


def print_units():
    return table(["what", "one costs", "from"],
                 [[unit.what, f"{unit.value:,g} {unit.unit}",
                   unit.source if unit.source.startswith("`") else f"`{unit.source}`"]
                  for unit in UNITS.values()])


def print_fleet(fleet):
    p = plan(fleet)
    workers = fleet.processes * fleet.workers
    spent = sum(p.cores.values())
    rows = [
        ["connections", number(fleet.connections)],
        ["rooms, of so many members", f"{number(fleet.rooms)}, {p.members:,.3g}"],
        ["messages a second", number(fleet.messages)],
        ["deliveries a second", f"{fleet.messages * p.members:,.0f}"],
        ["minutes that a client stays", number(fleet.session_minutes)],
        ["messages in a room's history", number(fleet.history)],
        ["gateways (processes), workers of each", f"{number(fleet.processes)}, {number(fleet.workers)}"],
        ["masters", number(fleet.masters)],
        ["**a room is on so many** workers, processes", f"{number(p.on_workers)}, {number(p.on_processes)}"],
        ["**gateways**: connections a process", number(fleet.connections / fleet.processes)],
        ["cores in all; of a worker's core", f"{number(p.gateway_cores)}; {p.gateway_cores / workers:.0%}"],
        ["memory in all, the kernel's with it; a process",
         f"{gib(p.gateway_bytes)} GiB; {gib(p.gateway_bytes / fleet.processes)} GiB"],
        ["**Redis**: cores in all; of a master's core", f"{number(spent)}; {p.busy:.0%}"],
        *[[f"of it {what}", number(value)] for what, value in p.cores.items()],
        ["memory a master", f"{gib(p.memory)} GiB"],
        ["a master sends; takes, a second", f"{number(p.out_mb)} MB; {number(p.in_mb)} MB"],
        ["**links**: for commands in all; for notices",
         f"{number(workers * fleet.masters)}; {number(p.notice_links)}"],
        ["connections a master has", number(p.links)],
        ["**a master fails**: rooms that wait", number(p.rooms_a_master)],
        ["seconds from the takeover until the last one is as before", number(p.recovery)],
        ["**all come back at once**: seconds until the last one is in", number(p.back)],
    ]
    return table(["", ""], rows)


def print_masters(fleet):
    rows = []
    for count in (8, 16, 32, 64, 128, 256):
        p = plan(fleet._replace(masters=count))
        rows.append([number(count), f"{p.busy:.0%}", gib(p.memory), number(p.out_mb), number(p.links),
                     number(p.recovery), number(p.back)])
    return table(["masters", "of a core", "GiB", "MB/s out", "connections", "s to get over a failover",
                  "s until all are back"], rows)


def print_limits(fleet):
    return table(["so that …", "masters"], [list(row) for row in limits(fleet)])


def render(fleet):
    return (f"What one costs, on two cores of an AMD EPYC with Redis 7.0.15 (medians of five rounds beside other "
            f"work; they scatter by a third):\n\n{print_units()}\n"
            f"The fleet:\n\n{print_fleet(fleet)}\n"
            f"The same with other numbers of masters:\n\n{print_masters(fleet)}\n"
            f"What asks for how many masters (powers of two), the first one breaks first:\n\n"
            f"{print_limits(fleet)}")


def page_with(text, block):
    before, rest = text.split(BEGIN)
    return before + BEGIN + "\n" + block + "\n" + END + rest.split(END)[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", action="store_true", help="into docs/scale.md")
    for name, value in DEFAULT._asdict().items():
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=value, metavar="N",
                            help=f"default {value:,}")
    options = vars(parser.parse_args())
    write = options.pop("write")
    if any(value < (0 if name in ("messages", "history") else 1) for name, value in options.items()):
        parser.error("each number must be at least 1; --messages and --history may be 0")
    block = render(Fleet(**options))
    if write:
        PAGE.write_text(page_with(PAGE.read_text(), block))
    else:
        print(block, end="")


if __name__ == "__main__":
    main()
