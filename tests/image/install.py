#!/usr/bin/python3
"""Installs a build into a new directory and proves that what is there works from there.

    install.py BUILD DIR         DIR is made, and removed when all is well
"""

import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import version

ROOT = version.ROOT
PATIENCE_SECS = 30

# All of it, but for the contents of these.
FILES = {
    "bin/roomcast-gateway",
    "bin/roomcast-admin",
    "share/roomcast/monitoring/prometheus.yml",
    "share/roomcast/monitoring/alerts.yml",
    "share/doc/roomcast/LICENSE",
    "share/doc/roomcast/README.md",
    "share/doc/roomcast/CHANGELOG.md",
    "share/doc/roomcast/docs/protocol.md",
}
PLACES = ("share/roomcast/console/", "share/roomcast/monitoring/", "share/doc/roomcast/docs/")
# The terminal client's, where it is built.
MAY = {"bin/roomcast", "share/man/man1/roomcast.1"}


def fail_unless(condition, what):
    if not condition:
        sys.exit(f"install.py: {what}")


def install(build, prefix, *more):
    done = subprocess.run(
        ["cmake", "--install", build, "--prefix", prefix, *more], capture_output=True, text=True
    )
    fail_unless(done.returncode == 0, done.stderr)


def files_of(prefix):
    return {path.relative_to(prefix).as_posix() for path in prefix.rglob("*") if path.is_file()}


def check_files(prefix):
    found = files_of(prefix)
    fail_unless(FILES <= found, f"not installed: {sorted(FILES - found)}")
    more = {name for name in found - FILES - MAY if not name.startswith(PLACES)}
    fail_unless(not more, f"installed too: {sorted(more)}")


def check_components(build, directory):
    """Each image takes one."""
    for part in ("gateway", "admin"):
        prefix = directory / part
        install(build, prefix, "--component", part, "--strip")
        found = {name for name in files_of(prefix) if not name.startswith(PLACES)}
        fail_unless(found == {f"bin/roomcast-{part}"}, f"component {part}: {sorted(found)}")
        sections = subprocess.run(
            ["readelf", "-S", prefix / f"bin/roomcast-{part}"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        fail_unless(".debug_info" not in sections, f"component {part}: is not stripped")


def check_versions(prefix):
    for path in sorted((prefix / "bin").iterdir()):
        said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
        fail_unless(said == f"{path.name} {version.read()}\n", f"{path.name} says {said!r}")


def check_console(prefix, directory):
    """The admin service finds it beside itself, wherever it is started."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with open(directory / "admin.log", "w+") as log:
        process = subprocess.Popen(
            [prefix / "bin/roomcast-admin"],
            cwd=directory, stderr=log,
            env={"AUTH_TOKEN": "t", "ROOMCAST_ADMIN_LISTEN": f"127.0.0.1:{port}",
                 "ROOMCAST_REDIS_URL": "redis://127.0.0.1:1"},
        )  # fmt: skip
        try:
            page = wait_for_page(process, f"http://127.0.0.1:{port}/")
        finally:
            process.terminate()
            process.wait(PATIENCE_SECS)
    fail_unless(re.search(r'src="/assets/', page), "roomcast-admin does not find its console")


def wait_for_page(process, url):
    end = time.monotonic() + PATIENCE_SECS
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            time.sleep(0.05)
    sys.exit("install.py: roomcast-admin does not answer")


def main():
    build, directory = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    prefix = directory / "all"
    install(build, prefix)
    check_files(prefix)
    check_versions(prefix)
    check_components(build, directory)
    if (ROOT / "frontend/dist/index.html").exists():
        check_console(prefix, directory)
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
