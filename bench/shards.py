#!/usr/bin/python3
"""What the forms of Redis cost and stand: one, three shards, a cluster of three masters.

    bench/shards.py [--only costs|reshard|failover] [--rounds N] [--seconds N] | --check

costs: Redis CPU a message (of all its servers together) and messages a second, by
roomcast-bench, one form after the other in each round; medians. Two cores carry the clients, the
gateway and all servers, so the sums say more than the rates.

reshard: 200 rooms on two gateways, somebody talks in each, while thousands of slots move there and
back. failover: the same while a master hands over by command, and while one is killed. Both
print the longest time to an ack, messages that came by the history, and what is lost or
came twice: that must be none, or in a failover be said by `reset`.

--check is a test, of script/test-long: `reshard` at its full size, with replicas. It fails where anything is
lost, comes twice or is refused, where a client is told `reset` or `gap`, and where an ack takes a second.

Everything runs on free ports of 127.0.0.1, and is ended with the program. Needs the release build,
redis-server, redis-cli and Debian's python3-websockets.
"""
import argparse
import asyncio
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

import websockets

from targets import (ROOT, ask_http, ask_redis, free_port, is_listening, running, wait_until)

BIN = ROOT / "build" / "bin"
SLOTS = 16384
MASTERS = 3
NODE_TIMEOUT_MS = 2000
LEASE_SECS = NODE_TIMEOUT_MS / 1000 + 4  # above node-timeout + 3 s, or living users are reaped
NO_LIMITS = ("--requests-per-sec", "0", "--bytes-per-sec", "0", "--joins-per-sec", "0")
WARMUP_SECS = 2

ROWS = {
    "32 in 16 rooms, window 64": "--connections 32 --rooms 16 --window 64",
    "1,000 in 100 rooms, window 1": "--connections 1000 --rooms 100 --window 1",
    "1,000 in one room, window 8": "--connections 1000 --window 8",
}

ROOMS = 200
MESSAGES_PER_SEC = 2  # of each who talks
SLOTS_MOVED = 3000
ACK_MAX_SECS = 1  # of --check
STEADY_SECS = 2
PATIENCE_SECS = 60


# ---- servers ----


@contextlib.contextmanager
def redis_server(directory, *more):
    port = free_port()
    home = f"{directory}/{port}"
    os.mkdir(home)
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "",
               "--appendonly", "no", "--dir", home, "--logfile", "redis.log",
               "--notify-keyspace-events", "Kx", *more]
    with running(command) as process:
        wait_until(process, lambda: is_listening(port), "redis-server is ready")
        yield process, port


class Redis:
    """Servers, their processes and the URL for all of them."""

    def __init__(self, servers, url):
        self.processes = {port: process for process, port in servers}
        self.ports = list(self.processes)
        self.pids = [process.pid for process in self.processes.values()]
        self.url = url

    def cluster(self, *words):
        done = subprocess.run(["redis-cli", "--cluster", *words], timeout=600, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            sys.exit(f"redis-cli --cluster {words[0]}: {done.stdout[-1000:]}")

    def agrees(self):
        """A node may not have heard yet that a slot has moved; then redis-cli moves none."""
        done = subprocess.run(["redis-cli", "--cluster", "check", f"127.0.0.1:{self.ports[0]}"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return "All nodes agree" in done.stdout

    def is_well(self, port):
        return "cluster_state:ok" in ask_redis(port, "cluster", "info")

    def node_id(self, port):
        return ask_redis(port, "cluster", "myid").strip()


@contextlib.contextmanager
def one(directory):
    with redis_server(directory) as server:
        yield Redis([server], f"redis://127.0.0.1:{server[1]}")


@contextlib.contextmanager
def three_shards(directory):
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(redis_server(directory)) for _ in range(MASTERS)]
        yield Redis(servers, ",".join(f"redis://127.0.0.1:{port}" for _, port in servers))


@contextlib.contextmanager
def cluster(directory, replicas=0):
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS),
               "--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0")
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(redis_server(
            directory, *options, "--cluster-port", str(free_port())))
                   for _ in range(MASTERS * (1 + replicas))]
        made = Redis(servers, "redis+cluster://" +
                     ",".join(f"127.0.0.1:{port}" for _, port in servers))
        made.cluster("create", *(f"127.0.0.1:{port}" for port in made.ports),
                     "--cluster-replicas", str(replicas), "--cluster-yes")
        for process, port in servers:
            wait_until(process, lambda port=port: made.is_well(port), "the cluster is well")
        yield made


