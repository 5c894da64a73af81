#!/usr/bin/python3
"""Proves docker-compose.yml without an engine: values that it has twice agree, and what it
mounts is sound.

    check.py BIN DIR     BIN: the built programs; DIR: for temporary files

docker-compose itself validates it against the schema of the Compose specification and puts
the variables in; haproxy and promtool read what it mounts. The rest is compared here: settings with
--help, ports with the images and the balancer, times with each other, paths with the tree.
"""

import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "image"))

import dockerfile  # noqa: E402
import version  # noqa: E402

GATEWAYS = ["gateway-1", "gateway-2", "gateway-3"]
OURS = {**{name: "gateway" for name in GATEWAYS}, "admin": "admin"}
# Of the profile cluster.
NODES = [f"redis-cluster-{i}" for i in range(1, 7)]
CREATE = "redis-cluster-create"
OTHERS = ["redis", "balancer", "prometheus", "grafana", *NODES, CREATE]
PATIENCE_SECS = 30
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

wrong = []


def expect(condition, what):
    if not condition:
        wrong.append(what)


def output_of(*argv, **env):
    done = subprocess.run(
        [str(word) for word in argv],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**CLEAN, **env},
    )
    expect(done.returncode == 0, f"{argv[0]}: {done.stdout}{done.stderr}")
    return done.stdout


# The environment of the tests must not get into the file.
CLEAN = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("ROOMCAST_", "COMPOSE_", "GATEWAY_", "BALANCER_"))
    and name not in ("AUTH_TOKEN", "GRAFANA_PASSWORD")
}


def seconds(text):
    parts = re.findall(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d)", str(text))
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def resolve(env_file=None, **env):
    """The file as docker-compose understands it, with everything put in; but not what somebody
    has in a file .env."""
    with tempfile.NamedTemporaryFile() as nothing:
        words = ["docker-compose", "--env-file", env_file or nothing.name, "-f", "docker-compose.yml"]
        text = output_of(*words, "config", **env)
    if wrong:  # nothing to compare
        sys.exit("\n".join(wrong))
    return yaml.safe_load(text)


# ---- each container ----


def check_hardened(name, service):
    expect(service.get("read_only") is True, f"{name}: its root can be written")
    expect(service.get("cap_drop") == ["ALL"], f"{name}: keeps capabilities")
    expect(
        service.get("security_opt") == ["no-new-privileges:true"], f"{name}: may gain privileges"
    )
    restart = "on-failure" if name == CREATE else "unless-stopped"
    expect(service.get("restart") == restart, f"{name}: is not started again, or is when done")
    expect("stop_grace_period" in service, f"{name}: no stop_grace_period")
    for word in ("privileged", "cap_add", "network_mode", "pid", "ipc", "devices"):
        expect(word not in service, f"{name}: {word}")
    if name in OTHERS:
        uid = str(service.get("user", "")).split(":")[0]
        expect(uid.isdigit() and int(uid) > 0, f"{name}: no user of its own")
        expect("healthcheck" in service or name == CREATE, f"{name}: no healthcheck")
        expect(re.search(r":v?\d", service["image"]), f"{name}: the image has no version")


def check_mounts(name, service):
    for volume in service.get("volumes", []):
        source, _, _ = str(volume).partition(":")
        if not source.startswith("/"):
            continue
        expect(str(volume).endswith(":ro"), f"{name}: may write {volume}")
        expect(pathlib.Path(source).exists(), f"{name}: {source} is not there")
        expect(source.startswith(str(ROOT)), f"{name}: {source} is not ours")


def check_dependencies(name, service, services):
    for other, how in service.get("depends_on", {}).items():
        expect(
            how == {"condition": "service_healthy"}, f"{name}: does not wait until {other} is well"
        )
        checked = "healthcheck" in services[other] or other in OURS
        expect(checked, f"{name}: waits for {other}, which has no healthcheck")


def check_ports(name, service):
    for port in service.get("ports", []):
        expect(str(port).startswith("127.0.0.1:"), f"{name}: {port} is open to the world")


# ---- ours ----


def help_of(program):
    """{variable: default}, as --help tells."""
    text = output_of(program, "--help")
    return dict(
        (name, default)
        for default, name in re.findall(r"default: (.*); environment: (\w+)", text)
    )


