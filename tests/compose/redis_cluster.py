#!/usr/bin/python3
"""The Redis Cluster of docker-compose.yml with its real scripts and configuration, and without an engine:
it is made once, also when it was ended half-way, for a node that has lost its disk, and it finds itself
again where all addresses have changed. A gateway and the admin service work on it.

ROOMCAST_BIN is where the programs are.
"""

import contextlib
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

import programs  # noqa: E402
from redis_nodes import SLOTS, RedisNodes  # noqa: E402


class Cluster(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="roomcast-compose-")
        self.addCleanup(directory.cleanup)
        self.dir = pathlib.Path(directory.name)
        self.nodes = RedisNodes(self.dir, ROOT / "compose", self.write_conf())
        self.addCleanup(self.nodes.__exit__)

    def write_conf(self):
        """As it is mounted, but for where."""
        text = (ROOT / "compose" / "redis-cluster.conf").read_text()
        self.assertEqual(text.count("/etc/redis/redis.conf"), 1)
        path = self.dir / "redis-cluster.conf"
        path.write_text(text.replace("/etc/redis/redis.conf", str(ROOT / "compose/redis.conf")))
        return path

    def expect_three_and_three(self):
        def is_so():  # what one node says takes a second to get to another
            masters, replicas = self.nodes.masters()
            slots = sum(last - first + 1 for first, last in masters.values())
            return (len(masters) == 3 and slots == SLOTS
                    and sorted(replicas.values()) == sorted(masters))

        programs.wait_until("there are three masters with a replica each", is_so)

    def arguments(self):
        """Of the shells that go on making nodes known, and of the servers."""
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):  # it has ended
                line = path.read_bytes()
                if str(self.dir).encode() in line or b"redis-node" in line:
                    yield line

    def expect_no_password_in_arguments(self):
        """Redis rewrites its own once it has begun."""
        self.assertGreater(len(list(self.arguments())), 0)
        programs.wait_until("no argument has the password", lambda: not any(
            b"s3cret" in line for line in self.arguments()))

    def start(self, program, **settings):
        ports = [programs.free_port() for _ in range(2)]
        listens = (["LISTEN", "OPS_LISTEN"] if program == "gateway" else ["ADMIN_LISTEN"])
        settings |= {f"ROOMCAST_{name}": f"127.0.0.1:{port}"
                     for name, port in zip(listens, ports)}
        running = programs.Program([programs.path_of(program)],
                                   {"ROOMCAST_REDIS_URL": self.nodes.url(), **settings},
                                   self.dir / f"{program}.log")
        running.__enter__()
        self.addCleanup(running.__exit__)
        running.wait_for(f"{program} is ready",
                         lambda: programs.get(ports[len(listens) - 1], "/readyz") == 200)
        return ports[len(listens) - 1]

    def test_it_is_made_and_serves_and_made_once(self):
        self.nodes.start_all()
        self.expect_no_password_in_arguments()
        self.assertEqual(self.nodes.create().count("is a replica of"), 3)
        self.expect_three_and_three()
        self.start("gateway")
        self.start("admin", AUTH_TOKEN="t0ken")
        before = self.nodes.masters()
        self.assertEqual(self.nodes.create(), "the cluster is well\n")
        self.assertEqual(self.nodes.masters(), before)

    def test_one_that_was_ended_half_way_is_gone_on_with(self):
        self.nodes.start_all()
        with self.nodes.begin_create(self.dir / "half.log") as run:
            run.wait_for("the first has its slots", lambda: "is a master" in run.log())
            run.kill()
        self.nodes.create()
        self.expect_three_and_three()

    def test_a_node_without_its_disk_becomes_a_replica_again(self):
        self.nodes.start_all()
        self.nodes.create()
        self.nodes.kill(5)
        self.nodes.forget(5)
        self.nodes.start(5)
        self.assertIn("is a replica of", self.nodes.create())
        self.expect_three_and_three()

    def test_nodes_find_each_other_where_all_addresses_have_changed(self):
        self.nodes.start_all()
        self.nodes.create()
        before = self.nodes.masters()
        for i in range(6):
            self.nodes.kill(i)
        self.nodes.net = 2
        self.nodes.start_all()
        for i in range(6):
            programs.wait_until(f"node {i} is well", lambda i=i: self.nodes.is_well(i))
        self.assertEqual(set(self.nodes.masters()[0].values()), set(before[0].values()))
        self.start("gateway")


if __name__ == "__main__":
    unittest.main()
