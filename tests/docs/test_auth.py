#!/usr/bin/python3
"""The backends of docs/auth.md, as the page has them: each makes a token that a gateway takes."""

import asyncio
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import websockets

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))
from programs import Program, free_port, get, path_of, wait_until

SECRET = "of docs/auth.md, and thirty-two bytes at least"
PATIENCE_SECS = 240  # the first Go program of a machine compiles Go's library
BACKENDS = {
    "Node": ("js", "token.mjs", ["node"]),
    "Python": ("python", "token.py", ["/usr/bin/python3"]),
    "Go": ("go", "token.go", ["go", "run"]),
}


def code_under(heading, language):
    page = (ROOT / "docs" / "auth.md").read_text()
    return re.search(rf"^### {heading}\n\n```{language}\n(.*?)^```", page, re.M | re.S)[1]


class Backends(unittest.TestCase):
    def setUp(self):
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        self.dir = pathlib.Path(stack.enter_context(
            tempfile.TemporaryDirectory(prefix="roomcast-auth-")))
        redis, self.port, ops = free_port(), free_port(), free_port()
        stack.enter_context(Program(["redis-server", "--port", redis, "--bind", "127.0.0.1",
                                     "--save", "", "--notify-keyspace-events", "Kx"]))
        stack.enter_context(Program(
            [path_of("gateway"), "--listen", f"127.0.0.1:{self.port}",
             "--ops-listen", f"127.0.0.1:{ops}",
             "--redis-url", f"redis://127.0.0.1:{redis}"],
            {"ROOMCAST_AUTH": "jwt", "ROOMCAST_JWT_SECRET": SECRET},
            self.dir / "gateway.log"))
        wait_until("the gateway is ready", lambda: get(ops, "/readyz") == 200)

    def make_token(self, name):
        language, file, words = BACKENDS[name]
        path = self.dir / file
        path.write_text(code_under(name, language))
        environment = {**os.environ, "ROOMCAST_JWT_SECRET": SECRET,
                       "GOCACHE": str(self.dir / "go"), "GO111MODULE": "off",
                       "GOFLAGS": "", "HOME": str(self.dir)}
        made = subprocess.run([*words, path], capture_output=True, text=True,
                              timeout=PATIENCE_SECS, env=environment)
        self.assertEqual(made.returncode, 0, made.stderr)
        return made.stdout.strip()

    async def talk(self, token):
        async with websockets.connect(f"ws://127.0.0.1:{self.port}/ws") as ws:
            told = []
            for request in ({"type": "auth", "token": token},
                            {"type": "join", "room": "lobby"},
                            {"type": "join", "room": "team/a"},
                            {"type": "join", "room": "elsewhere"}):
                await ws.send(json.dumps(request))
                while not told or told[-1]["type"] not in ("auth_ack", "join_ack", "error"):
                    told.append(json.loads(await ws.recv()))
                told.append({"type": ""})
            return [event for event in told if event["type"] in
                    ("auth_ack", "join_ack", "error")]

    def test_each_makes_a_token_that_is_taken(self):
        for name in BACKENDS:
            with self.subTest(name):
                auth, lobby, team, elsewhere = asyncio.run(self.talk(self.make_token(name)))
                self.assertEqual(auth["user"], "ann")
                self.assertEqual(lobby["can"], "rw")
                self.assertEqual(team["can"], "r")
                self.assertEqual(elsewhere["code"], "forbidden")


if __name__ == "__main__":
    unittest.main()
