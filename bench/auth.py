#!/usr/bin/python3
"""What tokens cost a gateway: how many a core verifies, the CPU of a connect with a token and a join, to
one without a token, and the memory of a connection that stays idle.

    bench/auth.py [--rounds N] [--connections N]

All join one room, each as a user of its own. Each round has every form once, one after the other, on gateways of one worker that run all the time; the
ratios are of one round, and their median is told. CPU is what the gateway's threads were given
(schedstat), so other work on the machine counts only by what it does to the caches. Memory is told by
gateways of their own: the private memory that the first connections added, to their number.

Everything runs on free ports of 127.0.0.1, and is ended with the program. Needs the release build,
redis-server, redis-cli and openssl.
"""
import argparse
import base64
import contextlib
import hmac
import json
import os
import pathlib
import re
import socket
import statistics
import struct
import subprocess
import tempfile
import time

from targets import ROOT, ask_http, free_port, is_listening, running, wait_until

BIN = ROOT / "build" / "bin"
SECRET = "the secret of this measurement, which nobody needs"
ISSUER = "https://issuer.example"
BATCH = 50
FORMS = ("none", "HS256", "RS256", "ES256", "EdDSA")
LIMITS = {"HS256": 1.10, "RS256": 1.5}


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# ---- keys and tokens ----

class Key:
    """A pair of openssl's; `jwk` is the public half."""

    MAKE = {
        "RS256": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        "ES256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        "EdDSA": ["-algorithm", "ED25519"],
    }

    def __init__(self, alg, directory):
        self.alg, self.path = alg, directory / f"{alg}.pem"
        subprocess.run(["openssl", "genpkey", *self.MAKE[alg], "-out", self.path], check=True,
                       capture_output=True)
        der = subprocess.run(["openssl", "pkey", "-in", self.path, "-pubout", "-outform", "DER"],
                             check=True, capture_output=True).stdout
        self.jwk = {"kid": alg, **self.public(der)}

    def public(self, der):
        if self.alg == "EdDSA":
            return {"kty": "OKP", "crv": "Ed25519", "x": encode(der[-32:])}
        if self.alg == "ES256":
            return {"kty": "EC", "crv": "P-256", "x": encode(der[-64:-32]),
                    "y": encode(der[-32:])}
        text = subprocess.run(["openssl", "rsa", "-in", self.path, "-noout", "-modulus"],
                              check=True, capture_output=True, text=True).stdout
        return {"kty": "RSA", "n": encode(bytes.fromhex(text.strip().partition("=")[2])),
                "e": "AQAB"}

    def sign(self, data, directory):
        (directory / "data").write_bytes(data)
        how = ["-rawin"] if self.alg == "EdDSA" else ["-rawin", "-digest", "sha256"]
        made = subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", self.path, *how,
                               "-in", directory / "data"], check=True,
                              capture_output=True).stdout
        return raw_of(made) if self.alg == "ES256" else made


def user_of(i):
    return f"user-{i}"


def raw_of(der):
    """Two numbers of 32 bytes, of an ECDSA signature in DER."""
    first = der[4:4 + der[3]]
    second = der[6 + der[3]:]
    return b"".join(number[-32:].rjust(32, b"\0") for number in (first, second))


def make_token(alg, key, directory, user):
    now = int(time.time())
    header = {"alg": alg, **({"kid": alg} if key else {})}
    claims = {"iss": ISSUER if key else "us", "aud": "roomcast", "sub": user, "iat": now,
              "exp": now + 3600, "jti": "4f1c8a90d2e7", "rooms": {"*": "rw"}}
    signed = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(claims).encode())}"
    signature = (key.sign(signed.encode(), directory) if key
                 else hmac.digest(SECRET.encode(), signed.encode(), "sha256"))
    return f"{signed}.{encode(signature)}"


# ---- the programs ----

def start_redis(stack, directory):
    port = free_port()
    redis = stack.enter_context(running(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
         "--notify-keyspace-events", "Kx", "--dir", str(directory)]))
    wait_until(redis, lambda: is_listening(port), "Redis listens")
    return port


