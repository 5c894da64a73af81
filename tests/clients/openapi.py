"""Holds the admin service to its OpenAPI document.

    openapi.py BASE_URL TOKEN WS_URL...

Fetches /api/openapi.json, drives each operation of it against the service and the
gateways behind it (the happy path and refusals), and validates status, content type,
headers and body of every answer against the document. Fails if an operation or a
documented status was not seen, but for those of UNSEEN, if the document lacks an endpoint
of the contract, and if the service answers a path that the document lacks.

With Debian's python3-jsonschema and python3-websockets.
"""

import asyncio
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

import jsonschema
import websockets

PATIENCE_SECS = 30
ROOM = "open api/\u00fc"
OPERATOR = {"X-Operator": "openapi"}

# The contract's table. A method is listed where the document must have it.
CONTRACT = {
    "/api/rooms": "get",
    "/api/rooms/{room}": "get",
    "/api/rooms/{room}/members": "get",
    "/api/rooms/{room}/messages": "get post",
    "/api/rooms/{room}/messages/{seq}": "delete",
    "/api/rooms/{room}/kick/{user}": "post",
    "/api/rooms/{room}/close": "post",
    "/api/rooms/{room}/bans": "get",
    "/api/rooms/{room}/mutes": "get",
    "/api/rooms/{room}/ban/{user}": "post delete",
    "/api/rooms/{room}/mute/{user}": "post delete",
    "/api/users/{user}": "get",
    "/api/users/{user}/disconnect": "post",
    "/api/users/{user}/revoke": "post",
    "/api/tokens/{jti}/revoke": "post",
    "/api/revocations": "get",
    "/api/classes": "get put",
    "/api/classes/{prefix}": "put delete",
    "/api/keys": "get",
    "/api/tokens": "post",
    "/api/shards": "get",
    "/api/gateways": "get",
    "/api/stats": "get",
    "/api/stats/online": "get",
    "/api/audit": "get",
    "/api/events": "get",
    "/api/session": "get post delete",
    "/oidc/login": "get",
    "/oidc/callback": "get",
    "/api/openapi.json": "get",
    "/config.json": "get",
    "/metrics": "get",
    "/healthz": "get",
    "/readyz": "get",
    "/": "get",
}

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}

# Statuses that take a broken Redis or gateway, many entries or many wrong tokens to be
# seen; other tests see them.
UNSEEN = {"202", "403", "409", "429", "503", "507"}

# The same for what takes an OpenID provider.
UNSEEN_HERE = {("beginSession", "201"), ("beginSession", "400"), ("endSession", "200"),
               ("login", "302"), ("login", "400"), ("loginCallback", "302")}


