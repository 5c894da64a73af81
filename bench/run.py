#!/usr/bin/env python3
"""Runs roomcast-bench against a gateway and against the floor, and writes the report.

Rounds are the outer loop and targets the inner one, so that what the machine does
besides hits both alike; a figure is the median of the rounds. Every run gets new
processes (and an emptied Redis), all on free ports of 127.0.0.1, and takes them down.
"""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import re
import resource
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = ROOT / "build" / "bin"
RESULTS = ROOT / "bench" / "results" / "latest.json"
REPORT = ROOT / "docs" / "benchmarks.md"
MARKS = ("<!-- results: written by script/bench -->", "<!-- end of results -->")

READY_SECS = 20
RUN_SECS_MAX = 300
FLOOR_SECS_MAX = 600

# name: what roomcast-bench is told beside where and for how long
SCENARIOS = {
    "1,000 in one room, window 1": "--connections 1000 --window 1",
    "1,000 in one room, window 8": "--connections 1000 --window 8",
    "1,000 in one room, window 64": "--connections 1000 --window 64",
    "1,000 in 100 rooms, window 1": "--connections 1000 --rooms 100 --window 1",
    "10,000 idle in 100 rooms": "--connections 10000 --rooms 100 --idle",
}
TARGETS = ("floor", "roomcast")

# column: (name in the results, whether a ratio to the floor says something)
COLUMNS = {
    "connects/s": ("connects_per_s", True),
    "deliveries/s": ("deliveries_per_s", True),
    "p50 ms": ("p50_ms", False),
    "p99 ms": ("p99_ms", False),
    "p99.9 ms": ("p999_ms", False),
    "CPU µs a delivery": ("gateway_cpu_us_per_delivery", True),
    "Redis CPU µs a message": ("redis_cpu_us_per_publish", False),
    "bytes a connection": ("bytes_per_connection", False),
    "errors, missing, repeated": ("faults", False),
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def is_listening(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def is_ready(ops_port):
    try:
        url = f"http://127.0.0.1:{ops_port}/readyz"
        return urllib.request.urlopen(url, timeout=2).status == 200
    except OSError:
        return False


def wait_until(process, condition, what):
    end = time.monotonic() + READY_SECS
    while not condition():
        if process.poll() is not None:
            sys.exit(f"{what} ended with {process.returncode} before it was ready")
        if time.monotonic() > end:
            sys.exit(f"{what} was not ready within {READY_SECS} s")
        time.sleep(0.02)


@contextlib.contextmanager
def running(command, env=None):
    """A process of ours, ended when the block ends."""
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def redis(directory):
    port = free_port()
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "",
               "--appendonly", "no", "--dir", directory, "--logfile", "redis.log"]
    with running(command) as process:
        wait_until(process, lambda: is_listening(port), "redis-server")
        yield process, port


@contextlib.contextmanager
def floor(bin_dir):
    port = free_port()
    command = [bin_dir / "roomcast-bench-floor", str(port), str(FLOOR_SECS_MAX)]
    with running(command) as process:
        wait_until(process, lambda: is_listening(port), "the floor")
        yield process, port


@contextlib.contextmanager
def gateway(bin_dir, redis_port):
    port, ops_port = free_port(), free_port()
    env = {name: value for name, value in os.environ.items()
           if not name.startswith("ROOMCAST_")}
    command = [bin_dir / "roomcast-gateway", "--listen", f"127.0.0.1:{port}",
               "--ops-listen", f"127.0.0.1:{ops_port}", "--workers", "1",
               "--redis-url", f"redis://127.0.0.1:{redis_port}",
               "--drain-secs", "1", "--log-level", "warn"]
    with running(command, env) as process:
        wait_until(process, lambda: is_ready(ops_port), "the gateway")
        yield process, port


def forget_everything(redis_port):
    subprocess.run(["redis-cli", "-p", str(redis_port), "flushall"], check=True,
                   stdout=subprocess.DEVNULL, timeout=10)


def measure(bin_dir, target, arguments, seconds, redis_process, redis_port):
    """One run: new server, one roomcast-bench; its JSON."""
    command = [bin_dir / "roomcast-bench", "--target", target, "--json",
               "--seconds", str(seconds), *shlex.split(arguments)]
    if target == "floor":
        server = floor(bin_dir)
    else:
        forget_everything(redis_port)
        server = gateway(bin_dir, redis_port)
        command += ["--redis-pid", str(redis_process.pid)]
    with server as (process, port):
        command += ["--url", f"127.0.0.1:{port}", "--pid", str(process.pid)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True,
                              timeout=RUN_SECS_MAX)
    if not done.stdout:
        sys.exit(f"{shlex.join(map(str, command))}: exit {done.returncode}")
    result = json.loads(done.stdout)
    result["faults"] = result["errors"] + result["missing"] + result["repeats"]
    return result


def median(runs):
    """Of each figure over the runs; of faults the sum, for one is too many."""
    out = {}
    for name, value in runs[0].items():
        values = [run[name] for run in runs]
        if name in ("faults", "errors", "missing", "repeats"):
            out[name] = sum(values)
        elif isinstance(value, (bool, str)) or None in values:
            out[name] = value
        else:
            out[name] = statistics.median(values)
    return out


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    version = subprocess.run(["redis-server", "--version"], stdout=subprocess.PIPE,
                             text=True, timeout=10).stdout
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
                            / 2**30),
        "kernel": re.match(r"[\d.]+", platform.release()).group(),
        "redis": re.search(r"v=(\S+)", version).group(1),
    }