FORMS = {"one Redis": one, "three shards": three_shards,
         "cluster of three masters": cluster}


@contextlib.contextmanager
def gateway(redis, workers=1, log=subprocess.DEVNULL):
    port, ops_port = free_port(), free_port()
    env = {name: value for name, value in os.environ.items()
           if not name.startswith("ROOMCAST_")}
    env["ROOMCAST_REDIS_URL"] = redis.url
    env["ROOMCAST_READY_SHARDS"] = "100"
    command = [BIN / "roomcast-gateway", "--listen", f"127.0.0.1:{port}", "--ops-listen",
               f"127.0.0.1:{ops_port}", "--workers", str(workers), "--drain-secs", "1",
               "--lease-secs", f"{LEASE_SECS:g}", "--log-level", "warn", *NO_LIMITS]
    with running(command, env=env, stderr=log) as process:
        wait_until(process, lambda: ask_http(ops_port, "/readyz"), "the gateway is ready")
        yield process, port, ops_port


# ---- costs ----


def measure_cost(form, arguments, seconds):
    """Messages a second, and µs of all servers' CPU a message."""
    with tempfile.TemporaryDirectory(prefix="roomcast-bench-") as directory, \
            FORMS[form](directory) as redis, gateway(redis) as (_, port, _):
        command = [BIN / "roomcast-bench", "--json", "--seconds", str(seconds), "--warmup",
                   str(WARMUP_SECS), "--url", f"127.0.0.1:{port}", *arguments.split()]
        for pid in redis.pids:
            command += ["--pid", str(pid)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result = json.loads(done.stdout)
    for fault in ("errors", "missing", "repeats"):
        if result[fault]:
            sys.exit(f"{form}, {arguments}: {result[fault]:g} {fault}")
    each = result["deliveries_per_s"] * seconds / result["acked"]
    return result["acked"] / seconds, result["gateway_cpu_us_per_delivery"] * each


def costs(options):
    print("| | form | messages/s | Redis CPU µs a message |\n|---|---|---:|---:|")
    for row, arguments in ROWS.items():
        found = {form: [] for form in FORMS}
        for _ in range(options.rounds):
            for form in FORMS:
                found[form].append(measure_cost(form, arguments, options.seconds))
        for form, runs in found.items():
            rate, cost = (statistics.median(run[i] for run in runs) for i in (0, 1))
            print(f"| {row} | {form} | {rate:,.0f} | {cost:.1f} |", flush=True)


# ---- who talks ----


class Talk:
    """A room: one who talks in it by the first gateway, and hears it by the second."""

    def __init__(self, number):
        self.room = f"room {number}"
        self.sent, self.acked, self.heard = {}, {}, []
        self.resets = self.told_of_loss = self.refused = 0

    async def enter(self, ports):
        self.sockets = [await websockets.connect(f"ws://127.0.0.1:{port}/ws",
                                                 ping_interval=None) for port in ports]
        self.is_in = [asyncio.Event() for _ in ports]
        self.tasks = [asyncio.create_task(self.read(i)) for i in range(len(ports))]
        for user, socket, is_in in zip(("ann", "bob"), self.sockets, self.is_in):
            while not is_in.is_set():
                await socket.send(json.dumps(
                    {"type": "join", "room": self.room, "user": user}))
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(is_in.wait(), 5)

    async def leave(self):
        for socket in self.sockets:
            await socket.close()
        await asyncio.gather(*self.tasks)

    async def read(self, i):
        with contextlib.suppress(websockets.ConnectionClosed):
            async for text in self.sockets[i]:
                self.take(i, json.loads(text))

    def take(self, i, event):
        kind = event["type"]
        if kind == "history_batch":
            self.is_in[i].set()
        elif kind == "message_ack":
            self.acked[event["id"]] = time.monotonic()
        elif kind == "message" and i == 1:
            self.heard.append(event["text"])
        elif kind in ("reset", "gap"):
            self.told_of_loss += 1
            self.resets += i == 1
        elif kind == "error" and "id" in event:
            self.refused += 1
            self.sent.pop(event["id"], None)

    async def say(self):
        number = 0
        while True:
            text = str(number)
            number += 1
            self.sent[text] = time.monotonic()
            await self.sockets[0].send(json.dumps(
                {"type": "message", "room": self.room, "text": text, "id": text,
                 "key": text}))
            await asyncio.sleep(1 / MESSAGES_PER_SEC)

    def longest_ack(self, since):
        times = [self.acked[text] - at for text, at in self.sent.items()
                 if text in self.acked and at >= since]
        return max(times, default=0)

    def missing(self):
        return set(self.acked) - set(self.heard)


async def until(what, holds):
    end = time.monotonic() + PATIENCE_SECS
    while not holds():
        if time.monotonic() > end:
            sys.exit(f"in vain: {what}")
        await asyncio.sleep(0.05)


def count(ops_ports, metric):
    return sum(float(value) for port in ops_ports for value in re.findall(
        rf"^{metric}(?:{{.*}})? (\S+)$", ask_http(port, "/metrics"), re.M))


def silence(talks, since):
    """The longest time without an ack in one room."""
    longest = 0
    for talk in talks:
        times = sorted(at for at in talk.acked.values())
        longest = max([longest, *(b - a for a, b in zip(times, times[1:]) if b > since)])
    return longest


async def talk_while(redis, gateways, deed):
    """What the table has, after `deed` was done while all talk."""
    ops_ports = [ops_port for _, _, ops_port in gateways]
    talks = [Talk(number) for number in range(ROOMS)]
    for talk in talks:
        await talk.enter([port for _, port, _ in gateways])
    says = [asyncio.create_task(talk.say()) for talk in talks]
    await asyncio.sleep(STEADY_SECS)
    by_history = count(ops_ports, "roomcast_backfilled_messages_total")
    since = time.monotonic()
    await asyncio.to_thread(deed)
    took = time.monotonic() - since
    await asyncio.sleep(STEADY_SECS)
    for say in says:
        say.cancel()
    await until("all that was said is answered", lambda: all(
        set(talk.sent) <= set(talk.acked) for talk in talks))
    await until("all that was acked is heard, or said to be gone", lambda: all(
        talk.resets or not talk.missing() for talk in talks))
    found = {
        "seconds": took,
        "acked": sum(len(talk.acked) for talk in talks),
        "longest ack": max(talk.longest_ack(since) for talk in talks),
        "without ack": silence(talks, since),
        "by history": count(ops_ports, "roomcast_backfilled_messages_total") - by_history,
        "refused": sum(talk.refused for talk in talks),
        "gone": sum(len(talk.missing()) for talk in talks),
        "unsaid": sum(len(talk.missing()) for talk in talks if not talk.resets),
        "twice": sum(len(talk.heard) - len(set(talk.heard)) for talk in talks),
        "told of loss": sum(talk.told_of_loss for talk in talks),
    }
    for talk in talks:
        await talk.leave()
    return found


HEAD = ("| | s | acked | longest ack, ms | longest without one in a room, ms | by history"
        " | refused | gone | of these unsaid | twice |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")


def print_found(name, found):
    print(f"| {name} | {found['seconds']:.1f} | {found['acked']:,} |"
          f" {1000 * found['longest ack']:,.0f} | {1000 * found['without ack']:,.0f} |"
          f" {found['by history']:,.0f} | {found['refused']} | {found['gone']} |"
          f" {found['unsaid']} | {found['twice']} |", flush=True)
    if found["unsaid"] or found["twice"]:
        sys.exit("lost in silence, or came twice")


def faults_of(found):
    """What T1 of SPEC-SCALE S12 forbids, in words."""
    faults = [f"{found[name]} {name}" for name in ("gone", "twice", "refused", "told of loss")
              if found[name]]
    if not found["acked"]:
        faults.append("nothing was acked")
    if found["longest ack"] >= ACK_MAX_SECS:
        faults.append(f"an ack took {found['longest ack']:.2f} s")
    return faults


def talk_and_find(deed_of, replicas):
    with tempfile.TemporaryDirectory(prefix="roomcast-bench-") as directory, \
            cluster(directory, replicas) as redis, gateway(redis, 2) as first, \
            gateway(redis, 2) as second:
        return asyncio.run(talk_while(redis, (first, second), deed_of(redis)))


def with_talk(name, deed_of, replicas):
    print_found(name, talk_and_find(deed_of, replicas))


def move_there_and_back(redis, slots=SLOTS_MOVED // 2):
    a, b = (redis.node_id(port) for port in redis.ports[:2])

    def move(source, target):
        wait_until(redis.processes[redis.ports[0]], redis.agrees, "all nodes agree",
                   PATIENCE_SECS)
        redis.cluster("reshard", f"127.0.0.1:{redis.ports[0]}", "--cluster-from", source,
                      "--cluster-to", target, "--cluster-slots", str(slots),
                      "--cluster-yes", "--cluster-pipeline", "100")

    def deed():
        move(a, b)
        move(b, a)

    return deed


def reshard(_):
    print(HEAD)
    with_talk("nothing", lambda redis: lambda: time.sleep(10), 0)
    with_talk(f"{SLOTS_MOVED:,} slots moved", move_there_and_back, 0)


def check():
    found = talk_and_find(lambda redis: move_there_and_back(redis, SLOTS_MOVED), 1)
    faults = faults_of(found)
    print(json.dumps(found))
    if faults:
        sys.exit(f"{SLOTS_MOVED:,} slots moved there and back: " + ", ".join(faults))


def role_of(port):
    return ask_redis(port, "role").split()[0]


def replica_of(redis, master):
    """The port of a replica of the master at this port."""
    own = redis.node_id(master)
    return next(port for port in redis.ports if port != master and re.search(
        rf"^{redis.node_id(port)} .*slave {own} ", ask_redis(port, "cluster", "nodes"), re.M))


def hand_over(redis):
    master = next(port for port in redis.ports if role_of(port) == "master")
    replica = replica_of(redis, master)

    def deed():
        ask_redis(replica, "cluster", "failover")
        wait_until(redis.processes[replica], lambda: role_of(replica) == "master",
                   "the replica took over", PATIENCE_SECS)

    return deed


def kill(redis):
    master = next(port for port in redis.ports if role_of(port) == "master")
    replica = replica_of(redis, master)

    def deed():
        redis.processes[master].kill()
        wait_until(redis.processes[replica], lambda: role_of(replica) == "master",
                   "the replica took over", PATIENCE_SECS)

    return deed


def failover(_):
    print(HEAD)
    with_talk("CLUSTER FAILOVER", hand_over, 1)
    with_talk(f"a master killed, node-timeout {NODE_TIMEOUT_MS} ms", kill, 1)


PARTS = {"costs": costs, "reshard": reshard, "failover": failover}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.check:
        check()
        return
    for name, part in PARTS.items():
        if options.only in (None, name):
            print(f"\n{name}\n", flush=True)
            part(options)


if __name__ == "__main__":
    main()