class Document:
    """The document, and what was seen of it."""

    def __init__(self, document):
        self.root = document
        self.seen = set()
        self.operations = {
            operation["operationId"]: (path, method, operation)
            for path, item in document["paths"].items()
            for method, operation in item.items() if method in METHODS
        }
        self.resolver = jsonschema.RefResolver.from_schema(document)

    def follow(self, node):
        while "$ref" in node:
            node = self.resolver.resolve(node["$ref"])[1]
        return node

    def parameters(self, path, operation):
        for parameter in (self.root["paths"][path].get("parameters", []) +
                          operation.get("parameters", [])):
            yield self.follow(parameter)

    def validate(self, schema, value, what):
        validator = jsonschema.Draft202012Validator(schema, resolver=self.resolver)
        errors = [error.message for error in validator.iter_errors(value)]
        assert not errors, f"{what}: {errors}: {value!r}"

    def check_answer(self, name, answer):
        """`answer` is one that the document allows for this operation."""
        status = str(answer.status)
        responses = self.operations[name][2]["responses"]
        assert status in responses, f"{name}: {status} is not documented: {answer.body!r}"
        response = self.follow(responses[status])
        what = f"{name} {status}"
        kind = answer.headers.get_content_type()
        assert kind in response["content"], f"{what}: the content type is {kind}"
        for header, entry in response.get("headers", {}).items():
            entry = self.follow(entry)
            value = answer.headers.get(header)
            assert value is not None or not entry.get("required"), f"{what}: no {header}"
            if entry["schema"].get("type") == "integer":
                value = int(value)
            self.validate(entry["schema"], value, f"{what} {header}")
        schema = response["content"][kind].get("schema", {})
        value = json.loads(answer.body) if kind == "application/json" else answer.body.decode()
        self.validate(schema, value, what)
        self.seen.add((name, status))
        return value

    def check_request(self, name, path_values, query, body):
        """The happy path sends what the document allows."""
        path, _, operation = self.operations[name]
        given = {**{("path", key): value for key, value in path_values.items()},
                 **{("query", key): value for key, value in query.items()}}
        for parameter in self.parameters(path, operation):
            if (parameter["in"], parameter["name"]) in given:
                value = given.pop((parameter["in"], parameter["name"]))
                self.validate(parameter["schema"], value, f"{name} {parameter['name']}")
            else:
                assert not parameter.get("required"), f"{name} lacks {parameter['name']}"
        assert not given, f"{name}: {given} is not documented"
        if body is not None:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            self.validate(schema, body, f"{name} body")
        else:
            assert not operation.get("requestBody", {}).get("required"), name


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


class Service:
    def __init__(self, base, token):
        self.base, self.token, self.document = base, token, None

    def ask(self, method, target, body=None, token=None, headers=()):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.base + target, data=data,
                                         method=method.upper(), headers=dict(headers))
        token = self.token if token is None else token
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECS) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def target(self, name, path_values, query):
        target = self.document.operations[name][0]
        for key, value in path_values.items():
            target = target.replace("{%s}" % key, urllib.parse.quote(str(value), safe=""))
        return target + ("?" + urllib.parse.urlencode(query) if query else "")

    def call(self, name, status, body=None, query=None, token=None, match=None, **path_values):
        """One request of an operation; what came, after it was held to the document."""
        query = query or {}
        if status < 300:
            self.document.check_request(name, path_values, query, body)
        answer = self.ask(self.document.operations[name][1],
                          self.target(name, path_values, query), body, token,
                          {**OPERATOR, "If-Match": match} if match else OPERATOR)
        assert answer.status == status, f"{name}: {answer.status}, not {status}: {answer.body!r}"
        return self.document.check_answer(name, answer)


class Chat:
    """A member of a room, on one gateway."""

    def __init__(self, socket):
        self.socket = socket

    @classmethod
    async def open(cls, url):
        return cls(await websockets.connect(url, subprotocols=["roomcast.v1"]))

    async def wait(self, kind):
        while True:
            event = json.loads(await asyncio.wait_for(self.socket.recv(), PATIENCE_SECS))
            assert event["type"] != "error", event
            if event["type"] == kind:
                return event

    async def join(self, room, user):
        await self.socket.send(json.dumps({"type": "join", "room": room, "user": user}))
        await self.wait("join_ack")

    async def say(self, room, text, **fields):
        await self.socket.send(
            json.dumps({"type": "message", "room": room, "text": text, **fields}))
        await self.wait("message_ack")


def check_contract(document):
    for path, methods in CONTRACT.items():
        assert path in document.root["paths"], f"the document lacks {path}"
        for method in methods.split():
            assert method in document.root["paths"][path], f"the document lacks {method} {path}"
    for path in document.root["paths"]:
        assert path in CONTRACT, f"the contract lacks {path}"


def check_token(service, name, **path_values):
    """Without a token, and with a wrong one, where one is needed."""
    operation = service.document.operations[name][2]
    if operation.get("security", service.document.root["security"]) == []:
        return
    for token in ("", "wrong"):
        service.call(name, 401, token=token, **path_values)


