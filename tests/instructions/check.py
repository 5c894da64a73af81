#!/usr/bin/env python3
"""Counts the instructions and allocations of the cases of tests/instructions/driver.c
and compares them with tests/instructions/recorded.txt. script/instructions builds the
release first.

Instructions a unit (a delivery, a message, a join) must be within 5% of the record, in
both directions: what became better is recorded again, so that it stays so. Allocations
(calls of malloc, calloc, realloc and free an operation) must be what is recorded,
exactly, and none in a delivery.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DRIVER = ROOT / "build" / "tests" / "instructions"
RECORD = ROOT / "tests" / "instructions" / "recorded.txt"
WITHIN = 0.05
CASE_SECS_MAX = 300

# Valgrind shows the program the kind of processor that it runs on, and the C library
# chooses its string functions by that. Without these it takes those of plain x86-64
# everywhere.
FEATURES = """
    AVX512F AVX512VL AVX512BW AVX2 AVX BMI1 BMI2 LZCNT MOVBE RTM SSE4_2 SSE4_1 SSSE3
    ERMS FSRM POPCNT Fast_Rep_String Fast_Copy_Backward Fast_Unaligned_Load
    Fast_Unaligned_Copy Prefer_PMINUB_for_stringop Prefer_ERMS Prefer_FSRM Slow_BSF
    Slow_SSE4_2 Prefer_No_VZEROUPPER AVX_Fast_Unaligned_Load
"""
PLAIN = ":".join([
    "glibc.cpu.hwcaps=" + ",".join(f"-{feature}" for feature in FEATURES.split()),
    "glibc.cpu.x86_non_temporal_threshold=0x1000000",
    "glibc.cpu.x86_rep_movsb_threshold=0x1000000",
    "glibc.cpu.x86_rep_stosb_threshold=0x1000000"])
ENVIRONMENT = {"PATH": os.defpath, "GLIBC_TUNABLES": PLAIN, "LD_BIND_NOW": "1"}


def run(command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True,
                          env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                          timeout=CASE_SECS_MAX).stdout


def list_cases(driver):
    """name: (operations, units an operation)"""
    rows = (line.split() for line in run([driver, "--list"]).splitlines())
    return {name: (int(operations), int(units)) for name, operations, units in rows}


def count(driver, name, directory):
    """Instructions and allocations of all operations of a case."""
    out = pathlib.Path(directory) / name
    allocations = run(["valgrind", "-q", "--tool=callgrind", "--collect-atstart=no",
                       f"--callgrind-out-file={out}", driver, name])
    instructions = re.search(r"^(?:totals|summary): (\d+)", out.read_text(), re.M)
    return int(instructions.group(1)), int(allocations)


def read_record():
    rows = (line.split() for line in RECORD.read_text().splitlines()
            if line and not line.startswith("#"))
    return {name: (float(instructions), float(allocations))
            for name, instructions, allocations in rows}


def write_record(measured):
    head = [line for line in RECORD.read_text().splitlines() if line.startswith("#")]
    rows = [f"{name:20} {instructions:12.1f} {allocations:12.3f}"
            for name, (instructions, allocations) in measured.items()]
    RECORD.write_text("\n".join(head + rows) + "\n")


def judge(name, recorded, measured):
    """The difference in percent to show, and what is wrong, or None."""
    if recorded is None:
        return "", "is not recorded"
    change = measured[0] / recorded[0] - 1
    wrong = None
    if name.startswith("delivery") and measured[1] > 0:
        wrong = "allocates, and must not, whatever is recorded"
    elif change > WITHIN:
        wrong = "costs more instructions"
    elif change < -WITHIN:
        wrong = "costs fewer instructions: record it (--record)"
    elif measured[1] > recorded[1]:
        wrong = "allocates more (--where CASE shows what)"
    elif measured[1] < recorded[1]:
        wrong = "allocates less: record it (--record)"
    return f"{100 * change:+.1f}%", wrong


def show(name, recorded, measured, change):
    was = recorded or (float("nan"), float("nan"))
    print(f"{name:20} {was[0]:11.1f} {measured[0]:11.1f} {change:>8}"
          f" {was[1]:10.3f} {measured[1]:10.3f}", flush=True)


def name_of(path, address):
    """The function and line of a return address."""
    before = hex(int(address, 16) - 1)
    return run(["addr2line", "-f", "-p", "-s", "-e", path, before]).strip()


def show_where(driver, name):
    """Each chain of callers that allocates, without the driver's and libuv's own."""
    for line in run([driver, name, "where"]).splitlines():
        words = line.split()
        if len(words) == 2 and words[0].startswith("/"):
            place = name_of(*words)
            if "libuv" not in words[0] and not re.search(r"(driver|kernel|count)\.c:", place):
                print(f"    {pathlib.Path(words[0]).name:22} {place}")
        else:
            print(line)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="only these")
    parser.add_argument("--record", action="store_true",
                        help="write what is measured to recorded.txt")
    parser.add_argument("--where", action="store_true",
                        help="show who allocates in the cases, instead")
    parser.add_argument("--driver", type=pathlib.Path, default=DRIVER, metavar="FILE",
                        help="of another build than build/")
    return parser.parse_args()


def main():
    options = parse_arguments()
    driver = options.driver.resolve()
    cases = list_cases(driver)
    names = options.cases or list(cases)
    recorded, measured, faults = read_record(), {}, []

    if options.where:
        for name in names:
            print(f"== {name}, allocations of {cases[name][0]} operations")
            show_where(driver, name)
        return
    print(f"{'':20} {'instructions a unit':>31} {'allocations an operation':>22}")
    print(f"{'case':20} {'recorded':>11} {'measured':>11} {'change':>8}"
          f" {'recorded':>10} {'measured':>10}")
    with tempfile.TemporaryDirectory() as directory:
        for name in names:
            operations, units = cases[name]
            instructions, allocations = count(driver, name, directory)
            measured[name] = (round(instructions / operations / units, 1),
                              round(allocations / operations, 3))
            change, wrong = judge(name, recorded.get(name), measured[name])
            show(name, recorded.get(name), measured[name], change)
            if wrong:
                faults.append(f"{name} {wrong}")
    if options.record:
        write_record({name: measured.get(name, recorded.get(name)) for name in cases
                      if name in measured or name in recorded})
    elif faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
