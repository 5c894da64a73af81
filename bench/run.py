#!/usr/bin/env python3
"""Measures roomcast, the floor and others side by side, and writes the report.

Rounds are the outer loop, rows the next and targets the inner one, so that what the
machine does besides hits all alike; a figure is the median of the rounds. Every run gets
new processes (and an emptied Redis), all on free ports of 127.0.0.1, and takes them down.
targets.py starts the systems, report.py makes the tables, the summary and the plots.
The gateways run without limits of what a client sends. script/bench --fairness measures
what the limits are for: one client's waiting while 200 others flood.
"""
import argparse
import contextlib
import dataclasses
import datetime
import json
import pathlib
import re
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
import time

import report
from report import UPKEEP_ROW
from targets import (PEER_NAMES, ROOT, TARGETS, Place, ask_http, ask_redis, gateway, redis,
                     running, wait_until)

BIN = ROOT / "build" / "bin"
SO_FAR = ROOT / "build" / "bench.json"  # as latest.json, after each round
RUN_SECS_MAX = 400
WARMUP_SECS = 2
EVERYBODY = ("floor", "naive", "roomcast", *PEER_NAMES)

UPKEEP_PROCESSES = 2  # each has at most 20,000 files
UPKEEP_ARGUMENTS = "--connections 10000 --rooms 1000 --idle --seconds 600"
UPKEEP_SETTLE_SECS = 15
UPKEEP_SECS = 300  # of the nine minutes in which each room is renewed; see docs/benchmarks.md


@dataclasses.dataclass(frozen=True)
class Row:
    arguments: str  # for roomcast-bench, beside where and for how long
    targets: tuple = EVERYBODY


ROWS = {
    "1,000 in one room, window 1": Row("--connections 1000 --window 1"),
    "1,000 in one room, window 8": Row("--connections 1000 --window 8"),
    "1,000 in one room, window 64": Row("--connections 1000 --window 64"),
    "1,000 in 100 rooms, window 1": Row("--connections 1000 --rooms 100 --window 1"),
    "10,000 idle in one room": Row("--connections 10000 --idle"),
    "10,000 idle in 100 rooms": Row("--connections 10000 --rooms 100 --idle"),
    "10,000 idle in 1,000 rooms": Row("--connections 10000 --rooms 1000 --idle"),
    "32 in 16 rooms, window 64": Row("--connections 32 --rooms 16 --window 64",
                                     ("roomcast",)),
    "32 in 16 rooms, window 64, keys": Row(
        "--connections 32 --rooms 16 --window 64 --keys", ("roomcast",)),
    "5,000 in 1,000 rooms, all talk": Row("--connections 5000 --rooms 1000 --window 1",
                                          ("roomcast", "roomcast, 2 workers")),
    UPKEEP_ROW: Row(UPKEEP_ARGUMENTS, ("roomcast",)),
}


def bench_command(place, target, arguments, seconds):
    command = [place.bin_dir / "roomcast-bench", "--target", target.protocol, "--json",
               "--seconds", str(seconds), "--warmup", str(WARMUP_SECS),
               *shlex.split(arguments)]
    if target.has_redis:
        command += ["--redis-pid", str(place.redis_pid),
                    "--redis-port", str(place.redis_port)]
    return command


def measure(place, name, row, seconds):
    """One run: a new server, one roomcast-bench; its JSON."""
    target = TARGETS[name]
    command = bench_command(place, target, row.arguments, seconds)
    with target.start(place) as server:
        command += ["--url", f"127.0.0.1:{server.port}"]
        for pid in server.pids:
            command += ["--pid", str(pid)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True,
                              timeout=RUN_SECS_MAX)
    if not done.stdout:
        sys.exit(f"{shlex.join(map(str, command))}: exit {done.returncode}")
    result = json.loads(done.stdout)
    result["faults"] = result["errors"] + result["missing"] + result["repeats"]
    return result


def count_calls(redis_port):
    """Commands that Redis executed, those in scripts too: {name: calls}. Not INFO, which
    is how we know."""
    text = ask_redis(redis_port, "info", "commandstats")
    calls = {name: int(count)
             for name, count in re.findall(r"cmdstat_([^:]+):calls=(\d+)", text)}
    calls.pop("info", None)
    return calls


def count_members(gateways):
    pages = [ask_http(server.ops_port, "/metrics") for server in gateways]
    return sum(int(count) for page in pages
               for count in re.findall(r"^roomcast_members (\d+)", page, re.M))