def read_rooms(service):
    rooms = {"room": ROOM}
    service.call("listRooms", 200)
    service.call("listRooms", 200, query={"limit": 1, "sort": "members"})
    page = service.call("listRooms", 200, query={"search": "api/"})
    assert [room["room"] for room in page["rooms"]] == [ROOM], page
    service.call("listRooms", 400, query={"limit": 1001})
    service.call("getRoom", 200, **rooms)
    service.call("listMembers", 200, query={"limit": 10}, **rooms)
    service.call("listMembers", 400, query={"cursor": "nonsense"}, **rooms)
    page = service.call("listMessages", 200, query={"limit": 1}, **rooms)
    assert page["more"], page
    service.call("listMessages", 200, query={"before": 2}, **rooms)
    service.call("listMessages", 400, query={"before": "x"}, **rooms)
    for name in ("getRoom", "listMembers", "listMessages"):
        service.call(name, 404, room="no such room")
        service.call(name, 400, room="{")


def publish_and_delete(service):
    rooms = {"room": ROOM}
    whole = {"text": "x", "user": "news", "data": {"a": [1, None]}, "key": "k"}
    published = service.call("publishMessage", 201, body=whole, **rooms)
    assert service.call("publishMessage", 201, body=whole, **rooms) == published
    service.call("publishMessage", 201, body={"text": "y"}, **rooms)
    service.call("publishMessage", 400, body={}, **rooms)
    service.call("publishMessage", 404, body={"text": "x"}, room="no such room")
    service.call("publishMessage", 413, body={"text": "x" * 100000}, **rooms)
    for _ in range(2):
        service.call("deleteMessage", 200, seq=published["seq"], **rooms)
    service.call("deleteMessage", 404, seq=1000000, **rooms)
    service.call("deleteMessage", 400, seq="x", **rooms)
    page = service.call("listMessages", 200, **rooms)
    assert any(message.get("deleted") for message in page["messages"]), page


def moderate(service):
    for add, lift, listing in (("banUser", "unbanUser", "listBans"),
                               ("muteUser", "unmuteUser", "listMutes")):
        of_eve = {"room": ROOM, "user": "eve"}
        service.call(add, 200, body={"secs": 0}, **of_eve)
        service.call(add, 200, body={"secs": 60}, **of_eve)
        service.call(add, 400, body={"secs": -1}, **of_eve)
        service.call(add, 413, body={"secs": 1, "reason": "x" * 100000}, **of_eve)
        page = service.call(listing, 200, query={"limit": 1}, room=ROOM)
        assert [entry["user"] for entry in page["entries"]] == ["eve"], page
        service.call(listing, 400, query={"limit": 0}, room=ROOM)
        service.call(lift, 200, **of_eve)
        service.call(lift, 404, **of_eve)
        service.call(lift, 400, room="{", user="eve")
        assert service.call(listing, 200, room="no such room")["entries"] == []


async def put_out(service, bob):
    of_bob = {"room": ROOM, "user": "bob"}
    service.call("kickUser", 200, body={"reason": "x", "ban_secs": 1}, **of_bob)
    await bob.wait("kicked")
    service.call("kickUser", 404, **of_bob)
    service.call("kickUser", 400, body={"ban_secs": "x"}, **of_bob)
    service.call("kickUser", 413, body={"reason": "x" * 100000}, **of_bob)
    service.call("closeRoom", 200, body={"reason": "x"}, room=ROOM)
    await bob.join("another", "bob")
    service.call("closeRoom", 200, room="another")
    service.call("closeRoom", 404, room=ROOM)
    service.call("closeRoom", 400, body=b"{", room=ROOM)
    service.call("closeRoom", 413, body={"reason": "x" * 100000}, room=ROOM)
    await bob.join("third", "bob")
    service.call("disconnectUser", 200, user="bob")
    service.call("disconnectUser", 400, user="{")
    service.call("disconnectUser", 413, body={"x": "x" * 100000}, user="bob")
    await asyncio.wait_for(bob.socket.wait_closed(), PATIENCE_SECS)
    assert bob.socket.close_code == 4503, bob.socket.close_code


