"""k8s/ against the real programs: they know every setting and take its value, answer each
probe where it asks, and can do all they need with the component's Redis and its user."""

import asyncio
import base64
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.request

import websockets

import cluster

sys.path.insert(0, str(cluster.ROOT / "tests" / "support"))
import programs
from programs import Program, free_port, get
from redis_nodes import RedisNodes, pick_port

PROGRAMS = ("gateway", "admin")
# Each, and which port of the pod it is.
LISTENS = {"gateway": {"ROOMCAST_LISTEN": "ws", "ROOMCAST_OPS_LISTEN": "ops"},
           "admin": {"ROOMCAST_ADMIN_LISTEN": "http"}}
PASSWORD = "dev-only"  # the one in overlays/dev

SENTINELS = ",".join(f"roomcast-sentinel-{i}.roomcast-sentinel:26379" for i in range(3)) + "/roomcast"

variants = {}


def setUpModule():
    with cluster.Tree() as tree:
        assert tree.make_secrets("redis.example:6379").returncode == 0
        variants["base"] = tree.render("../base")
        variants["dev"] = tree.render("dev")
        variants["production"] = tree.render("production", ["redis"])
    with cluster.Tree() as tree:
        tree.make_secrets("roomcast-redis-cluster:6379", "redis+cluster")
        variants["on a cluster"] = tree.render("production", ["redis-cluster"])
    with cluster.Tree() as tree:
        tree.make_secrets(SENTINELS, "redis+sentinel")
        variants["behind Sentinels"] = tree.render("production", ["redis-sentinel"])


def pod_of(objects, program):
    spec = cluster.named(objects, "Deployment", f"roomcast-{program}")["spec"]["template"][
        "spec"]
    [container] = spec["containers"]
    return spec, container


def read_secret(objects, name, key):
    """What stands in overlays/dev."""
    assert objects is variants["dev"] and name in ("redis", "admin")
    return (cluster.ROOT / "k8s/overlays/dev/secrets" / key).read_text()


class Pod:
    """A program with the environment of its pod, but for ports and places."""

    def __init__(self, directory, objects, program, redis_port=1, settings=None,
                 redis_url=None):
        _, container = pod_of(objects, program)
        self.ports = {port: free_port() for port in LISTENS[program].values()}
        url = directory / "url"
        url.write_text(
            redis_url or f"redis://roomcast:{PASSWORD}@127.0.0.1:{redis_port}\n")
        token = directory / "token"
        token.write_text(f"{PASSWORD}\n")
        environment = cluster.environment(objects, container)
        environment["ROOMCAST_REDIS_URL_FILE"] = str(url)
        if "ROOMCAST_SENTINEL_PASSWORD_FILE" in environment:
            secret = directory / "sentinel-password"
            if not secret.exists():
                secret.write_text(f"{PASSWORD}\n")
            environment["ROOMCAST_SENTINEL_PASSWORD_FILE"] = str(secret)
        if program == "admin":
            environment["AUTH_TOKEN_FILE"] = str(token)
            environment["ROOMCAST_CONSOLE_DIR"] = str(directory)
        for variable, port in LISTENS[program].items():
            environment[variable] = f"127.0.0.1:{self.ports[port]}"
        self.program = Program([programs.path_of(program)], {**environment, **(settings or {})},
                               directory / f"{program}.log")
        self.container = container

    def status(self, probe):
        action = self.container[probe]["httpGet"]
        return get(self.ports[action["port"]], action["path"])


