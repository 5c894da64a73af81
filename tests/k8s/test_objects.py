"""What k8s/ renders to: sound for the API, consistent in itself, and as safe as it says."""

import base64
import ipaddress
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

import cluster
from cluster import HERE, ROOT, labels_of, of_kind, pods, selects

OURS = ("roomcast-gateway", "roomcast-admin")
OPERATORS_OWN = "PodMonitor"  # a kind that only the Prometheus operator knows
ANNOTATIONS = "nginx.ingress.kubernetes.io/"

variants = {}
base = []  # without Secrets, and nothing of it overridden
validator = None


def setUpModule():
    global validator
    validator = subprocess.Popen(["node", HERE / "validate.mjs"], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
    unittest.addModuleCleanup(end_validator)
    with cluster.Tree() as tree:
        assert tree.make_secrets("redis.example:6379").returncode == 0
        base.extend(tree.render("../base"))
        variants["dev"] = tree.render("dev")
        variants["production"] = tree.render("production")
        variants["production with all"] = tree.render("production", ["redis", "podmonitor"])
        variants["on a cluster"] = tree.render("production", ["redis-cluster"])
        variants["behind Sentinels"] = tree.render("production", ["redis-sentinel"])


def validate(objects):
    """The faults, a text each."""
    validator.stdin.write(json.dumps(objects) + "\n")
    validator.stdin.flush()
    return json.loads(validator.stdout.readline())


def end_validator():
    validator.stdin.close()
    validator.stdout.close()
    validator.wait()


def each_container(objects):
    for workload, template in pods(objects):
        for container in template["spec"]["containers"]:
            yield workload, template["spec"], container


def ports_of(spec):
    """name -> number, of all containers."""
    return {port["name"]: port["containerPort"]
            for container in spec["containers"] for port in container.get("ports", [])}


class Objects(unittest.TestCase):
    def each_variant(self):
        yield from variants.values()

    def each_pod(self):
        for objects in self.each_variant():
            yield from pods(objects)

    def assert_selects_a_pod(self, objects, selector):
        self.assertTrue(any(selects(selector, labels_of(template))
                            for _, template in pods(objects)), selector)

    # ---- the API ----

    def test_the_api_knows_every_field(self):
        for objects in self.each_variant():
            known = [each for each in objects if each["kind"] != OPERATORS_OWN]
            self.assertEqual(validate(known), [])

    def test_two_objects_have_two_names_and_a_namespace(self):
        for objects in self.each_variant():
            names = [(each["kind"], each["metadata"]["name"]) for each in objects]
            self.assertEqual(len(names), len(set(names)))
            [namespace] = of_kind(objects, "Namespace")
            for each in objects:
                if each is not namespace:
                    self.assertEqual(each["metadata"]["namespace"],
                                     namespace["metadata"]["name"])

    # ---- what belongs together ----

    def test_a_workload_selects_its_own_pods(self):
        for workload, template in self.each_pod():
            if workload["kind"] == "Job":
                continue  # the API makes its selector
            self.assertTrue(selects(workload["spec"]["selector"], labels_of(template)))
            for spread in template["spec"].get("topologySpreadConstraints", []):
                self.assertTrue(selects(spread["labelSelector"], labels_of(template)))

    def test_a_service_leads_to_a_port_of_pods(self):
        for objects in self.each_variant():
            for service in of_kind(objects, "Service"):
                found = [template for _, template in pods(objects)
                         if selects({"matchLabels": service["spec"]["selector"]},
                                    labels_of(template))]
                self.assertEqual(len(found), 1, service["metadata"]["name"])
                ports = ports_of(found[0]["spec"])
                for port in service["spec"]["ports"]:
                    self.assertEqual(ports[port["targetPort"]], port["port"])

    def test_the_ingress_leads_to_a_service_and_its_port(self):
        for objects in self.each_variant():
            [ingress] = of_kind(objects, "Ingress")
            for rule in ingress["spec"]["rules"]:
                for path in rule["http"]["paths"]:
                    to = path["backend"]["service"]
                    service = cluster.named(objects, "Service", to["name"])
                    self.assertIn(to["port"]["name"],
                                  [port["name"] for port in service["spec"]["ports"]])

    def test_budgets_policies_and_monitors_select_pods(self):
        for objects in self.each_variant():
            for each in of_kind(objects, "PodDisruptionBudget", OPERATORS_OWN):
                self.assert_selects_a_pod(objects, each["spec"]["selector"])
            for each in of_kind(objects, "NetworkPolicy"):
                self.assert_selects_a_pod(objects, each["spec"]["podSelector"])
                rules = each["spec"].get("ingress", []) + each["spec"].get("egress", [])
                for rule in rules:
                    for peer in rule.get("from", []) + rule.get("to", []):
                        if "podSelector" in peer:
                            self.assert_selects_a_pod(objects, peer["podSelector"])

    def test_a_policy_opens_only_ports_that_its_pods_have(self):
        for objects in self.each_variant():
            for policy in of_kind(objects, "NetworkPolicy"):
                for _, template in pods(objects):
                    if not selects(policy["spec"]["podSelector"], labels_of(template)):
                        continue
                    for rule in policy["spec"].get("ingress", []):
                        for port in rule["ports"]:
                            self.assertIn(port["port"], ports_of(template["spec"]).values())

    def test_every_pod_is_closed_but_for_what_a_policy_opens(self):
        for objects in self.each_variant():
            closed = [each for each in of_kind(objects, "NetworkPolicy")
                      if each["spec"]["podSelector"] == {}]
            self.assertEqual([each["spec"]["policyTypes"] for each in closed],
                             [["Ingress", "Egress"]])
            self.assertNotIn("ingress", closed[0]["spec"])
            self.assertNotIn("egress", closed[0]["spec"])

    def test_only_the_programs_reach_the_redis_of_the_cluster(self):
        for objects in (variants["dev"], variants["production with all"]):
            policy = cluster.named(objects, "NetworkPolicy", "roomcast-redis")["spec"]
            [peer] = policy["ingress"][0]["from"]
            self.assertEqual(len(policy["ingress"]), 1)
            self.assertEqual(
                [labels_of(template)["app.kubernetes.io/name"]
                 for _, template in pods(objects)
                 if selects(peer["podSelector"], labels_of(template))],
                ["roomcast-admin", "roomcast-gateway"])
            egress = cluster.named(objects, "NetworkPolicy", "roomcast-to-redis")["spec"]
            self.assertIn("to", egress["egress"][1])

    def reached_by(self, objects, rule):
        """Whose pods a rule of a policy lets in, by name."""
        return sorted(labels_of(template)["app.kubernetes.io/name"]
                      for _, template in pods(objects) for peer in rule["from"]
                      if selects(peer["podSelector"], labels_of(template)))

    def test_nodes_of_a_redis_cluster_are_reached_by_each_other_and_who_needs_them(self):
        objects = variants["on a cluster"]
        policy = cluster.named(objects, "NetworkPolicy", "roomcast-redis-cluster")["spec"]
        reached = {port["port"]: set() for rule in policy["ingress"] for port in rule["ports"]}
        for rule in policy["ingress"]:
            for port in rule["ports"]:
                reached[port["port"]] |= set(self.reached_by(objects, rule))
        self.assertEqual(reached, {
            6379: {"roomcast-admin", "roomcast-gateway", "roomcast-redis-cluster",
                   "roomcast-redis-cluster-create"},
            16379: {"roomcast-redis-cluster"}})
        [peer] = cluster.named(objects, "NetworkPolicy", "roomcast-to-redis")["spec"]["egress"][
            1]["to"]
        self.assertEqual(peer["podSelector"]["matchLabels"],
                         {"app.kubernetes.io/name": "roomcast-redis-cluster"})

    def test_nodes_of_a_redis_cluster_are_named_as_they_are(self):
        objects = variants["on a cluster"]
        nodes = cluster.named(objects, "StatefulSet", "roomcast-redis-cluster")
        name, domain = nodes["metadata"]["name"], nodes["spec"]["serviceName"]
        service = cluster.named(objects, "Service", domain)["spec"]
        self.assertIs(service["publishNotReadyAddresses"], True)
        hosts = [f"{name}-{i}.{domain}:6379" for i in range(nodes["spec"]["replicas"])]
        [node] = nodes["spec"]["template"]["spec"]["containers"]
        settings = cluster.environment(objects, node)
        self.assertEqual(settings["NODE_PEERS"].split(), hosts)
        self.assertEqual(settings["NODE_DOMAIN"], domain)
        [create] = cluster.named(objects, "Job", "roomcast-redis-cluster-create")["spec"][
            "template"]["spec"]["containers"]
        settings = cluster.environment(objects, create)
        self.assertEqual(settings["CLUSTER_NODES"].split(), hosts)
        self.assertEqual(2 * int(settings["CLUSTER_MASTERS"]), len(hosts))
        self.assertEqual(create["image"], node["image"])

    def test_sentinels_and_what_they_watch_are_reached_by_each_other_and_the_programs(self):
        objects = variants["behind Sentinels"]
        both = ["roomcast-admin", "roomcast-gateway", "roomcast-redis-failover",
                "roomcast-sentinel"]
        for name, port in (("roomcast-redis-failover", 6379), ("roomcast-sentinel", 26379)):
            [rule] = cluster.named(objects, "NetworkPolicy", name)["spec"]["ingress"]
            self.assertEqual(self.reached_by(objects, rule), both)
            self.assertEqual([each["port"] for each in rule["ports"]], [port])
        egress = cluster.named(objects, "NetworkPolicy", "roomcast-to-redis")["spec"]["egress"]
        self.assertEqual(
            {rule["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/name"]:
             [port["port"] for port in rule["ports"]] for rule in egress[1:]},
            {"roomcast-redis-failover": [6379], "roomcast-sentinel": [26379]})

    def test_sentinels_and_what_they_watch_know_each_other(self):
        objects = variants["behind Sentinels"]
        settings, names = {}, {}
        for name in ("roomcast-redis-failover", "roomcast-sentinel"):
            workload = cluster.named(objects, "StatefulSet", name)
            [container] = workload["spec"]["template"]["spec"]["containers"]
            domain = workload["spec"]["serviceName"]
            service = cluster.named(objects, "Service", domain)["spec"]
            self.assertIs(service["publishNotReadyAddresses"], True)
            settings[name] = cluster.environment(objects, container)
            self.assertEqual(settings[name]["NODE_DOMAIN"], domain)
            names[name] = [f"{name}-{i}.{domain}" for i in range(workload["spec"]["replicas"])]
        redis, sentinel = settings.values()
        first = names["roomcast-redis-failover"][0]
        self.assertEqual(redis["NODE_FIRST"], first)
        self.assertEqual(sentinel["NODE_FIRST"], f"{first}:6379")
        self.assertEqual(redis["NODE_SENTINELS"].split(),
                         [f"{name}:26379" for name in names["roomcast-sentinel"]])
        self.assertEqual(redis["SENTINEL_MASTER"], sentinel["SENTINEL_MASTER"])
        self.assertGreater(2 * int(sentinel["SENTINEL_QUORUM"]), len(names["roomcast-sentinel"]))
        told = (ROOT / "k8s/components/redis-sentinel/kustomization.yaml").read_text()
        command = re.search(r"make-secrets DIR (\S+) redis\+sentinel", told)[1]
        self.assertEqual(command.replace("$s", "roomcast-sentinel"),
                         ",".join(redis["NODE_SENTINELS"].split()) + "/roomcast")

    def test_scripts_of_a_redis_cluster_are_those_of_compose(self):
        for name in ("redis-node", "redis-cluster-create"):
            self.assertEqual((ROOT / "compose" / name).read_text(),
                             (ROOT / "k8s/components/redis-cluster" / name).read_text())

    def test_a_redis_cluster_has_the_settings_of_the_one_redis_and_its_own(self):
        def words_of(name):
            lines = (ROOT / "k8s/components" / name / "redis.conf").read_text().splitlines()
            return [line for line in lines if line and not line.startswith("#")]

        one, nodes = words_of("redis"), words_of("redis-cluster")
        self.assertEqual(words_of("redis-sentinel"), one)
        self.assertEqual(nodes[:len(one)], one)
        self.assertIn("cluster-enabled yes", nodes[len(one):])

    def test_the_scaler_scales_the_gateways_and_is_alone_in_it(self):
        for objects in self.each_variant():
            [scaler] = of_kind(objects, "HorizontalPodAutoscaler")
            target = scaler["spec"]["scaleTargetRef"]
            workload = cluster.named(objects, target["kind"], target["name"])
            self.assertNotIn("replicas", workload["spec"])
            for container in workload["spec"]["template"]["spec"]["containers"]:
                self.assertIn("cpu", container["resources"]["requests"])
            self.assertLessEqual(scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"])

    def test_a_budget_lets_nodes_be_drained(self):
        scaler = of_kind(variants["production"], "HorizontalPodAutoscaler")[0]
        self.assertGreater(scaler["spec"]["minReplicas"], 1)
        for budget in of_kind(variants["production"], "PodDisruptionBudget"):
            self.assertEqual(budget["spec"]["maxUnavailable"], 1)

    def test_a_pod_finds_what_it_mounts(self):
        for objects in self.each_variant():
            for _, template in pods(objects):
                spec = template["spec"]
                volumes = {volume["name"]: volume for volume in spec["volumes"]}
                for volume in volumes.values():
                    if "secret" not in volume:
                        continue
                    secret = cluster.named(
                        objects, "Secret", cluster.unhashed(volume["secret"]["secretName"]))
                    for item in volume["secret"]["items"]:
                        self.assertIn(item["key"], secret["data"])
                claims = [each for each, its in pods(objects) if its is template]
                claimed = {each["metadata"]["name"]
                           for each in claims[0]["spec"].get("volumeClaimTemplates", [])}
                for container in spec["containers"]:
                    for mount in container["volumeMounts"]:
                        self.assertIn(mount["name"], {*volumes, *claimed})

    def test_files_that_settings_name_are_mounted(self):
        for objects in self.each_variant():
            for _, spec, container in each_container(objects):
                volumes = {volume["name"]: volume for volume in spec["volumes"]}
                files = {f"{mount['mountPath']}/{item['path']}"
                         for mount in container["volumeMounts"]
                         for item in volumes.get(mount["name"], {}).get("secret", {})
                         .get("items", [])}
                for name, value in cluster.environment(objects, container).items():
                    if name.endswith("_FILE"):
                        self.assertIn(value, files)

    # ---- how pods live and end ----

    def test_a_pod_has_time_to_end(self):
        for objects in (base, *self.each_variant()):
            for workload, spec, container in each_container(objects):
                name = workload["metadata"]["name"]
                if name not in OURS:
                    continue
                settings = cluster.environment(objects, container)
                sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
                drain = int(settings["ROOMCAST_DRAIN_SECS"]) if name == OURS[0] else 0
                self.assertGreaterEqual(spec["terminationGracePeriodSeconds"],
                                        sleep + drain + 5, name)
                self.assertGreater(sleep, 0)

    def test_a_new_gateway_is_there_before_an_old_one_goes(self):
        for objects in self.each_variant():
            for name in OURS:
                strategy = cluster.named(objects, "Deployment", name)["spec"]["strategy"]
                self.assertEqual(strategy["rollingUpdate"],
                                 {"maxUnavailable": 0, "maxSurge": 1})

    def test_every_container_has_three_probes_at_a_port_of_its_own(self):
        for objects in self.each_variant():
            for workload, spec, container in each_container(objects):
                if workload["kind"] == "Job":
                    continue
                for which in ("startupProbe", "readinessProbe", "livenessProbe"):
                    probe = container[which]
                    action = probe.get("httpGet") or probe.get("tcpSocket")
                    if action:
                        self.assertIn(action["port"], ports_of(spec))
                    # The default is one second.
                    if which != "startupProbe":
                        self.assertGreater(probe["timeoutSeconds"], 1)

    def test_readiness_alone_depends_on_redis(self):
        for objects in self.each_variant():
            for name in OURS:
                [container] = cluster.named(objects, "Deployment", name)["spec"]["template"][
                    "spec"]["containers"]
                paths = {which: container[f"{which}Probe"]["httpGet"]["path"]
                         for which in ("startup", "readiness", "liveness")}
                self.assertEqual(paths, {"startup": "/healthz", "readiness": "/readyz",
                                         "liveness": "/healthz"})

    def test_a_proxy_waits_longer_than_two_pings(self):
        for objects in (base, *self.each_variant()):
            [ingress] = of_kind(objects, "Ingress")
            [container] = cluster.named(objects, "Deployment", OURS[0])["spec"]["template"][
                "spec"]["containers"]
            ping = int(cluster.environment(objects, container)["ROOMCAST_PING_INTERVAL_SECS"])
            for which in ("read", "send"):
                text = ingress["metadata"]["annotations"][f"{ANNOTATIONS}proxy-{which}-timeout"]
                self.assertGreater(int(text), 2 * ping)

    def test_one_address_has_its_share_behind_a_named_proxy(self):
        for objects in (base, *self.each_variant()):
            [container] = cluster.named(objects, "Deployment", OURS[0])["spec"]["template"][
                "spec"]["containers"]
            settings = cluster.environment(objects, container)
            self.assertEqual([settings[f"ROOMCAST_ADDRESS_{name}"] for name in
                              ("PENDING_MAX", "CONNECTS_PER_SEC", "CONNECTS_BURST")],
                             ["200", "20", "1000"])
            for network in settings["ROOMCAST_TRUSTED_PROXIES"].split(","):
                self.assertTrue(ipaddress.ip_network(network).is_private or
                                network == "100.64.0.0/10", network)

    # ---- what nobody may do ----

    def test_every_pod_is_restricted(self):
        for _, template in self.each_pod():
            context = template["spec"]["securityContext"]
            self.assertIs(context["runAsNonRoot"], True)
            self.assertGreater(context["runAsUser"], 0)
            self.assertEqual(context["seccompProfile"], {"type": "RuntimeDefault"})
            self.assertIs(template["spec"]["automountServiceAccountToken"], False)
            for forbidden in ("hostNetwork", "hostPID", "hostIPC", "initContainers",
                              "ephemeralContainers"):
                self.assertNotIn(forbidden, template["spec"])
            for volume in template["spec"]["volumes"]:
                self.assertTrue(set(volume) <= {"name", "secret", "configMap"}, volume)

    def test_every_container_is_restricted(self):
        for objects in self.each_variant():
            for _, _, container in each_container(objects):
                self.assertEqual(container["securityContext"],
                                 {"allowPrivilegeEscalation": False,
                                  "readOnlyRootFilesystem": True,
                                  "capabilities": {"drop": ["ALL"]}})
                for port in container.get("ports", []):
                    self.assertNotIn("hostPort", port)
                self.assertEqual(container["resources"]["limits"].keys(), {"memory"})

    def test_services_leave_no_variables(self):
        for _, template in self.each_pod():
            self.assertIs(template["spec"]["enableServiceLinks"], False)

    def test_namespaces_enforce_what_pods_keep(self):
        for objects in self.each_variant():
            [namespace] = of_kind(objects, "Namespace")
            self.assertEqual(labels_of(namespace)["pod-security.kubernetes.io/enforce"],
                             "restricted")

    def test_nothing_secret_is_in_the_environment(self):
        for objects in self.each_variant():
            for _, _, container in each_container(objects):
                settings = cluster.environment(objects, container)
                self.assertTrue({"AUTH_TOKEN", "ROOMCAST_REDIS_URL"}.isdisjoint(settings))

    # ---- versions ----

    def test_images_have_the_one_version_and_never_latest(self):
        for objects in self.each_variant():
            for workload, _, container in each_container(objects):
                name, _, tag = container["image"].rpartition(":")
                self.assertRegex(tag, r"^[0-9]+\.[0-9]+\.[0-9]+")
                if workload["metadata"]["name"] in OURS:
                    self.assertEqual(tag, cluster.version())
                    self.assertEqual(name.rpartition("/")[2], workload["metadata"]["name"])

    # ---- monitoring ----

    def test_annotations_tell_the_port_of_the_metrics(self):
        for objects in self.each_variant():
            for name, port in zip(OURS, ("ops", "http")):
                template = cluster.named(objects, "Deployment", name)["spec"]["template"]
                notes = template["metadata"]["annotations"]
                self.assertEqual(notes["prometheus.io/port"],
                                 str(ports_of(template["spec"])[port]))
                self.assertEqual(notes["prometheus.io/path"], "/metrics")

    def test_prometheus_finds_the_ports_by_name(self):
        """Debian's promtool does not know of Kubernetes: it is shown the rest."""
        config = yaml.safe_load((ROOT / "monitoring" / "kubernetes.yml").read_text())
        [scrape] = config["scrape_configs"]
        self.assertEqual(scrape.pop("kubernetes_sd_configs"), [{"role": "pod"}])
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "prometheus.yml"
            path.write_text(yaml.dump(config))
            shutil.copy(ROOT / "monitoring" / "alerts.yml", directory)
            done = subprocess.run(["promtool", "check", "config", path], capture_output=True,
                                  text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        kept = scrape["relabel_configs"][0]
        for objects in self.each_variant():
            named = {f"{labels_of(template)['app.kubernetes.io/name']}/{port}"
                     for _, template in pods(objects) for port in ports_of(template["spec"])}
            for name in kept["regex"].split("|"):
                self.assertIn(name, named)

    def test_monitors_make_the_jobs_that_the_alerts_name(self):
        alerts = (ROOT / "monitoring" / "alerts.yml").read_text()
        jobs = set(re.findall(r'job="([\w-]+)"', alerts))
        objects = variants["production with all"]
        found = set()
        for monitor in of_kind(objects, OPERATORS_OWN):
            spec = monitor["spec"]
            self.assertEqual(spec.keys(), {"jobLabel", "selector", "podMetricsEndpoints"})
            [template] = [template for _, template in pods(objects)
                          if selects(spec["selector"], labels_of(template))]
            found.add(labels_of(template)[spec["jobLabel"]])
            for endpoint in spec["podMetricsEndpoints"]:
                self.assertIn(endpoint["port"], ports_of(template["spec"]))
        self.assertEqual(found, jobs)


class Validator(unittest.TestCase):
    """It must not let through what an API server would not."""

    def validate_changed(self, change):
        """The one fault of dev after a change."""
        objects = json.loads(json.dumps(variants["dev"]))
        change(objects)
        [fault] = validate(objects)
        return fault

    def test_a_misspelt_field_is_a_fault(self):
        def misspell(objects):
            spec = cluster.named(objects, "Deployment", OURS[0])["spec"]["template"]["spec"]
            spec["terminationGracePeriodSecs"] = spec.pop("terminationGracePeriodSeconds")

        self.assertIn("must NOT have additional properties terminationGracePeriodSecs",
                      self.validate_changed(misspell))

    def test_a_field_deep_down_is_one_too(self):
        def misspell(objects):
            [container] = cluster.named(objects, "Deployment", OURS[0])["spec"]["template"][
                "spec"]["containers"]
            container["securityContext"]["readOnlyRootFileSystem"] = True

        self.assertIn("readOnlyRootFileSystem", self.validate_changed(misspell))

    def test_a_value_of_another_type_is_a_fault(self):
        def quote(objects):
            of_kind(objects, "PodDisruptionBudget")[0]["spec"]["selector"] = "all"

        self.assertIn("/spec/selector must be object", self.validate_changed(quote))

    def test_a_field_that_lacks_is_a_fault(self):
        def forget(objects):
            del cluster.named(objects, "StatefulSet", "roomcast-redis")["spec"]["selector"]

        self.assertIn("must have required property 'selector'", self.validate_changed(forget))

    def test_an_old_version_of_the_api_is_a_fault(self):
        def age(objects):
            of_kind(objects, "HorizontalPodAutoscaler")[0]["apiVersion"] = "autoscaling/v1"

        self.assertIn("/apiVersion must be equal", self.validate_changed(age))

    def test_an_unknown_kind_is_a_fault(self):
        self.assertIn("does not name", validate([{"apiVersion": "v1", "kind": "Deploiment"}])[0])


class Production(unittest.TestCase):
    def test_it_does_not_render_without_secrets(self):
        with cluster.Tree() as tree:
            done = tree.kustomize("production")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("secrets/redis-url", done.stderr)

    def test_its_secrets_are_new_ones_each_time(self):
        texts = []
        for _ in range(2):
            with cluster.Tree() as tree:
                self.assertEqual(tree.make_secrets().returncode, 0)
                texts.append(yaml.dump(of_kind(tree.render("production"), "Secret")))
        self.assertNotEqual(texts[0], texts[1])

    def test_secrets_that_are_there_are_kept(self):
        with cluster.Tree() as tree:
            tree.make_secrets()
            path = tree.k8s / "overlays/production/secrets/redis-url"
            before = path.read_text()
            done = tree.make_secrets()
            self.assertEqual((done.returncode, path.read_text()), (1, before))
            self.assertIn("exists", done.stderr)
            self.assertEqual(path.stat().st_mode & 0o077, 0)

    def test_users_have_the_rights_that_the_documentation_gives(self):
        page = (ROOT / "docs" / "redis.md").read_text()
        told = re.search(r"acl setuser roomcast on '>secret' (.*?)\n```", page, re.S)[1]
        in_cluster = re.search(r"In a cluster `(.*?)` as well", page)[1]
        told = re.sub(r"[\\']", "", f"{told} {in_cluster}").split()
        for name in ("dev", "production"):
            [secret] = [each for each in of_kind(variants[name], "Secret")
                        if "users.acl" in each["data"]]
            lines = base64.b64decode(secret["data"]["users.acl"]).decode().splitlines()
            self.assertEqual(lines[0], "user default on nopass -@all +ping")
            self.assertEqual(lines[1].split()[4:], told)

    def test_nothing_of_dev_is_in_it(self):
        dev = of_kind(variants["dev"], "Secret")
        words = {value for secret in dev for value in secret["data"].values()}
        for name in ("production", "production with all"):
            secrets = of_kind(variants[name], "Secret")
            for secret in secrets:
                self.assertTrue(words.isdisjoint(secret["data"].values()))

    @unittest.skipUnless((ROOT / ".git").exists(), "not a clone")
    def test_git_would_not_take_its_secrets(self):
        for name in ("redis-url", "users.acl", "node-password", "sentinel-password",
                     "auth-token"):
            path = f"k8s/overlays/production/secrets/{name}"
            self.assertEqual(
                subprocess.run(["git", "check-ignore", "-q", "--no-index", path], cwd=ROOT)
                .returncode, 0)


if __name__ == "__main__":
    unittest.main()
