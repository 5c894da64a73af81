"""A Redis Cluster as compose/ and k8s/ make one: real redis-servers, started by their script redis-node
and put together by redis-cluster-create, each at an address of its own of the loopback."""

import pathlib
import shutil
import subprocess

import programs

SLOTS = 16384


def pick_port():
    """One that has room for the port of the cluster's bus, 10000 above."""
    while (port := programs.free_port()) > 55000:
        pass
    return port


class RedisNodes:
    """`scripts`: the directory of both; `conf`: the path of the configuration, whose relative paths are
    the node's; `user`: who does it, with a file of the password, or the default user; `words`: more for
    redis-server. Ended with the block."""

    def __init__(self, directory, scripts, conf, count=6, user=None, password="s3cret", words=(),
                 password_file=None):
        self.dir, self.scripts = pathlib.Path(directory), pathlib.Path(scripts)
        self.conf, self.count, self.user, self.password = conf, count, user, password
        self.words, self.port, self.net = list(words), pick_port(), 1
        self.password_file = password_file
        self.running = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for i in list(self.running):
            self.kill(i)

    def address(self, i):
        return f"127.0.{self.net}.{i + 1}"

    def hosts(self):
        return [f"{self.address(i)}:{self.port}" for i in range(self.count)]

    def environment(self, **more):
        mine = {"REDISCLI_AUTH": self.password}
        if self.user:
            mine = {"NODE_USER": self.user, "NODE_PASSWORD_FILE": str(self.password_file)}
        return {"NODE_PORT": str(self.port), **mine, **more}

    def start(self, i):
        place = self.dir / f"node-{i}"
        place.mkdir(exist_ok=True)
        node = programs.Program(
            ["sh", self.scripts / "redis-node", "--dir", place, "--bind", self.address(i),
             "--repl-diskless-sync-delay", "0", *self.words],
            self.environment(NODE_CONF=str(self.conf), NODE_PEERS=" ".join(self.hosts()),
                             NODE_NAME=self.address(i), NODE_ADDRESS=self.address(i)),
            self.dir / f"node-{i}.log")
        self.running[i] = node
        node.__enter__()

    def start_all(self):
        for i in range(self.count):
            self.start(i)

    def kill(self, i):
        self.running.pop(i).__exit__(None, None, None)

    def forget(self, i):
        """What it had on its disk."""
        shutil.rmtree(self.dir / f"node-{i}")

    def begin_create(self, log):
        return programs.Program(
            ["sh", self.scripts / "redis-cluster-create"],
            self.environment(CLUSTER_NODES=" ".join(self.hosts()), CLUSTER_WAIT_SECS="60"), log)

    def create(self):
        """What it says; it must end well."""
        log = self.dir / "create.log"
        with self.begin_create(log) as run:
            if run.wait(90) != 0:
                logs = "".join(path.read_text()[-500:] for path in self.dir.glob("node-*.log"))
                raise AssertionError(run.log() + logs)
            return run.log()

    def ask(self, i, *words):
        user = ["--user", self.user] if self.user else []
        return subprocess.run(
            ["redis-cli", "-e", "-h", self.address(i), "-p", str(self.port), *user, *words],
            capture_output=True, text=True, env={"REDISCLI_AUTH": self.password,
                                                 "PATH": "/usr/bin:/bin"}).stdout.strip()

    def masters(self):
        """{id: (first slot, last slot)} of those with slots, and {id: master's id} of replicas, as node 0
        knows them."""
        masters, replicas = {}, {}
        for line in self.ask(0, "cluster", "nodes").splitlines():
            words = line.split()
            if "fail" in words[2] or "noaddr" in words[2]:
                continue
            if "slave" in words[2]:
                replicas[words[0]] = words[3]
            elif len(words) > 8:
                masters[words[0]] = tuple(int(slot) for slot in words[8].split("-"))
        return masters, replicas

    def is_well(self, i):
        return "cluster_state:ok" in self.ask(i, "cluster", "info")

    def url(self, user="", password=None):
        return f"redis+cluster://{user}:{password or self.password}@" + ",".join(self.hosts()[:3])