def show(value):
    if value is None:
        return ""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3f}"


def table(scenarios):
    lines = ["| | | " + " | ".join(COLUMNS) + " |",
             "|---|---|" + "---:|" * len(COLUMNS)]
    for name, medians in scenarios.items():
        for target in TARGETS:
            cells = [show(medians[target].get(key)) for key, _ in COLUMNS.values()]
            lines.append(f"| {name} | {target} | " + " | ".join(cells) + " |")
        cells = []
        for key, is_ratio in COLUMNS.values():
            a, b = medians["roomcast"].get(key), medians["floor"].get(key)
            cells.append(f"**{a / b:.2f}**" if is_ratio and a and b else "")
        lines.append("| | ratio | " + " | ".join(cells) + " |")
    return lines


def write_report(report):
    where = report["machine"]
    lines = [
        MARKS[0],
        "",
        f"Medians of {report['rounds']} rounds of {report['seconds']} s,"
        f" {report['date']}, made with `{report['command']}`",
        f"on {where['cpu']}, {where['cores']} cores, {where['memory_gib']} GiB,"
        f" Linux {where['kernel']}, Redis {where['redis']}; the gateway with one worker.",
        "",
        *table(report["scenarios"]),
        "",
        "What roomcast-bench was told, beside `--target`, `--url`, `--pid`,"
        " `--redis-pid` and `--seconds`:",
        "",
        *(f"* {name}: `{SCENARIOS[name]}`" for name in report["scenarios"]),
        "",
        MARKS[1],
    ]
    text = REPORT.read_text()
    start, end = text.index(MARKS[0]), text.index(MARKS[1]) + len(MARKS[1])
    REPORT.write_text(text[:start] + "\n".join(lines) + text[end:])
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def parse_arguments():
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, choices=range(1, 21), default=5,
                        metavar="N", help="runs of each, 1 to 20 (default 5)")
    parser.add_argument("--seconds", type=int, choices=range(1, 61), default=5,
                        metavar="S", help="that count in a run, 1 to 60 (default 5)")
    parser.add_argument("--quick", action="store_true",
                        help="one round of 2 s; writes no report")
    parser.add_argument("--only", default="", metavar="TEXT",
                        help="only rows whose name contains TEXT; writes no report")
    parser.add_argument("--bin", type=pathlib.Path, default=BIN, metavar="DIR",
                        help="other programs than build/bin; writes no report")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 2
    return options


def main():
    options = parse_arguments()
    names = [name for name in SCENARIOS if options.only in name]
    runs = {name: {target: [] for target in TARGETS} for name in names}
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    with tempfile.TemporaryDirectory() as directory, \
            redis(directory) as (redis_process, redis_port):
        for number in range(options.rounds):
            for name in names:
                for target in TARGETS:
                    print(f"round {number + 1}: {name}, {target}", file=sys.stderr)
                    runs[name][target].append(
                        measure(options.bin, target, SCENARIOS[name], options.seconds,
                                redis_process, redis_port))

    scenarios = {name: {target: median(runs[name][target]) for target in TARGETS}
                 for name in names}
    print("\n".join(table(scenarios)))
    if not options.quick and not options.only and options.bin == BIN:
        write_report({
            "date": datetime.date.today().isoformat(),
            "machine": machine(),
            "command": shlex.join(["script/bench", *sys.argv[1:]]),
            "rounds": options.rounds,
            "seconds": options.seconds,
            "scenarios": scenarios,
            "runs": runs,
        })
    faults = sum(scenarios[name][target]["faults"] for name in names for target in TARGETS)
    if faults:
        sys.exit(f"{faults:.0f} errors, missing or repeated deliveries")


if __name__ == "__main__":
    main()