def port_of(address):
    return int(address.rsplit(":", 1)[1])


def check_settings(name, service, known):
    for variable in service["environment"]:
        expect(variable in known, f"{name}: {variable} is no setting")


def check_image(name, service, stages):
    target = OURS[name]
    expect(service["build"]["target"] == target, f"{name}: is not built from target {target}")
    image = f"roomcast-{target}:{version.read()}"
    expect(service["image"] == image, f"{name}: {service['image']}, not {image}")
    words = [step.word for step in stages[target].steps]
    expect("HEALTHCHECK" in words, f"{name}: the image has no healthcheck")


def exposed(stage):
    return {int(port) for step in stage.steps if step.word == "EXPOSE" for port in step.text.split()}


def check_gateway(name, service, known):
    settings = service["environment"]
    expect(settings["ROOMCAST_ADVERTISE"] == name, f"{name}: is named otherwise")
    drain = float(settings.get("ROOMCAST_DRAIN_SECS", known["ROOMCAST_DRAIN_SECS"]))
    grace = seconds(service["stop_grace_period"])
    expect(grace >= drain + 5, f"{name}: is killed after {grace} s, and drains for {drain}")


# ---- what is mounted ----


def check_balancer(services, known, stages, directory):
    path = ROOT / "compose" / "haproxy.cfg"
    text = path.read_text()
    addresses = {
        f"GATEWAY_{i + 1}": f"127.0.0.1:{9001 + i}" for i in range(len(GATEWAYS))
    }  # a name that nobody resolves here would be a warning
    output_of("haproxy", "-c", "-dW", "-f", path, **addresses)
    main, ops = (port_of(known[f"ROOMCAST_{name}"]) for name in ("LISTEN", "OPS_LISTEN"))
    for name in GATEWAYS:
        expect(f'-{name}:{main}}}"' in text, f"haproxy.cfg: no server {name}:{main}")
    expect(
        re.findall(r"OPS_PORT-(\d+)", text) == [str(ops)] * len(GATEWAYS),
        f"haproxy.cfg: the checks do not go to port {ops}",
    )
    expect({main, ops} == exposed(stages["gateway"]), "Dockerfile: other ports of the gateway")
    tunnel = seconds(re.search(r"timeout tunnel (\S+)", text).group(1))
    ping = float(known["ROOMCAST_PING_INTERVAL_SECS"])
    expect(tunnel > 2 * ping, f"haproxy.cfg: cuts after {tunnel} s; pings come each {ping}")
    listen = port_of(re.search(r"BALANCER_LISTEN-(:\d+)", text).group(1))
    published = [str(port).split("/")[0] for port in services["balancer"]["ports"]]
    expect(published[0].endswith(f":{listen}"), f"balancer: publishes {published}, not {listen}")
    watched = re.search(r"BALANCER_OPS_LISTEN-:(\d+)", text).group(1)
    check = " ".join(services["balancer"]["healthcheck"]["test"])
    expect(f"/{watched} " in check, f"balancer: its health check does not ask {watched}")
    stop = seconds(re.search(r"hard-stop-after (\S+)", text).group(1))
    grace = seconds(services["balancer"]["stop_grace_period"])
    expect(grace > stop, f"balancer: is killed after {grace} s, and stops after {stop}")
    most = int(re.search(r"MAX_CONNECTIONS-(\d+)", text).group(1))
    files = services["balancer"]["ulimits"]["nofile"]
    files = files["soft"] if isinstance(files, dict) else files
    expect(files > 2 * most + 100, f"balancer: {files} files for {most} connections")