def read_fleet(service):
    user = service.call("getUser", 200, user="ann")
    assert user["rooms"] == [ROOM], user
    service.call("getUser", 400, user="{")
    assert len(service.call("listGateways", 200)["gateways"]) == 2
    shards = service.call("listShards", 200)["shards"]
    assert [(s["shard_id"], s["up"], s["role"]) for s in shards] == [(0, True, "master")], shards
    service.call("getStats", 200)
    service.call("getOnline", 200, query={"minutes": 1})
    service.call("getOnline", 400, query={"minutes": 0})
    service.call("getOpenapi", 200)
    session = service.call("getSession", 200)
    assert session == {"name": "openapi", "role": "admin", "expires_at": None}, session
    service.call("endSession", 409)
    service.call("beginSession", 404, body={"code": "x", "secret": "x"})
    service.call("beginSession", 413, body={"code": "x" * 100000})
    service.call("login", 404)
    service.call("loginCallback", 404)
    for name in ("getConfig", "getMetrics", "getHealth", "getReadiness", "getConsole"):
        service.call(name, 200)


def make_token(service):
    service.call("makeToken", 201, body={"user": "ann", "name": "Ann", "secs": 60,
                                         "rooms": {"lobby": "rw", "team/*": "r"}})
    service.call("makeToken", 400, body={"user": "ann", "secs": 0})
    service.call("makeToken", 413, body={"user": "x" * 100000})
    keys = service.call("listKeys", 200)
    assert keys == {"issuers": []}, keys


def revoke(service):
    for name, of in (("revokeUser", {"user": "tim"}), ("revokeToken", {"jti": "a/b"})):
        assert service.call(name, 200, **of)["nodes"] > 0
        service.call(name, 200, body={"issued_before": 1, "grace_secs": 60}, **of)
        service.call(name, 400, body={"grace_secs": 61}, **of)
        service.call(name, 413, body={"x": "x" * 100000}, **of)
    page = service.call("listRevocations", 200, query={"limit": 1})
    more = service.call("listRevocations", 200, query={"cursor": page["next"]})
    assert [entry.get("jti") or entry["user"]
            for entry in page["entries"] + more["entries"]] == ["a/b", "tim"], (page, more)
    service.call("listRevocations", 400, query={"limit": 0})


def classify(service):
    classes = {"": {"guests": "r"}, "open": {"users": "rw"}}
    rev = service.call("replaceClasses", 200, body={"classes": classes})["rev"]
    assert service.call("listClasses", 200) == {"classes": classes, "rev": rev}
    room = service.call("getRoom", 200, room=ROOM)
    assert room["class"] == "open", room
    assert room["rules"] == {**room["rules"], "users": "rw", "guests": ""}, room
    of_all = {"prefix": "-"}
    service.call("putClass", 200, body={}, query={"prefix": "x/"}, **of_all)
    service.call("putClass", 400, body={"user": "r"}, prefix="x/")
    service.call("putClass", 413, body={"x": "x" * 100000}, prefix="x/")
    service.call("deleteClass", 200, query={"prefix": ""}, **of_all)
    service.call("deleteClass", 404, **of_all)
    service.call("deleteClass", 400, prefix="{")
    service.call("replaceClasses", 400, body={"classes": {"{": {}}})
    service.call("replaceClasses", 413, body={"x": "x" * 100000})
    for name, body, of in (("replaceClasses", {"classes": {}}, {}), ("putClass", {}, of_all),
                           ("deleteClass", None, of_all)):
        service.call(name, 412, body=body, match="1", **of)
    service.call("replaceClasses", 200, body={"classes": {}})


def read_audit(service):
    page = service.call("listAudit", 200, query={"limit": 2})
    assert all(entry["who"] == "openapi" for entry in page["entries"]), page
    service.call("listAudit", 200, query={"cursor": page["next"]})
    service.call("listAudit", 400, query={"cursor": "nonsense"})


