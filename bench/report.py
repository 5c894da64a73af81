"""report.py - what was measured, as tables, a summary of what was aimed at, and plots.

    data (bench/results/latest.json): date, machine, command, rounds, seconds,
        rows: {name: {arguments, runs: {target: [a result of roomcast-bench a round]}}}

A figure is the median over the rounds; a ratio is the median of the rounds' ratios,
because within a round both sides ran one after the other. GOALS are the aims; whether
they are reached is computed here and typed nowhere.
"""
import dataclasses
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import tempfile

from targets import ROOT, first_line, peer_versions

RESULTS = ROOT / "bench" / "results" / "latest.json"
REPORT = ROOT / "docs" / "benchmarks.md"
PLOTS = ROOT / "bench" / "plots"
MARKS = ("<!-- results: written by script/bench -->", "<!-- end of results -->")
PLOT_SECS_MAX = 60
CROWD = 1000  # fewer say nothing about what a connection costs

# column: (name in the results, whether it stands beside its ratio to the floor)
DELIVERING = {
    "deliveries/s": ("deliveries_per_s", True),
    "p50 ms": ("p50_ms", False),
    "p99 ms": ("p99_ms", False),
    "p99.9 ms": ("p999_ms", False),
    "CPU µs a delivery": ("gateway_cpu_us_per_delivery", True),
    "Redis CPU µs a message": ("redis_cpu_us_per_publish", False),
    "Redis commands a message": ("redis_calls_per_publish", False),
    "errors, missing, repeated": ("faults", False),
}
COMING_IN = {
    "connects/s": ("connects_per_s", True),
    "CPU µs a connect": ("gateway_cpu_us_per_connect", True),
    "bytes a connection": ("bytes_per_connection", False),
    "bytes at the peak": ("peak_bytes_per_connection", False),
}


@dataclasses.dataclass(frozen=True)
class Goal:
    text: str
    row: str
    figure: str  # name in the results
    limit: float
    against: str = ""  # the target that it is a ratio to; none: the figure itself
    is_floor: bool = False  # the limit is the least, not the most, that is good


ONE_ROOM = "1,000 in one room, window {}"
SMALL_ROOMS = "1,000 in 100 rooms, window 1"
IDLE_ROW_ONE = "10,000 idle in one room"
IDLE_ROW, IDLE_ROW_SMALL = "10,000 idle in 100 rooms", "10,000 idle in 1,000 rooms"
REDIS_ROW = "32 in 16 rooms, window 64"
UPKEEP_ROW = "20,000 idle in 2,000 rooms, two gateways of two workers"
CPU = "gateway_cpu_us_per_delivery"

GOALS = (
    *(Goal("CPU a delivery, to the floor's", ONE_ROOM.format(window), CPU, 1.10, "floor")
      for window in (1, 8, 64)),
    Goal("CPU a delivery, to the floor's", SMALL_ROOMS, CPU, 1.25, "floor"),
    *(Goal("CPU a delivery, to Bun's", row, CPU, 1.0, "Bun")
      for row in (*(ONE_ROOM.format(window) for window in (1, 8, 64)), SMALL_ROOMS)),
    Goal("CPU a delivery, to Nchan's", ONE_ROOM.format(8), CPU, 0.2, "Nchan"),
    Goal("Redis CPU µs a message", REDIS_ROW, "redis_cpu_us_per_publish", 4.0),
    Goal("Redis CPU µs a message", REDIS_ROW + ", keys", "redis_cpu_us_per_publish", 5.0),
    *(Goal("deliveries/s, to the naive one's", ONE_ROOM.format(window), "deliveries_per_s",
           2.0, "naive", is_floor=True) for window in (8, 64)),
    Goal("memory at the peak, to the naive one's", ONE_ROOM.format(64),
         "peak_bytes_per_connection", 0.7, "naive"),
    *(Goal("connects/s, to the floor's", row, "connects_per_s", 0.5, "floor",
           is_floor=True) for row in (IDLE_ROW_ONE, IDLE_ROW_SMALL)),
    *(Goal("bytes a connection", row, "bytes_per_connection", 2048)
      for row in (IDLE_ROW_ONE, IDLE_ROW, IDLE_ROW_SMALL)),
    Goal("Redis commands a second", UPKEEP_ROW, "redis_calls_per_s", 100),
)


def median(values):
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def get_figure(data, row, target, figure):
    """The median, of faults the sum (for one is too many); None: was not measured."""
    runs = data["rows"].get(row, {}).get("runs", {}).get(target, [])
    values = [run.get(figure) for run in runs]
    return sum(values) if figure == "faults" and values else median(values)


def get_ratio(data, row, target, figure, against):
    runs = data["rows"].get(row, {}).get("runs", {})
    pairs = zip(runs.get(target, []), runs.get(against, []))
    return median([a[figure] / b[figure] for a, b in pairs
                   if a.get(figure) and b.get(figure)])


def show(value):
    if value is None:
        return ""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def show_ratio(value):
    return "" if value is None else f"{value:.3f}"


def summary(data):
    lines = ["| aim | where | measured | target | |", "|---|---|---:|---:|---|"]
    for goal in GOALS:
        if goal.against:
            value = get_ratio(data, goal.row, "roomcast", goal.figure, goal.against)
        else:
            value = get_figure(data, goal.row, "roomcast", goal.figure)
        if value is None:
            verdict = "not measured"
        elif value >= goal.limit if goal.is_floor else value <= goal.limit:
            verdict = "reached"
        else:
            verdict = "**missed**"
        bound = "≥" if goal.is_floor else "≤"
        shown = show_ratio(value) if goal.against else show(value)
        lines.append(f"| {goal.text} | {goal.row} | {shown} | {bound} {goal.limit:g} |"
                     f" {verdict} |")
    return lines