class Ready(http.server.BaseHTTPRequestHandler):
    """A gateway, as far as the balancer's checks go."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def check_balancer_health(service):
    """Its health check, run here: well with a gateway, not without, not without a balancer."""
    gateway = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ready)
    listen, ops = free_port(), free_port()
    env = {
        **{f"GATEWAY_{i}": f"127.0.0.1:{gateway.server_port}" for i in (1, 2, 3)},
        **{f"GATEWAY_{i}_OPS_PORT": str(gateway.server_port) for i in (1, 2, 3)},
        "BALANCER_LISTEN": f"127.0.0.1:{listen}",
        "BALANCER_OPS_LISTEN": f"127.0.0.1:{ops}",
        "BALANCER_MAX_CONNECTIONS": "100",
    }
    _, *words = service["healthcheck"]["test"]
    words = [word.replace("/8404", f"/{ops}").replace("$$", "$") for word in words]

    def says(well):
        end = time.monotonic() + PATIENCE_SECS
        while (subprocess.run(words, capture_output=True).returncode == 0) != well:
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True

    expect(says(False), "balancer: well before it runs")
    balancer = subprocess.Popen(
        ["haproxy", "-db", "-f", ROOT / "compose" / "haproxy.cfg"],
        env={**CLEAN, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        threading.Thread(target=gateway.serve_forever, daemon=True).start()
        expect(says(True), "balancer: has gateways, and is not well")
        gateway.shutdown()
        gateway.server_close()
        expect(says(False), "balancer: has no gateway, and is well")
    finally:
        balancer.terminate()
        balancer.wait()


def check_prometheus(services, directory):
    """With the mounts in their places, promtool finds all it names."""
    copy = directory / "prometheus"
    shutil.copytree(ROOT / "monitoring", copy, dirs_exist_ok=True)
    output_of("promtool", "check", "config", copy / "prometheus.yml")
    main = yaml.safe_load((copy / "prometheus.yml").read_text())
    expect(main.get("rule_files"), "prometheus.yml: no rules")
    found = set()
    for job in main["scrape_configs"]:
        for files in job["file_sd_configs"]:
            for name in files["files"]:
                for group in yaml.safe_load((copy / name).read_text()):
                    found |= set(group["targets"])
    ours = {f"{name}:9101" for name in GATEWAYS} | {"admin:8080"}
    expect(found == ours, f"monitoring/targets: {sorted(found)}, not {sorted(ours)}")
    mounts = services["prometheus"]["volumes"]
    expect(f"{ROOT}/monitoring:/etc/prometheus:ro" in mounts, "prometheus: no configuration")
    shutil.rmtree(copy)


def check_grafana(services):
    mounts = dict(str(m).split(":")[:2][::-1] for m in services["grafana"]["volumes"])
    provisioning = pathlib.Path(mounts.get("/etc/grafana/provisioning", "/none"))
    source = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())
    expect(source["datasources"][0]["url"] == "http://prometheus:9090", "grafana: other source")
    provider = yaml.safe_load((provisioning / "dashboards/roomcast.yml").read_text())
    where = provider["providers"][0]["options"]["path"]
    dashboards = sorted(pathlib.Path(mounts.get(where, "/none")).glob("*.json"))
    expect(dashboards, f"grafana: no dashboards are mounted at {where}")
    for path in dashboards:
        json.loads(path.read_text())
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    expect(home in [f"{where}/{path.name}" for path in dashboards], f"grafana: no {home}")


# ---- the profile cluster ----


def check_cluster(services):
    """Its six nodes, who makes a cluster of them, and that the programs are led there. What the scripts do
    is tried in redis_cluster.py."""
    nodes = [f"{name}:6379" for name in NODES]
    for name in [*NODES, CREATE]:
        expect(services[name].get("profiles") == ["cluster"], f"{name}: not of the profile alone")
        expect(list(services[name]["networks"]) == ["state"], f"{name}: is reached by others")
        expect(services[name]["image"] == services["redis"]["image"], f"{name}: another Redis")
    for name in set(services) - {*NODES, CREATE}:
        expect("profiles" not in services[name], f"{name}: has a profile")
    for name in NODES:
        env = services[name]["environment"]
        expect(env["NODE_NAME"] == name, f"{name}: is called {env['NODE_NAME']}")
        expect(env["NODE_PEERS"].split() == nodes, f"{name}: other peers")
        mounts = [str(volume).split(":")[1] for volume in services[name]["volumes"]]
        data = [volume for volume in services[name]["volumes"] if str(volume).startswith(f"{name}:")]
        expect(len(data) == 1, f"{name}: no volume of its own")
        for path in (env["NODE_CONF"], services[name]["command"][1], "/etc/redis/redis.conf"):
            expect(path in mounts, f"{name}: {path} is not mounted")
    create = services[CREATE]
    expect(create["environment"]["CLUSTER_NODES"].split() == nodes, f"{CREATE}: other nodes")
    expect(set(create["depends_on"]) == set(NODES), f"{CREATE}: does not wait for all nodes")
    led = resolve(ROOT / "compose" / "cluster.env", ROOMCAST_REDIS_PASSWORD="r3dis")["services"]
    for name in OURS:
        url = led[name]["environment"]["ROOMCAST_REDIS_URL"]
        expect(url == "redis+cluster://:r3dis@" + ",".join(nodes[:3]), f"{name}: {url}")
    expect("COMPOSE_PROFILES=cluster" in (ROOT / "compose/cluster.env").read_text(),
           "compose/cluster.env: not the profile")  # fmt: skip
    for name in [*NODES, CREATE]:
        expect(led[name]["environment"]["REDISCLI_AUTH"] == "r3dis", f"{name}: another password")
    for name in NODES:
        words = led[name]["command"]
        expect(words == ["sh", "/etc/redis/redis-node"], f"{name}: {words}")


# ---- passwords ----


def check_passwords():
    """With no edit they are the example's; each that is set gets to all who need it."""
    plain = json.dumps(resolve())
    expect("change-me-redis" in plain and "change-me-token" in plain, "other example passwords")
    mine = resolve(ROOMCAST_REDIS_PASSWORD="r3dis", AUTH_TOKEN="t0ken", GRAFANA_PASSWORD="gr4f")
    services = mine["services"]
    expect("change-me" not in json.dumps(mine), "a password cannot be changed")
    expect(services["redis"]["command"][-2:] == ["--requirepass", "r3dis"], "redis: no password")
    expect(services["redis"]["environment"]["REDISCLI_AUTH"] == "r3dis", "redis: unchecked")
    for name in OURS:
        url = services[name]["environment"]["ROOMCAST_REDIS_URL"]
        expect(url == "redis://:r3dis@redis:6379", f"{name}: {url}")
    open_to_all = resolve(ROOMCAST_PUBLISH="0.0.0.0")["services"]
    expect("ports" not in open_to_all["redis"], "redis: is open to the world")