def follow_events(service):
    """Opens the stream; what each kind of event holds is in x-events."""
    document = service.document
    kinds = document.operations["followEvents"][2]["responses"]["200"]["x-events"]
    service.call("followEvents", 400, query={"room": "{"})
    request = urllib.request.Request(
        service.base + service.target("followEvents", {}, {"room": ROOM}),
        headers={"Authorization": f"Bearer {service.token}"})
    stream = urllib.request.urlopen(request, timeout=PATIENCE_SECS)
    assert stream.headers.get_content_type() == "text/event-stream"
    document.seen.add(("followEvents", "200"))

    def read_until(wanted):
        """Reads until each of these kinds has come."""
        missing, name = set(wanted), None
        while missing:
            line = stream.readline().decode().rstrip("\n")
            if line.startswith("event: "):
                name = line[len("event: "):]
            elif line.startswith("data: "):
                value = json.loads(line[len("data: "):])
                if name in kinds:
                    document.validate(kinds[name], value, f"event {name}")
                else:  # of the room, as its members get it
                    assert value["type"] == name, (name, value)
                missing.discard(name)

    return stream, read_until


def check_all_seen(document):
    missing = [(name, status)
               for name, (_, _, operation) in document.operations.items()
               for status in operation["responses"]
               if (name, status) not in document.seen and status not in UNSEEN
               and (name, status) not in UNSEEN_HERE]
    assert not missing, f"not seen: {missing}"


def check_other_paths(service):
    """What the document lacks is not there."""
    for method, target in (("GET", "/api/"), ("GET", "/api/users"), ("GET", "/api/nodes"),
                           ("GET", "/api/rooms/x/kicks"), ("POST", "/api/rooms/x/kick"),
                           ("POST", "/api/rooms/x/open"), ("GET", "/api/version"),
                           ("GET", "/api/openapi.yaml"), ("POST", "/api/users/x/kick")):
        answer = service.ask(method, target)
        assert answer.status == 404, (method, target, answer.status, answer.body)
        service.document.validate({"$ref": "#/components/schemas/NotFoundError"},
                                  json.loads(answer.body), target)
    for path, item in service.document.root["paths"].items():
        target = path.replace("{room}", "x").replace("{user}", "x").replace("{seq}", "1")
        for method in ("get", "post", "put", "delete", "patch"):
            if method in item:
                continue
            answer = service.ask(method, target)
            assert answer.status == 405, (method, target, answer.status, answer.body)
            allowed = {word.strip().lower() for word in answer.headers["Allow"].split(",")}
            assert allowed - {"head", "options"} == METHODS & set(item), (target, allowed)
            service.document.validate({"$ref": "#/components/schemas/Error"},
                                      json.loads(answer.body), target)


async def main(base, token, *gateways):
    service = Service(base, token)
    answer = service.ask("GET", "/api/openapi.json")
    assert answer.status == 200, answer.body
    document = service.document = Document(json.loads(answer.body))
    assert document.root["openapi"].startswith("3.1."), document.root["openapi"]
    for schema in document.root["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    check_contract(document)
    for name in document.operations:
        check_token(service, name, **{"room": ROOM, "user": "bob", "seq": 1})

    ann, bob = await Chat.open(gateways[0]), await Chat.open(gateways[-1])
    stream, read_until = follow_events(service)
    await ann.join(ROOM, "ann")
    await bob.join(ROOM, "bob")
    await ann.say(ROOM, "one", data={"n": 1.5})
    await ann.say(ROOM, "two")
    read_rooms(service)
    read_fleet(service)
    publish_and_delete(service)
    moderate(service)
    classify(service)
    await put_out(service, bob)
    make_token(service)
    revoke(service)
    read_audit(service)
    read_until({"stats", "gateways", "audit", "room_opened", "room_closed", "message",
                "member_left", "message_deleted"})
    stream.close()
    check_other_paths(service)
    check_all_seen(document)
    await ann.socket.close()


asyncio.run(main(*sys.argv[1:]))