def table(data, columns, rows):
    heads = []
    for head, (_, has_ratio) in columns.items():
        heads += [head, "to the floor's"] if has_ratio else [head]
    lines = ["| | | " + " | ".join(heads) + " |", "|---|---|" + "---:|" * len(heads)]
    for row in rows:
        for target in data["rows"][row]["runs"]:
            cells = []
            for figure, has_ratio in columns.values():
                cells.append(show(get_figure(data, row, target, figure)))
                if has_ratio:
                    ratio = get_ratio(data, row, target, figure, "floor")
                    is_shown = ratio is not None and target != "floor"
                    cells.append(f"**{show_ratio(ratio)}**" if is_shown else "")
            lines.append(f"| {row} | {target} | " + " | ".join(cells) + " |")
    return lines


def upkeep(data):
    runs = data["rows"].get(UPKEEP_ROW, {}).get("runs", {}).get("roomcast")
    if not runs:
        return []
    calls = sorted(runs[-1]["redis_calls"].items(), key=lambda item: -item[1])
    listed = ", ".join(f"{name} {count:,}" for name, count in calls)
    rate = get_figure(data, UPKEEP_ROW, "roomcast", "redis_calls_per_s")
    return [f"{UPKEEP_ROW}: Redis executes **{rate:.1f}** commands a second, those"
            f" inside scripts counted too. In {runs[-1]['seconds']} s: {listed}."]


def count_connections(data, row):
    return int(re.search(r"--connections (\d+)", data["rows"][row]["arguments"]).group(1))


def tables(data):
    rows = [row for row in data["rows"] if row != UPKEEP_ROW]
    talking = [row for row in rows if "--idle" not in data["rows"][row]["arguments"]]
    crowds = [row for row in rows if count_connections(data, row) >= CROWD]
    parts = [
        summary(data),
        ["Delivering:", "", *table(data, DELIVERING, talking)] if talking else [],
        ["Coming in and staying:", "", *table(data, COMING_IN, crowds)] if crowds else [],
        upkeep(data),
    ]
    return [line for part in parts if part for line in [*part, ""]]


def machine(has_peers):
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    where = {
        "cpu": model.group(1) if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
                            / 2**30),
        "kernel": re.match(r"[\d.]+", platform.release()).group(),
        "redis": re.search(r"v=(\S+)", first_line("redis-server", "--version")).group(1),
    }
    return {**where, "peers": peer_versions()} if has_peers else where


def machine_text(where):
    return (f"{where['cpu']}, {where['cores']} cores, {where['memory_gib']} GiB,"
            f" Linux {where['kernel']}, Redis {where['redis']}")


def text_of(data):
    where = data["machine"]
    peers = f" {where['peers']}." if "peers" in where else ""
    rounds = "One round" if data["rounds"] == 1 else f"Medians of {data['rounds']} rounds"
    return [
        f"{rounds} of {data['seconds']} s, {data['date']}, made with `{data['command']}`",
        f"on {machine_text(where)}.{peers}",
        "",
        *tables(data),
        "What roomcast-bench was told, beside `--target`, `--url`, `--pid`,"
        " `--redis-pid`, `--redis-port`, `--warmup` and `--seconds`:",
        "",
        *(f"* {name}: `{row['arguments']}`" for name, row in data["rows"].items()),
    ]


def run_gnuplot(name, text, count, directory):
    """Runs bench/plots/NAME.gp over `text`, for `count` systems."""
    with tempfile.NamedTemporaryFile("w", suffix=".dat") as file:
        file.write(text)
        file.flush()
        subprocess.run(["gnuplot", "-e", f"data='{file.name}'", "-e", f"count={count}",
                        "-e", f"out='{directory / name}.svg'", PLOTS / f"{name}.gp"],
                       check=True, timeout=PLOT_SECS_MAX)


def plot(data, directory):
    lines, bars = {}, []
    for window in (1, 8, 64):
        row = ONE_ROOM.format(window)
        for target in data["rows"].get(row, {}).get("runs", {}):
            lines.setdefault(target, f'"{target}"\n')
            lines[target] += f"{window} {get_figure(data, row, target, CPU)}\n"
    for target in data["rows"].get(IDLE_ROW, {}).get("runs", {}):
        value = get_figure(data, IDLE_ROW, target, "bytes_per_connection")
        bars.append(f'{len(bars)} {value} "{target}"\n')
    if lines:
        run_gnuplot("cpu", "\n\n".join(lines.values()), len(lines), directory)
    if bars:
        run_gnuplot("memory", "".join(bars), len(bars), directory)


def write(data, directory):
    """Results, tables and plots in a directory of one's choice."""
    directory.mkdir(parents=True, exist_ok=True)
    name = directory / RESULTS.name
    name.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    (directory / "tables.md").write_text("\n".join(text_of(data)) + "\n")
    plot(data, directory)


def publish(data):
    """Results and plots in bench/results/, the tables in docs/benchmarks.md."""
    text = REPORT.read_text()
    start, end = text.index(MARKS[0]), text.index(MARKS[1]) + len(MARKS[1])
    block = "\n".join([MARKS[0], "", *text_of(data), "", MARKS[1]])
    REPORT.write_text(text[:start] + block + text[end:])
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    plot(data, RESULTS.parent)