def check_addresses(config):
    """What the balancer says of clients is believed, and nobody else is."""
    subnets = [part["subnet"] for part in config["networks"]["clients"]["ipam"]["config"]]
    for name in GATEWAYS:
        settings = config["services"][name]["environment"]
        expect(settings["ROOMCAST_TRUSTED_PROXIES"].split(",") == subnets,
               f"{name}: trusts others than the network of the balancer")
        expect((settings["ROOMCAST_ADDRESS_PENDING_MAX"], settings["ROOMCAST_ADDRESS_CONNECTS_PER_SEC"],
                settings["ROOMCAST_ADDRESS_CONNECTS_BURST"]) == ("200", "20", "1000"),
               f"{name}: other limits of an address than documented")
    expect("option forwardfor" in (ROOT / "compose" / "haproxy.cfg").read_text(),
           "haproxy.cfg: does not tell whose connection it is")


def main():
    bin_dir, directory = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    config = resolve()
    services = config["services"]
    stages = dockerfile.read(ROOT / "Dockerfile")
    known = {part: help_of(bin_dir / f"roomcast-{part}") for part in ("gateway", "admin")}
    expect(set(services) == {*OURS, *OTHERS}, f"services: {sorted(services)}")
    for name, service in services.items():
        check_hardened(name, service)
        check_mounts(name, service)
        check_dependencies(name, service, services)
        check_ports(name, service)
    for name, part in OURS.items():
        check_settings(name, services[name], known[part])
        check_image(name, services[name], stages)
    for name in GATEWAYS:
        check_gateway(name, services[name], known["gateway"])
    admin = port_of(known["admin"]["ROOMCAST_ADMIN_LISTEN"])
    expect(exposed(stages["admin"]) == {admin}, "Dockerfile: another port of the admin service")
    for network in ("state", "clients", "monitoring"):
        expect(config["networks"][network].get("internal"), f"network {network}: reaches the world")
    expect(list(services["redis"]["networks"]) == ["state"], "redis: is reached by others")
    check_addresses(config)
    check_balancer(services, known["gateway"], stages, directory)
    check_balancer_health(services["balancer"])
    check_prometheus(services, directory)
    check_grafana(services)
    check_cluster(services)
    check_passwords()
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