class Settings(unittest.TestCase):
    def each(self):
        for objects in variants.values():
            for program in PROGRAMS:
                yield objects, program

    def test_the_program_knows_each_setting(self):
        for objects, program in self.each():
            settings = cluster.environment(objects, pod_of(objects, program)[1])
            self.assertLessEqual(settings.keys(), programs.defaults(program).keys())

    def test_ports_are_those_at_which_the_program_listens(self):
        for objects, program in self.each():
            _, container = pod_of(objects, program)
            known = {**programs.defaults(program), **cluster.environment(objects, container)}
            numbers = {port["name"]: port["containerPort"] for port in container["ports"]}
            self.assertEqual(
                {port: int(known[variable].rpartition(":")[2])
                 for variable, port in LISTENS[program].items()}, numbers)
            for variable in LISTENS[program]:
                self.assertTrue(known[variable].startswith("0.0.0.0:"))

    def test_the_program_starts_with_its_settings_and_is_alive_without_redis(self):
        for objects, program in self.each():
            with tempfile.TemporaryDirectory() as directory:
                pod = Pod(pathlib.Path(directory), objects, program, free_port())
                with pod.program:
                    pod.program.wait_for("it is started",
                                         lambda: pod.status("startupProbe") == 200)
                    self.assertEqual(pod.status("livenessProbe"), 200)
                    self.assertEqual(pod.status("readinessProbe"), 503)

    def test_a_value_that_it_does_not_take_would_be_seen(self):
        with tempfile.TemporaryDirectory() as directory:
            pod = Pod(pathlib.Path(directory), variants["dev"], "gateway",
                      settings={"ROOMCAST_DRAIN_SECS": "99999"})
            with pod.program:
                self.assertEqual(pod.program.wait(), 2)
            self.assertIn("ROOMCAST_DRAIN_SECS", pod.program.log())

    def test_images_are_of_the_version_that_the_programs_tell(self):
        for program in PROGRAMS:
            told = subprocess.run([programs.path_of(program), "--version"], check=True,
                                  capture_output=True, text=True).stdout.split()[1]
            self.assertEqual(told, cluster.version())

    def test_memory_suffices_for_what_settings_allow(self):
        """Queues, and 8 KiB a connection: 1.2 in the process, the rest in the kernel."""
        for objects, program in self.each():
            if program == "gateway":
                _, container = pod_of(objects, program)
                settings = cluster.environment(objects, container)
                need = (int(settings["ROOMCAST_QUEUES_MAX_BYTES"])
                        + 8192 * int(settings["ROOMCAST_MAX_CONNECTIONS"]))
                self.assertGreater(cluster.amount(container["resources"]["limits"]["memory"]),
                                   need)


