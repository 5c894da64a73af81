#!/usr/bin/python3
"""Rehearses the images: runs the steps of the Dockerfile in bare trees of Debian, then what
came out as a container would run it.

    rehearse.py TARGET...

Needs root, debootstrap, redis-server and python3-websockets. REHEARSAL_BASE may name a tree
that debootstrap has made before, which is copied; with REHEARSAL_KEEP the trees are left.

Of each target: it runs as a user of its own, from a root file system that is read-only, in
which there is no shell; it adds less than SIZE_MAX_MB to the base and nothing with privileges;
its health check says what is true; its version is that of CMakeLists.txt. The gateway then
carries a message, the admin service its console. What an engine itself would do (layers,
cgroups, networks) is not rehearsed.
"""

import asyncio
import json
import os
import pathlib
import re
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import websockets

import dockerfile
import tree
import version

SIZE_MAX_MB = 60
PATIENCE_SECS = 30
TOKEN = "token-of-the-rehearsal"
SHELLS = ["bash", "dash", "sh", "rbash"]


def fail_unless(condition, what):
    if not condition:
        sys.exit(f"rehearse.py: {what}")


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE_SECS
    while not condition():
        fail_unless(time.monotonic() < end, f"not within {PATIENCE_SECS} s: {what}")
        time.sleep(0.05)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(url, **headers):
    """(status, text); status 0: nobody answers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as a:
            return a.status, a.read().decode(errors="replace")
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode(errors="replace")
    except OSError:
        return 0, ""


# ---- what it is ----


def check_image(name, image, base):
    uid = image.user.split(":")[0]
    fail_unless(uid.isdigit() and int(uid) > 0, f"{name}: USER {image.user} is no number")
    fail_unless(image.entrypoint, f"{name}: no ENTRYPOINT")
    label = image.labels.get("org.opencontainers.image.version")
    fail_unless(label == version.read(), f"{name}: the label says version {label}")
    for word in ("title", "description", "licenses"):
        fail_unless(
            image.labels.get(f"org.opencontainers.image.{word}"), f"{name}: no label {word}"
        )
    size = 0
    for path, st in tree.added_files(image, base):
        inside = path.relative_to(image.tree)
        size += st.st_size if stat.S_ISREG(st.st_mode) else 0
        if stat.S_ISLNK(st.st_mode):
            continue
        fail_unless(not st.st_mode & (stat.S_ISUID | stat.S_ISGID), f"{name}: /{inside} is setuid")
        fail_unless(not st.st_mode & stat.S_IWOTH, f"{name}: /{inside}: anybody may write it")
        fail_unless(st.st_uid != int(uid), f"{name}: /{inside} belongs to the program's user")
        fail_unless("security.capability" not in os.listxattr(path), f"{name}: /{inside} may more")
    mb = size / 1e6
    print(f"{name}: {mb:.1f} MB beyond the base, of {SIZE_MAX_MB}")
    fail_unless(0 < mb < SIZE_MAX_MB, f"{name}: {mb:.1f} MB beyond the base")


def remove_shells(image):
    """None is needed: what follows runs without."""
    for directory in ("bin", "usr/bin"):
        for shell in SHELLS:
            (image.tree / directory / shell).unlink(missing_ok=True)


def check_version(name, image):
    said = image.start(
        [*image.entrypoint, "--version"], stdout=subprocess.PIPE, text=True
    ).communicate(timeout=PATIENCE_SECS)[0]
    program = pathlib.Path(image.entrypoint[0]).name
    fail_unless(said == f"{program} {version.read()}\n", f"{name}: --version says {said!r}")


# ---- how it runs ----


def is_well(image, env):
    return image.start(image.healthcheck, env, stderr=subprocess.DEVNULL).wait(PATIENCE_SECS) == 0


def check_process(name, image, process):
    """Who it is and what it may, as the kernel says."""
    uid = image.user.split(":")[0]
    proc = pathlib.Path("/proc", str(process.pid))
    program = os.readlink(proc / "exe")
    fail_unless(program.endswith(image.entrypoint[0]), f"{name}: {program} runs")
    status = dict(
        line.split(":\t", 1) for line in (proc / "status").read_text().splitlines() if ":\t" in line
    )
    fail_unless(status["Uid"].split() == [uid] * 4, f"{name}: runs as {status['Uid']}")
    fail_unless(int(status["CapEff"], 16) == 0, f"{name}: has capabilities")
    fail_unless(status["NoNewPrivs"] == "1", f"{name}: may gain privileges")
    mounts = [line.split() for line in (proc / "mountinfo").read_text().splitlines()]
    roots = [mount[5].split(",") for mount in mounts if mount[4] == "/"]
    fail_unless(roots and "ro" in roots[-1], f"{name}: its root can be written")


def stop(name, process):
    process.terminate()
    status = process.wait(PATIENCE_SECS)
    fail_unless(status == 0, f"{name}: ends with {status} after SIGTERM")


class Redis:
    def __init__(self, directory):
        self.port = free_port()
        self.process = subprocess.Popen(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port),
             "--save", "", "--dir", directory],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self.url = f"redis://127.0.0.1:{self.port}"


async def converse(port):
    """Two join a room; what the one says the other hears."""
    url = f"ws://127.0.0.1:{port}/ws"
    async with websockets.connect(url) as ann, websockets.connect(url) as bob:
        for client, user in ((ann, "ann"), (bob, "bob")):
            await client.send(json.dumps({"type": "join", "room": "lobby", "user": user}))
            await hear(client, "join_ack")
        await ann.send(json.dumps({"type": "message", "room": "lobby", "text": "hello"}))
        heard = await hear(bob, "message")
        fail_unless(heard["text"] == "hello", f"bob hears {heard}")


async def hear(client, kind):
    while True:
        event = json.loads(await asyncio.wait_for(client.recv(), PATIENCE_SECS))
        if event["type"] == kind:
            return event


def check_gateway(image, redis):
    port, ops = free_port(), free_port()
    env = {
        "ROOMCAST_LISTEN": f"127.0.0.1:{port}",
        "ROOMCAST_OPS_LISTEN": f"127.0.0.1:{ops}",
        "ROOMCAST_REDIS_URL": redis.url,
        "ROOMCAST_DRAIN_SECS": "1",
    }
    fail_unless(not is_well(image, env), "gateway: well before it runs")
    process = image.start(image.entrypoint, env)
    wait_until(lambda: get(f"http://127.0.0.1:{ops}/readyz")[0] == 200, "the gateway is ready")
    check_process("gateway", image, process)
    fail_unless(is_well(image, env), "gateway: it runs, and its health check fails")
    asyncio.run(converse(port))
    stop("gateway", process)
    fail_unless(not is_well(image, env), "gateway: well after its end")


def check_admin(image, redis):
    port = free_port()
    env = {
        "ROOMCAST_ADMIN_LISTEN": f"127.0.0.1:{port}",
        "ROOMCAST_REDIS_URL": redis.url,
        "AUTH_TOKEN": TOKEN,
    }
    url = f"http://127.0.0.1:{port}"
    fail_unless(not is_well(image, env), "admin: well before it runs")
    process = image.start(image.entrypoint, env)
    wait_until(lambda: get(f"{url}/readyz")[0] == 200, "the admin service is ready")
    check_process("admin", image, process)
    fail_unless(is_well(image, env), "admin: it runs, and its health check fails")
    status, page = get(f"{url}/")
    script = re.search(r'src="(/assets/[^"]+\.js)"', page)
    fail_unless(status == 200 and script, "admin: the console is not there")
    fail_unless(get(url + script.group(1))[0] == 200, f"admin: no {script.group(1)}")
    status, rooms = get(f"{url}/api/rooms", Authorization=f"Bearer {TOKEN}")
    fail_unless(status == 200 and "lobby" in rooms, f"admin: /api/rooms says {status} {rooms}")
    stop("admin", process)


CHECKS = {"gateway": check_gateway, "admin": check_admin}


def rehearse(targets, directory):
    began = time.monotonic()

    def tell(what):
        print(f"{time.monotonic() - began:4.0f} s  {what}", flush=True)

    tell("the base")
    base = tree.make_base(directory / "base")
    context = tree.make_context(version.ROOT, directory / "context")
    stages = dockerfile.read(version.ROOT / "Dockerfile")
    images = tree.Images(stages, context, base, directory)
    for name in targets:
        tell(name)
        check_image(name, images.get(name), base)
    tell("they run")
    redis = Redis(directory)
    try:
        for name in targets:
            image = images.get(name)
            remove_shells(image)
            check_version(name, image)
            if name in CHECKS:
                CHECKS[name](image, redis)
    finally:
        redis.process.terminate()
        redis.process.wait()
    tell("all is well")


def main():
    if os.geteuid() != 0:
        sys.exit("rehearse.py: needs root, for chroot and mounts")
    if "REHEARSAL" not in os.environ:
        # Every mount below ends with this process.
        os.environ["REHEARSAL"] = "yes"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private",
                              sys.executable, *sys.argv])  # fmt: skip
    directory = tempfile.mkdtemp(prefix="roomcast-image.")
    os.chmod(directory, 0o755)
    try:
        rehearse(sys.argv[1:], pathlib.Path(directory))
    finally:
        if "REHEARSAL_KEEP" in os.environ:
            print(f"the trees are in {directory}")
        else:
            # Never into what is still mounted, whatever went wrong before.
            subprocess.run(["rm", "-rf", "--one-file-system", directory], check=True)


if __name__ == "__main__":
    main()
