"""targets.py - the systems that are measured: how each is started, and which of its
processes count. All on free ports of 127.0.0.1, each ended when its block ends.

A new system is a function here and a row in TARGETS, and a row in bench/protocol.c.
"""
import contextlib
import dataclasses
import functools
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench" / "peers"

READY_SECS = 20
# The others have no limits either, and the load generator sends as fast as it can.
NO_LIMITS = ("--requests-per-sec", "0", "--bytes-per-sec", "0")
BROADCASTER_SECS_MAX = 900


@dataclasses.dataclass(frozen=True)
class Place:
    """Where things run."""
    bin_dir: pathlib.Path
    directory: str  # for files that go away
    redis_pid: int
    redis_port: int


@dataclasses.dataclass(frozen=True)
class Server:
    port: int
    pids: list
    ops_port: int = 0


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def is_listening(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def ask_http(port, path, body=None):
    """What is answered (to a POST if there is a body), or "" if that is an error."""
    try:
        url = f"http://127.0.0.1:{port}{path}"
        with urllib.request.urlopen(url, body, timeout=2) as answer:
            return answer.read().decode()
    except OSError:
        return ""


def wait_until(process, condition, what, seconds=READY_SECS):
    end = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None:
            sys.exit(f"{what}: ended with {process.returncode} before it was so")
        if time.monotonic() > end:
            sys.exit(f"{what}: not within {seconds} s")
        time.sleep(0.02)


@contextlib.contextmanager
def running(command, **more):
    """A process of ours, ended when the block ends."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, **more)
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
        wait_until(process, lambda: is_listening(port), "redis-server is ready")
        yield process.pid, port


def ask_redis(port, *words):
    done = subprocess.run(["redis-cli", "-p", str(port), *words], check=True,
                          stdout=subprocess.PIPE, text=True, timeout=10)
    return done.stdout


@contextlib.contextmanager
def started(command, port, what, **more):
    with running(command, **more) as process:
        wait_until(process, lambda: is_listening(port), f"{what} is ready")
        yield Server(port, [process.pid])


def broadcaster(name, place):
    port = free_port()
    command = [place.bin_dir / name, str(port), str(BROADCASTER_SECS_MAX)]
    return started(command, port, name)


@contextlib.contextmanager
def gateway(place, workers=1, limits=NO_LIMITS):
    port, ops_port = free_port(), free_port()
    env = {name: value for name, value in os.environ.items()
           if not name.startswith("ROOMCAST_")}
    command = [place.bin_dir / "roomcast-gateway", "--listen", f"127.0.0.1:{port}",
               "--ops-listen", f"127.0.0.1:{ops_port}", "--workers", str(workers),
               "--redis-url", f"redis://127.0.0.1:{place.redis_port}",
               "--drain-secs", "1", "--log-level", "warn", *limits]
    with running(command, env=env) as process:
        wait_until(process, lambda: ask_http(ops_port, "/readyz"), "the gateway is ready")
        yield Server(port, [process.pid], ops_port)


def bun(place):
    port = free_port()
    command = [PEERS / "node_modules" / ".bin" / "bun", PEERS / "bun.js", str(port),
               str(place.redis_port)]
    return started(command, port, "Bun")


def socketio(place):
    port = free_port()
    command = ["node", PEERS / "socketio.js", str(port), str(place.redis_port)]
    return started(command, port, "socket.io",
                   env={**os.environ, "NODE_ENV": "production"})


def children(pid):
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()]


@contextlib.contextmanager
def nchan(place):
    """nginx: its master and its one worker."""
    port, conf = free_port(), pathlib.Path(place.directory, "nchan.conf")
    text = (PEERS / "nchan.conf").read_text()
    for word, value in (("REDIS_PORT", place.redis_port), ("PORT", port),
                        ("DIR", place.directory)):
        text = text.replace(word, str(value))
    conf.write_text(text)
    command = ["nginx", "-p", place.directory, "-c", conf, "-e", "stderr"]
    with running(command) as process:
        wait_until(process, lambda: ask_http(port, "/ready", b"ready?"), "Nchan is ready")
        yield Server(port, [process.pid, *children(process.pid)])


@dataclasses.dataclass(frozen=True)
class Target:
    protocol: str  # what roomcast-bench calls it
    start: object  # a context manager of Server, given a Place
    has_redis: bool = True


TARGETS = {
    "floor": Target("floor", functools.partial(broadcaster, "roomcast-bench-floor"),
                    has_redis=False),
    "naive": Target("naive", functools.partial(broadcaster, "roomcast-bench-naive"),
                    has_redis=False),
    "roomcast": Target("roomcast", gateway),
    "roomcast, 2 workers": Target("roomcast", functools.partial(gateway, workers=2)),
    "Bun": Target("bun", bun),
    "Nchan": Target("nchan", nchan),
    "socket.io": Target("socketio", socketio),
}
PEER_NAMES = ("Bun", "Nchan", "socket.io")


def first_line(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=20)
    return done.stdout.splitlines()[0].strip()


def peer_versions():
    """What stands behind PEER_NAMES, in words."""
    def installed(name):
        lines = (PEERS / "node_modules" / name / "package.json").read_text()
        return next(line.split('"')[3] for line in lines.splitlines()
                    if line.strip().startswith('"version"'))

    nchan_version = first_line("dpkg-query", "-W", "-f", "${Version}",
                               "libnginx-mod-nchan")
    return (f"Bun {installed('bun')}; {first_line('nginx', '-v').split()[-1]} with Nchan"
            f" {nchan_version}; socket.io {installed('socket.io')} with its Redis adapter"
            f" {installed('@socket.io/redis-adapter')} on node"
            f" {first_line('node', '--version')}")