def measure_upkeep(place):
    """What Redis executes while nobody does anything."""
    command = [place.bin_dir / "roomcast-bench", *shlex.split(UPKEEP_ARGUMENTS)]
    everybody = UPKEEP_PROCESSES * 10000
    with contextlib.ExitStack() as stack:
        gateways = [stack.enter_context(gateway(place, workers=2)) for _ in range(2)]
        for server in gateways:
            command += ["--url", f"127.0.0.1:{server.port}"]
        crowd = [stack.enter_context(running(command)) for _ in range(UPKEEP_PROCESSES)]
        wait_until(crowd[0], lambda: count_members(gateways) == everybody,
                   "everybody is in", RUN_SECS_MAX)
        time.sleep(UPKEEP_SETTLE_SECS)
        before = count_calls(place.redis_port)
        time.sleep(UPKEEP_SECS)
        after = count_calls(place.redis_port)
        faults = everybody - count_members(gateways)
    calls = {name: count - before.get(name, 0) for name, count in after.items()
             if count > before.get(name, 0)}
    return {"connections": everybody, "seconds": UPKEEP_SECS, "faults": faults,
            "redis_calls_per_s": sum(calls.values()) / UPKEEP_SECS, "redis_calls": calls}


def measure_all(options, place, rows):
    """After each round all that is known: {row: {target: [a result a round]}}"""
    runs = {name: {target: [] for target in row.targets} for name, row in rows.items()}
    for number in range(options.rounds):
        for name, row in rows.items():
            for target in row.targets:
                if name == UPKEEP_ROW and number > 0:
                    continue  # it counts, and does not depend on what else runs
                print(f"round {number + 1}: {name}, {target}", file=sys.stderr)
                ask_redis(place.redis_port, "flushall")
                if name == UPKEEP_ROW:
                    result = measure_upkeep(place)
                else:
                    result = measure(place, target, row, options.seconds)
                runs[name][target].append(result)
        yield number + 1, runs


def choose_rows(options):
    rows = {name: row for name, row in ROWS.items()
            if options.only in name and not (options.quick and name == UPKEEP_ROW)}
    if options.peers:
        return rows
    return {name: dataclasses.replace(row, targets=tuple(
        target for target in row.targets if target not in PEER_NAMES))
        for name, row in rows.items()}


def parse_arguments():
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, choices=range(1, 21), default=5,
                        metavar="N", help="runs of each, 1 to 20 (default 5)")
    parser.add_argument("--seconds", type=int, choices=range(1, 61), default=5,
                        metavar="S", help="that count in a run, 1 to 60 (default 5)")
    parser.add_argument("--peers", action="store_true",
                        help="install and measure Bun, Nchan and socket.io too")
    parser.add_argument("--quick", action="store_true",
                        help="one round of 2 s, without the upkeep, which takes its time;\n"
                        "writes no report")
    parser.add_argument("--only", default="", metavar="TEXT",
                        help="only rows whose name contains TEXT; writes no report")
    parser.add_argument("--bin", type=pathlib.Path, default=BIN, metavar="DIR",
                        help="other programs than build/bin; writes no report")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR",
                        help="write results, tables and plots there in any case")
    parser.add_argument("--render", action="store_true",
                        help="measure nothing: the report from bench/results/latest.json")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 2
    return options


def describe(options, rows, rounds, runs):
    return {
        "date": datetime.date.today().isoformat(),
        "machine": report.machine(options.peers),
        "command": shlex.join(["script/bench", *sys.argv[1:]]),
        "rounds": rounds,
        "seconds": options.seconds,
        "rows": {name: {"arguments": row.arguments, "runs": runs[name]}
                 for name, row in rows.items()},
    }


def main():
    options = parse_arguments()
    if options.render:
        report.publish(json.loads(report.RESULTS.read_text()))
        return
    rows = choose_rows(options)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    with tempfile.TemporaryDirectory() as directory, redis(directory) as where:
        place = Place(options.bin, directory, *where)
        for rounds, runs in measure_all(options, place, rows):
            data = describe(options, rows, rounds, runs)
            SO_FAR.write_text(json.dumps(data))
    print("\n".join(report.tables(data)))
    if options.out:
        report.write(data, options.out)
    elif not options.quick and not options.only and options.bin == BIN:
        report.publish(data)
    faults = sum(run["faults"] for name in runs for results in runs[name].values()
                 for run in results)
    if faults:
        sys.exit(f"{faults:.0f} errors, missing or repeated deliveries")


if __name__ == "__main__":
    main()