class Gateway:
    def __init__(self, stack, redis_port, form):
        self.port, self.ops_port = free_port(), free_port()
        environment = {**os.environ, "ROOMCAST_JOINS_PER_SEC": "0"}
        if form != "none":
            environment |= {"ROOMCAST_AUTH": "jwt", "ROOMCAST_JWT_SECRET": SECRET}
        self.child = stack.enter_context(running(
            [str(BIN / "roomcast-gateway"), "--workers", "1",
             "--listen", f"127.0.0.1:{self.port}", "--ops-listen", f"127.0.0.1:{self.ops_port}",
             "--redis-url", f"redis://127.0.0.1:{redis_port}", "--log-level", "error"],
            env=environment))
        self.wait_until(lambda: ask_http(self.ops_port, "/readyz") != "", "ready")

    def wait_until(self, condition, what):
        wait_until(self.child, condition, what)

    def cpu_ns(self):
        tasks = pathlib.Path(f"/proc/{self.child.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks)

    def private_bytes(self):
        text = pathlib.Path(f"/proc/{self.child.pid}/smaps_rollup").read_text()
        return sum(int(kb) for kb in re.findall(r"^Private_\w+: +(\d+) kB", text, re.M)) * 1024

    def connections(self):
        page = ask_http(self.ops_port, "/metrics")
        return int(re.search(r"^roomcast_connections (\d+)", page, re.M)[1])


# ---- clients ----

def frame(request):
    data = json.dumps(request).encode()
    head = (struct.pack("!BB", 0x81, 0x80 | len(data)) if len(data) < 126
            else struct.pack("!BBH", 0x81, 0xfe, len(data)))
    return head + b"\0\0\0\0" + data


def come_in(gateway, said, until):
    """Connects them, says it all at once, and reads up to these bytes."""
    request = (f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n").encode()
    sockets = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in said]
    for s, each in zip(sockets, said):
        s.sendall(request + each)
    for s in sockets:
        got = b""
        while until not in got:
            more = s.recv(65536)
            assert more, got
            got += more
    return sockets


def say(form, tokens, room, count):
    """What each of so many users says."""
    join = {"type": "join", "room": room}
    if form == "none":
        return [frame({**join, "user": user_of(i)}) for i in range(count)]
    return [auth + frame(join) for auth in say_who(form, tokens, count)]


def say_who(form, tokens, count):
    """The same without a join."""
    if form == "none":
        return [b""] * count
    return [frame({"type": "auth", "token": token}) for token in tokens[form][:count]]


def measure(gateway, said, until=b'"more":false}'):
    """CPU ns of a connection that comes in; bytes that it adds."""
    cpu, memory, sockets = gateway.cpu_ns(), gateway.private_bytes(), []
    for at in range(0, len(said), BATCH):
        sockets += come_in(gateway, said[at:at + BATCH], until)
    result = ((gateway.cpu_ns() - cpu) / len(sockets),
              (gateway.private_bytes() - memory) / len(sockets))
    for s in sockets:
        s.close()
    gateway.wait_until(lambda: gateway.connections() == 0, "all are gone")
    return result


# ---- what is told ----

def print_rates(sets, tokens):
    print(f"{'':8}{'tokens/s':>10}{'us':>10}")
    for form in FORMS[1:]:
        rate = int(subprocess.run(
            [BIN / "roomcast-bench-jwt", json.dumps(sets), tokens[form][0]], check=True,
            capture_output=True, env={"BENCH_SECRET": SECRET}).stdout)
        print(f"{form:8}{rate:10}{1e6 / rate:10.1f}")
    print()


def print_costs(stack, redis_port, tokens, args):
    gateways = {form: Gateway(stack, redis_port, form) for form in FORMS}
    costs = {form: [] for form in FORMS}
    for turn in range(args.rounds + 1):  # the first one warms up
        for form, gateway in gateways.items():
            cost, _ = measure(gateway, say(form, tokens, f"of {form}", args.connections))
            if turn > 0:
                costs[form].append(cost)
    print(f"{'form':8}{'us CPU':>10}{'to none':>10}")
    for form in FORMS:
        ratio = statistics.median(a / b for a, b in zip(costs[form], costs["none"]))
        limit = f"   at most {LIMITS[form]}" if form in LIMITS else ""
        print(f"{form:8}{statistics.median(costs[form]) / 1000:10.1f}{ratio:10.3f}{limit}")


def print_memory(stack, redis_port, tokens, args):
    added = {}
    for form in ("none", "HS256"):
        gateway = Gateway(stack, redis_port, form)
        until = b"\r\n\r\n" if form == "none" else b'"auth_ack"'
        measure(gateway, say_who(form, tokens, BATCH), until)  # what all share
        added[form] = measure(gateway, say_who(form, tokens, args.connections), until)[1]
    print(f"\nbytes a connection: {added['none']:.0f} without, {added['HS256']:.0f} with a token"
          f" ({added['HS256'] - added['none']:+.0f}; at most +64)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--connections", type=int, default=1000)
    args = parser.parse_args()
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(
            tempfile.TemporaryDirectory(prefix="roomcast-auth-")))
        keys = {alg: Key(alg, directory) for alg in Key.MAKE}
        tokens = {alg: [make_token(alg, keys.get(alg), directory, user_of(i))
                        for i in range(args.connections)]
                  for alg in ("HS256", *Key.MAKE)}
        redis_port = start_redis(stack, directory)
        sets = {ISSUER: {"keys": [key.jwk for key in keys.values()]}}
        subprocess.run(["redis-cli", "-p", str(redis_port), "HSET", "rc:policy", "keys",
                        json.dumps(sets), "keys_rev", "1"], check=True, capture_output=True)
        print_rates(sets, tokens)
        print_costs(stack, redis_port, tokens, args)
        print_memory(stack, redis_port, tokens, args)


if __name__ == "__main__":
    main()
