"""An issuer of tokens, as a test wants it.

    provider.py PORT DIR [CERTIFICATE KEY]

DIR/answer says how it answers where its keys are, /jwks: a word, and what follows the line's end is
the body. `body` sends it with 200, `status` with 500; `huge` sends it again and again, a GiB of it;
`silent` sends nothing; `redirect` sends to the URL that it is. Anything else under
/.well-known/ is the configuration, which DIR/configuration replaces. Each request of keys is a line of DIR/requests.
"""

import http.server
import json
import pathlib
import ssl
import sys
import threading

HUGE_BYTES = 1 << 30


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
        else:
            self.send(404, b"none")

    def configuration(self):
        given = self.server.dir / "configuration"
        if given.exists():
            return given.read_bytes()
        return json.dumps({"issuer": self.server.base,
                           "jwks_uri": f"{self.server.base}/jwks"}).encode()

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

    def handle_error(self, request, client_address):
        pass  # a client may go


def main(port, directory, *files):
    server = Server(("127.0.0.1", int(port)), Handler)
    server.dir = pathlib.Path(directory)
    server.base = f"{'https' if files else 'http'}://127.0.0.1:{port}"
    if files:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Event().wait()


main(*sys.argv[1:])
