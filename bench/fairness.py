#!/usr/bin/env python3
"""What a client waits for while 200 others on its worker flood.

    script/bench --fairness [--rounds N] [--seconds S] [--only TEXT] [--flooders N]

Each run has a new gateway of one worker, with the settings as they come (so with pacing), a
private Redis, emptied, and roomcast-bench-fairness, which floods in one thread and asks in
another. The floods go on for some seconds before anything counts, until their bursts are spent. A figure is
the median of the rounds. Exit 1 if a p99 is above 20 ms and above ten times the one without
a flood. Where all kinds were run, the table goes into docs/benchmarks.md.
"""
import argparse
import datetime
import json
import os
import pathlib
import re
import shlex
import statistics
import subprocess
import sys
import tempfile

from report import REPORT, machine, machine_text
from targets import ROOT, Place, ask_http, ask_redis, gateway, redis

BIN = ROOT / "build" / "bin"
WARMUP_SECS = 6  # bursts are a second's worth of reading, or four
RUN_SECS_MAX = 200
BOUND_MS, BOUND_TIMES = 20, 10
CALM = "none"
MARKS = ("<!-- fairness: written by script/bench -->", "<!-- end of fairness -->")
ASKED = ("ping", "message")


def cpu_secs(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def waits(page):
    """How often somebody has begun to wait, by why."""
    return {why: int(count) for why, count in
            re.findall(r'^roomcast_paced_total\{why="(\w+)"\} (\d+)', page, re.M)}


def measure(place, kind, options):
    command = [options.bin / "roomcast-bench-fairness"]
    with gateway(place, limits=()) as server:
        command += [server.port, kind, options.flooders, WARMUP_SECS, options.seconds]
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                              text=True, timeout=RUN_SECS_MAX)
        if not done.stdout:
            sys.exit(f"{shlex.join(map(str, command))}: exit {done.returncode}")
        result = json.loads(done.stdout)
        result["cpu_secs"] = cpu_secs(server.pids[0])
        result["waits"] = waits(ask_http(server.ops_port, "/metrics"))
    return result


def median(runs, column):
    return statistics.median(run[column] for run in runs)


def bound_ms(calm, asked):
    return max(BOUND_MS, BOUND_TIMES * median(calm, f"{asked}_p99_ms"))


def breaches(runs):
    return [f"{kind}: p99 of {asked} is {median(runs[kind], f'{asked}_p99_ms'):.1f} ms"
            for kind in runs for asked in ASKED
            if median(runs[kind], f"{asked}_p99_ms") > bound_ms(runs[CALM], asked)]


def row(kind, runs, options):
    secs = WARMUP_SECS + options.seconds
    why = {}
    for run in runs:
        for name, count in run["waits"].items():
            why[name] = why.get(name, 0) + count
    most = max(why, key=why.get) if any(why.values()) else ""
    figures = [f"{median(runs, f'{asked}_{column}_ms'):.2f}"
               for asked in ASKED for column in ("p50", "p99", "worst")]
    return "| " + " | ".join(
        [kind, *figures, f"{100 * median(runs, 'cpu_secs') / secs:.0f} %",
         f"{median(runs, 'sent_bytes') / 1e6:.0f}", most]) + " |"


def table(runs, options):
    lines = [
        f"Medians of {options.rounds} runs of {options.seconds} s, {datetime.date.today().isoformat()}, made with"
        f" `{shlex.join(['script/bench', *sys.argv[1:]])}`",
        f"on {machine_text(machine(False))}. {options.flooders} flooders a run.", "",
        "| flood | ping p50 ms | p99 | worst | message p50 ms | p99 | worst | CPU of the worker | sent, MB | waits most for |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---|",
        *(row(kind, results, options) for kind, results in runs.items()), "",
        "Bounds of p99: "
        + ", ".join(f"{asked} {bound_ms(runs[CALM], asked):.0f} ms" for asked in ASKED)
        + ". " + ("; ".join(breaches(runs)) or "All are within them") + ".",
    ]
    return "\n".join(lines)


def publish(text):
    page = REPORT.read_text()
    before, rest = page.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    REPORT.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{after}")


def parse_arguments():
    parser = argparse.ArgumentParser(prog="script/bench --fairness", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--fairness", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, choices=range(1, 21), default=3,
                        metavar="N", help="runs of each, 1 to 20 (default 3)")
    parser.add_argument("--seconds", type=int, choices=range(1, 61), default=10,
                        metavar="S", help="that count in a run, 1 to 60 (default 10)")
    parser.add_argument("--flooders", type=int, choices=range(1, 10001), default=200,
                        metavar="N", help="connections that flood (default 200)")
    parser.add_argument("--only", default="", metavar="TEXT",
                        help="only floods whose name contains TEXT; writes no report")
    parser.add_argument("--bin", type=pathlib.Path, default=BIN, metavar="DIR",
                        help="other programs than build/bin; writes no report")
    return parser.parse_args()


def main():
    options = parse_arguments()
    listed = subprocess.run([options.bin / "roomcast-bench-fairness", "--list"],
                            check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    kinds = [kind for kind in listed if kind == CALM or options.only in kind]
    runs = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as directory, redis(directory) as where:
        place = Place(options.bin, directory, *where)
        for number in range(options.rounds):
            for kind in kinds:
                print(f"round {number + 1}: {kind}", file=sys.stderr)
                ask_redis(place.redis_port, "flushall")
                runs[kind].append(measure(place, kind, options))
    text = table(runs, options)
    print(text)
    if kinds == listed and options.bin == BIN:
        publish(text)
    if breaches(runs):
        sys.exit(1)


if __name__ == "__main__":
    main()
