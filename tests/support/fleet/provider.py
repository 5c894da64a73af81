"""An issuer of tokens, as a test wants it.

    provider.py PORT DIR [CERTIFICATE KEY]

DIR/answer says how it answers where its keys are, /jwks: a word, and what follows the line's end is
the body. `body` sends it with 200, `status` with 500; `huge` sends it again and again, a GiB of it;
`silent` sends nothing; `redirect` sends to the URL that it is; `own` sends a key of its own. Anything else under
/.well-known/ is the configuration, which DIR/configuration replaces. Each request of keys is a line of DIR/requests.

It is an OpenID provider as well, of the client `console`, whose secret is CLIENT_SECRET: a browser that comes to /authorize is
sent back at once with a code, for which /token gives an ID token, once and for the right verifier only. DIR/person has claims,
JSON, in the place of the usual ones; null takes one away. DIR/kid names the key in the place of `own`. With DIR/silent /token does not answer, and the file
says `asked`. Codes, verifiers
and tokens are lines of DIR/secrets.
"""

import base64
import hashlib

import http.server
import json
import pathlib
import secrets
import ssl
import sys
import threading
import time
import urllib.parse

HUGE_BYTES = 1 << 30
CLIENT_ID, CLIENT_SECRET = "console", "the client's: 100%"


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def encode_json(value):
    return encode(json.dumps(value).encode())


class Signer:
    """A key, made when it is needed first: other tests do not need the module."""

    def __init__(self):
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
        self.key = Ed25519PrivateKey.generate()
        public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.jwk = {"kty": "OKP", "crv": "Ed25519", "kid": "own", "x": encode(public)}

    def sign(self, claims, kid):
        text = f"{encode_json({'alg': 'EdDSA', 'kid': kid})}.{encode_json(claims)}"
        return f"{text}.{encode(self.key.sign(text.encode()))}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.close_connection = True
        if self.path == "/jwks":
            with open(self.server.dir / "requests", "a", encoding="ascii") as requests:
                requests.write("/jwks\n")
            how, _, body = (self.server.dir / "answer").read_text().partition("\n")
            getattr(self, f"answer_{how}")(body.encode())
        elif self.path.startswith("/.well-known/"):
            self.answer_body(self.configuration())
        elif self.path.startswith("/authorize?"):
            self.authorize(dict(urllib.parse.parse_qsl(self.path.partition("?")[2])))
        else:
            self.send(404, b"none")

    def do_POST(self):
        self.close_connection = True
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        if self.path == "/token":
            self.give_token(dict(urllib.parse.parse_qsl(body, strict_parsing=True)))
        else:
            self.send(404, b"none")

    def authorize(self, asked):
        wanted = {"response_type": "code", "client_id": CLIENT_ID,
                  "code_challenge_method": "S256", "scope": "openid email groups"}
        if any(asked.get(name) != value for name, value in wanted.items()):
            self.send(400, b"odd request")
            return
        code = secrets.token_urlsafe()
        with self.server.lock:
            self.server.codes[code] = asked
        query = urllib.parse.urlencode({"code": code, "state": asked["state"]})
        self.send(302, b"", location=f"{asked['redirect_uri']}?{query}")

    def is_client(self):
        kind, _, text = self.headers.get("authorization", "").partition(" ")
        name, _, secret = base64.b64decode(text).decode().partition(":")
        given = urllib.parse.unquote(name), urllib.parse.unquote(secret)
        return kind == "Basic" and given == (CLIENT_ID, CLIENT_SECRET)

    def give_token(self, asked):
        if (self.server.dir / "silent").exists():
            (self.server.dir / "silent").write_text("asked")
            self.rfile.read()
            return
        with self.server.lock:
            begun = self.server.codes.pop(asked.get("code"), None)
        proof = encode(hashlib.sha256(asked.get("code_verifier", "").encode()).digest())
        if (begun is None or not self.is_client() or
                asked.get("grant_type") != "authorization_code" or
                proof != begun["code_challenge"] or
                asked.get("redirect_uri") != begun["redirect_uri"]):
            self.send(400, b'{"error":"invalid_grant"}')
            return
        token = self.server.signer().sign(self.claims(begun["nonce"]), self.read("kid", "own"))
        with open(self.server.dir / "secrets", "a", encoding="ascii") as file:
            file.write(f"{asked['code']}\n{asked['code_verifier']}\n{token}\n")
        self.send(200, json.dumps({"access_token": "x", "token_type": "Bearer",
                                   "id_token": token}).encode())

    def claims(self, nonce):
        now = int(time.time())
        usual = {"iss": self.server.base, "aud": CLIENT_ID, "sub": "s-1", "nonce": nonce,
                 "iat": now, "exp": now + 300, "email": "ann@example.org", "groups": ["ops"]}
        claims = {**usual, **json.loads(self.read("person", "{}"))}
        return {name: value for name, value in claims.items() if value is not None}

    def read(self, name, otherwise):
        path = self.server.dir / name
        return path.read_text() if path.exists() else otherwise

    def configuration(self):
        given = self.server.dir / "configuration"
        if given.exists():
            return given.read_bytes()
        base = self.server.base
        return json.dumps({"issuer": base, "jwks_uri": f"{base}/jwks",
                           "authorization_endpoint": f"{base}/authorize",
                           "token_endpoint": f"{base}/token",
                           "scopes_supported": ["openid", "email", "groups"]}).encode()

    def send(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer_body(self, body):
        self.send(200, body)

    def answer_status(self, body):
        self.send(500, body)

    def answer_redirect(self, body):
        self.send(302, b"", location=body.decode().strip())

    def answer_own(self, _):
        self.answer_body(json.dumps({"keys": [self.server.signer().jwk]}).encode())

    def answer_silent(self, _):
        self.rfile.read()

    def answer_huge(self, body):
        self.send_response(200)
        self.end_headers()
        block = body * (65536 // len(body) + 1)
        try:
            for _ in range(HUGE_BYTES // len(block)):
                self.wfile.write(block)
        except OSError:
            (self.server.dir / "cut").touch()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    own_signer = None

    def signer(self):
        with self.lock:
            self.own_signer = self.own_signer or Signer()
            return self.own_signer

    def handle_error(self, request, client_address):
        pass  # a client may go


def main(port, directory, *files):
    server = Server(("127.0.0.1", int(port)), Handler)
    server.dir = pathlib.Path(directory)
    server.lock, server.codes = threading.Lock(), {}
    server.base = f"{'https' if files else 'http'}://127.0.0.1:{port}"
    if files:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Event().wait()


main(*sys.argv[1:])