class Talk(unittest.TestCase):
    """What people and operators do, with a gateway and an admin service."""

    def enter(self, context):
        value = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return value

    def ask(self, pod, method, path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{pod.ports['http']}/api{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {PASSWORD}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    async def converse(self, port, admin):
        async with websockets.connect(f"ws://127.0.0.1:{port}/ws") as ann:
            async def until(kind):
                while (event := json.loads(await asyncio.wait_for(ann.recv(), 10)))[
                        "type"] != kind:
                    self.assertNotEqual(event["type"], "error")

            async def ask(*words):
                return await asyncio.to_thread(self.ask, admin, *words)

            await ann.send('{"type":"join","room":"lobby","user":"ann"}')
            await until("history_batch")
            await ann.send('{"type":"message","room":"lobby","text":"hi","key":"k"}')
            await until("message_ack")
            for request in ("get_members", "get_history"):
                await ann.send(json.dumps({"type": request, "room": "lobby"}))
            await until("history_batch")
            for path in ("/rooms", "/rooms?search=lob", "/rooms/lobby/members",
                         "/rooms/lobby/messages", "/users/ann", "/gateways", "/stats",
                         "/stats/online", "/audit", "/rooms/lobby/bans"):
                await ask("GET", path)
            await ask("POST", "/rooms/lobby/messages", {"user": "eve", "text": "be kind"})
            await ask("POST", "/rooms/lobby/mute/ann", {"secs": 60})
            await ask("DELETE", "/rooms/lobby/mute/ann")
            await ask("DELETE", "/rooms/lobby/messages/1")
            await until("message_deleted")
            await ask("POST", "/rooms/lobby/kick/ann", {"ban_secs": 60})
            await until("kicked")
            await ann.send('{"type":"join","room":"hall","user":"ann"}')
            await until("history_batch")
            await ask("POST", "/rooms/hall/close", {})
            await until("room_closed")
            await ann.send('{"type":"join","room":"hall","user":"ann"}')
            await until("history_batch")
            await ask("POST", "/users/ann/disconnect")
            await asyncio.wait_for(ann.wait_closed(), 10)


class WithRedis(Talk):
    """redis.conf of the component, with the user of the overlay dev."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="roomcast-k8s-")
        self.addCleanup(directory.cleanup)
        self.dir = pathlib.Path(directory.name)
        self.objects = variants["dev"]
        self.redis_port = free_port()
        self.redis = self.enter(Program(["redis-server", self.write_config()],
                                        log=self.dir / "redis.log"))
        self.redis.wait_for("Redis answers", lambda: self.probe_redis() == 0)

    def write_config(self):
        text = cluster.named(self.objects, "ConfigMap", "roomcast-redis")["data"]["redis.conf"]
        (self.dir / "users.acl").write_text(read_secret(self.objects, "redis", "users.acl"))
        for was, now in (("port 6379", f"port {self.redis_port}\nbind 127.0.0.1"),
                         ("dir /data", f"dir {self.dir}"),
                         ("/run/secrets/roomcast-redis", str(self.dir))):
            self.assertEqual(text.count(was), 1)
            text = text.replace(was, now)
        path = self.dir / "redis.conf"
        path.write_text(text)
        return path

    def probe_redis(self):
        """The readiness probe's command."""
        [container] = cluster.named(self.objects, "StatefulSet", "roomcast-redis")["spec"][
            "template"]["spec"]["containers"]
        words = container["readinessProbe"]["exec"]["command"]
        return subprocess.run([words[0], "-p", str(self.redis_port), *words[1:]],
                              capture_output=True).returncode

    def start(self, program, **settings):
        pod = Pod(self.dir, self.objects, program, self.redis_port, settings)
        self.enter(pod.program)
        pod.program.wait_for(f"{program} is ready",
                             lambda: pod.status("readinessProbe") == 200)
        return pod

    def test_nobody_gets_at_data_without_the_password(self):
        done = subprocess.run(["redis-cli", "-p", str(self.redis_port), "-e", "get", "x"],
                              capture_output=True, text=True)
        self.assertIn("NOPERM", done.stdout + done.stderr)

    def test_a_conversation_and_its_moderation_need_no_other_right(self):
        gateway, admin = self.start("gateway"), self.start("admin")
        asyncio.run(self.converse(gateway.ports["ws"], admin))
        for pod in (gateway, admin):
            self.assertNotIn("NOPERM", pod.program.log())

    def test_sigterm_closes_the_door_at_once_and_so_the_pod_waits_before(self):
        gateway = self.start("gateway", ROOMCAST_DRAIN_SECS="2")
        with socket.create_connection(("127.0.0.1", gateway.ports["ws"])):
            gateway.program.terminate()

            def is_refused():
                try:
                    socket.create_connection(("127.0.0.1", gateway.ports["ws"])).close()
                    return False
                except ConnectionRefusedError:
                    return True

            programs.wait_until("new connections are refused", is_refused)
            self.assertEqual(gateway.status("livenessProbe"), 200)
            self.assertEqual(gateway.status("readinessProbe"), 503)
        self.assertEqual(gateway.program.wait(), 0)

    def test_the_admin_service_ends_within_its_time(self):
        admin = self.start("admin")
        spec, container = pod_of(self.objects, "admin")
        admin.program.terminate()
        self.assertEqual(
            admin.program.wait(spec["terminationGracePeriodSeconds"]
                               - container["lifecycle"]["preStop"]["sleep"]["seconds"]), 0)


class WithNodes(Talk):
    """One of the components with several Redis: its scripts, redis.conf and users, on real servers at addresses
    of their own."""

    def prepare(self, objects, config, *keys):
        directory = tempfile.TemporaryDirectory(prefix="roomcast-k8s-")
        self.addCleanup(directory.cleanup)
        self.dir = pathlib.Path(directory.name)
        self.objects = objects
        for key in ("users.acl", "node-password", *keys):
            (self.dir / key).write_text(self.read_secret(key))
        text = cluster.named(objects, "ConfigMap", config)["data"]["redis.conf"]
        for was, now in (("port 6379", ""), ("dir /data", ""),
                         ("/run/secrets/roomcast-redis", str(self.dir))):
            self.assertEqual(text.count(was), 1)
            text = text.replace(was, now)
        self.conf = self.dir / "redis.conf"
        self.conf.write_text(text)

    def read_secret(self, key):
        data = cluster.named(self.objects, "Secret", "roomcast-redis")["data"]
        return base64.b64decode(data[key]).decode().strip()

    def start(self, program, **settings):
        pod = Pod(self.dir, self.objects, program, settings=settings, redis_url=self.url())
        self.enter(pod.program)
        pod.program.wait_for(f"{program} is ready",
                             lambda: pod.status("readinessProbe") == 200)
        return pod

    def is_whole(self, gateway):
        """It would be ready without some shards, too, and name these."""
        url = f"http://127.0.0.1:{gateway.ports['ops']}/readyz"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read() == b"ready\n"
        except OSError:
            return False

    def talk(self):
        """The gateway, after a conversation in which nothing was refused."""
        gateway, admin = self.start("gateway"), self.start("admin")
        asyncio.run(self.converse(gateway.ports["ws"], admin))
        for pod in (gateway, admin):
            refused = [line for line in pod.program.log().splitlines() if "NOPERM" in line]
            # It asks for settings of a cluster, only to warn of them.
            self.assertEqual([line for line in refused if "'config|get'" not in line], [])
        return gateway


class WithRedisCluster(WithNodes):
    """The component redis-cluster."""

    def setUp(self):
        self.prepare(variants["on a cluster"], "roomcast-redis-cluster")
        self.nodes = self.enter(RedisNodes(
            self.dir, cluster.ROOT / "k8s/components/redis-cluster", self.conf,
            user="node", password=self.read_secret("node-password"),
            password_file=self.dir / "node-password"))

    def url(self):
        """The Secret's, but for where."""
        host = "roomcast-redis-cluster:6379"
        url = self.read_secret("url")
        self.assertTrue(url.endswith(f"@{host}"), url)
        return url.replace(host, ",".join(self.nodes.hosts()[:2]))

    def test_it_is_made_and_takes_a_conversation_and_a_failover(self):
        self.nodes.start_all()
        self.assertEqual(self.nodes.create().count("is a replica of"), 3)
        gateway = self.talk()
        gone = self.nodes.ask(1, "cluster", "myid")
        self.nodes.kill(1)
        programs.wait_until("a replica has taken over",
                            lambda: gone not in (found := self.nodes.masters()[0])
                            and len(found) == 3)
        programs.wait_until("the gateway has all shards", lambda: self.is_whole(gateway))
        self.nodes.start(1)
        self.assertEqual(self.nodes.create(), "the cluster is well\n")


class WithSentinels(WithNodes):
    """The component redis-sentinel."""

    def setUp(self):
        self.prepare(variants["behind Sentinels"], "roomcast-redis-failover", "sentinel-password")
        self.port, self.sentinel_port = pick_port(), free_port()
        self.running = {}
        self.addCleanup(self.kill_all)

    def redis(self, i):
        return f"127.0.5.{i + 1}"

    def sentinels(self):
        return [f"127.0.6.{i + 1}:{self.sentinel_port}" for i in range(3)]

    def url(self):
        url = self.read_secret("url")
        self.assertTrue(url.endswith(f"@{SENTINELS}"), url)
        return url.replace(SENTINELS, ",".join(self.sentinels()) + "/roomcast")

    def launch(self, workload, i, address, port, more, words):
        """A pod of it; its files are where those of the test are."""
        [container] = cluster.named(self.objects, "StatefulSet", workload)["spec"]["template"][
            "spec"]["containers"]
        script = container["command"][1].replace(
            "/etc/roomcast", str(cluster.ROOT / "k8s/components/redis-sentinel"))
        place = self.dir / f"{workload}-{i}"
        place.mkdir(exist_ok=True)
        conf = self.dir / f"{workload}-{i}.conf"  # of a ConfigMap, which Redis cannot rewrite
        shutil.copy(self.conf, conf)
        settings = {name: value.replace("/run/secrets/roomcast-redis", str(self.dir))
                    .replace("/etc/redis/redis.conf", str(conf))
                    for name, value in cluster.environment(self.objects, container).items()}
        program = Program(["sh", script, "--bind", address, *words],
                          {**settings, "NODE_NAME": address, "NODE_PORT": str(port),
                           "NODE_DATA": str(place), **more}, self.dir / f"{workload}-{i}.log")
        program.__enter__()
        self.running[address] = program

    def start_redis(self, i):
        place = self.dir / f"roomcast-redis-failover-{i}"
        self.launch("roomcast-redis-failover", i, self.redis(i), self.port,
                    {"NODE_FIRST": self.redis(0), "NODE_SENTINELS": " ".join(self.sentinels())},
                    ["--dir", str(place), "--repl-diskless-sync-delay", "0"])

    def start_all(self):
        for i in range(3):
            self.start_redis(i)
            self.launch("roomcast-sentinel", i, f"127.0.6.{i + 1}", self.sentinel_port,
                        {"NODE_FIRST": f"{self.redis(0)}:{self.port}"}, [])

    def kill(self, address):
        self.running.pop(address).__exit__(None, None, None)

    def kill_all(self):
        for address in list(self.running):
            self.kill(address)

    def ask_redis(self, host, port, user, key, *words):
        return subprocess.run(
            ["redis-cli", "-h", host, "-p", str(port), *user, *words], capture_output=True,
            text=True, env={"REDISCLI_AUTH": self.read_secret(key),
                            "PATH": "/usr/bin:/bin"}).stdout.split()

    def role(self, i):
        return self.ask_redis(self.redis(i), self.port, ["--user", "node"], "node-password", "role")[:1]

    def names(self):
        """The masters that the Sentinels name."""
        answers = [self.ask_redis(f"127.0.6.{i + 1}", self.sentinel_port, [], "sentinel-password",
                            "sentinel", "get-master-addr-by-name", "roomcast")[:1]
                   for i in range(3)]
        return [answer[0] for answer in answers if answer]

    def knows_all(self, i):
        words = self.ask_redis(f"127.0.6.{i + 1}", self.sentinel_port, [], "sentinel-password",
                         "info", "sentinel")
        return any("slaves=2,sentinels=3" in word for word in words)

    def wait_well(self):
        for i in range(3):
            programs.wait_until(f"Sentinel {i} knows all", lambda i=i: self.knows_all(i))

    def test_it_takes_a_conversation_and_a_failover_and_goes_on_where_it_was(self):
        self.start_all()
        self.wait_well()
        self.assertEqual([self.role(i) for i in range(3)], [["master"], ["slave"], ["slave"]])
        gateway = self.talk()
        self.kill(self.redis(0))
        programs.wait_until("all name another master",
                            lambda: len(names := self.names()) == 3 and len(set(names)) == 1
                            and names[0] != self.redis(0))
        programs.wait_until("the gateway has gone there", lambda: self.is_whole(gateway))
        self.start_redis(0)
        programs.wait_until("the former one is a replica", lambda: self.role(0) == ["slave"])
        [master] = set(self.names())
        self.kill_all()  # all of them, and nothing of it is forgotten
        self.start_all()
        self.wait_well()
        self.assertEqual(set(self.names()), {master})
        for i in range(3):
            role = "master" if self.redis(i) == master else "slave"
            programs.wait_until(f"{i} is {role}", lambda i=i, role=role: self.role(i) == [role])
        programs.wait_until("the gateway is back", lambda: self.is_whole(gateway))


if __name__ == "__main__":
    unittest.main()
