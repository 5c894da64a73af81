"""The real programs, for tests in Python: what --help says of each setting; running them."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

BIN = pathlib.Path(os.environ["ROOMCAST_BIN"])
PATIENCE_SECS = 30

# "--drain-secs (0 to 3600)", the help, and "default: 20; environment: ROOMCAST_DRAIN_SECS"
SETTING = re.compile(r"default: (.*?); environment: (\w+)(?:, or a file by (\w+))?$", re.M)


def path_of(program):
    return str(BIN / f"roomcast-{program}")


def defaults(program):
    """Each variable that the program knows, and its default."""
    text = subprocess.run([path_of(program), "--help"], check=True, capture_output=True,
                          text=True).stdout
    known = {}
    for default, name, file in SETTING.findall(text):
        known[name] = default
        if file:
            known[file] = "none"
    return known


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, holds):
    end = time.monotonic() + PATIENCE_SECS
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"in vain: {what}")
        time.sleep(0.02)


def get(port, path):
    """The status, or 0 where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


class Program:
    """Started with these words, ended with the block."""

    def __init__(self, words, environment=None, log=None):
        self._words, self._environment, self._log = words, environment or {}, log

    def __enter__(self):
        self._out = open(self._log, "wb") if self._log else subprocess.DEVNULL
        self._child = subprocess.Popen(
            [str(word) for word in self._words], stdout=self._out, stderr=self._out,
            stdin=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], **self._environment})
        return self

    def __exit__(self, *_):
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
        if self._log:
            self._out.close()

    def wait_for(self, what, holds):
        def look():
            if self._child.poll() is not None:
                raise AssertionError(f"{self._words[0]} ended: {self.log()}")
            return holds()

        try:
            wait_until(what, look)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from None

    def log(self):
        return pathlib.Path(self._log).read_text() if self._log else ""

    def terminate(self):
        self._child.send_signal(signal.SIGTERM)

    def kill(self):
        self._child.kill()
        self._child.wait()

    def wait(self, seconds=PATIENCE_SECS):
        return self._child.wait(timeout=seconds)
