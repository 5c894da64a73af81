"""Images without an engine: each stage of a Dockerfile is a directory, and its steps are run
there by chroot.

    base = make_base(dir / "base")            Debian, as slim as the image of that name
    images = Images(stages, context, base, dir)
    gateway = images.get("gateway")           runs what its stage and those before it say
    gateway.start([...], env)                 as a container: read-only, without privileges

Needs root, and a mount namespace of its own (see rehearse.py), which takes all mounts with
it. How this machine reaches its mirrors is lent to the steps below /run, and does not stay.
"""

import dataclasses
import fnmatch
import os
import pathlib
import shutil
import subprocess
import sys

import dockerfile

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SUITE = "bookworm"
LENT = "run/rehearsal"
OUTPUT_MAX = 8000  # of a step that fails
ATTEMPTS = 3
DEVICES = ["null", "zero", "full", "random", "urandom"]

# What Debian's image does without.
SLIM = [
    "usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale",
    "var/cache/apt/archives", "var/lib/apt/lists",
]  # fmt: skip
SLIM_DPKG = """\
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
"""
SLIM_APT = """\
Acquire::Languages "none";
Binary::apt::APT::Keep-Downloaded-Packages "false";
APT::Keep-Downloaded-Packages "false";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };
"""


def run(*argv, **more):
    subprocess.run([str(word) for word in argv], check=True, **more)


def output_of(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


# ---- the base ----


def find_mirror():
    listed = output_of(
        "apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"
    )
    for line in listed.splitlines():
        uri, _, release = line.partition(" ")
        if release == SUITE:
            return uri
    raise SystemExit(f"apt knows no mirror with {SUITE}")


def apt_proxies():
    """Lines of apt's configuration that say through whom it reaches its mirrors."""
    dump = output_of("apt-config", "dump")
    return [line for line in dump.splitlines() if line.startswith("Acquire::") and "Proxy" in line]


def proxy_environment():
    """The same for programs that look at the environment."""
    names = ("http_proxy", "https_proxy", "no_proxy")
    env = {name: os.environ[name] for name in names if name in os.environ}
    for line in apt_proxies():
        name, _, value = line.rstrip(";").partition(" ")
        if name in ("Acquire::http::Proxy", "Acquire::https::Proxy"):
            env.setdefault(name.split("::")[1] + "_proxy", value.strip('"'))
    return env


def debootstrap(tree):
    """The tree that was made; a mirror that fails for a moment is asked again, for another."""
    for attempt in range(1, ATTEMPTS + 1):
        new = tree.with_name(f"{tree.name}-{attempt}")
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", SUITE, new, find_mirror()],
            env=dict(os.environ, **proxy_environment()), stdout=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode == 0:
            return new
        print(f"debootstrap failed (attempt {attempt} of {ATTEMPTS})", file=sys.stderr)
    raise SystemExit("debootstrap made no tree")


def make_base(tree):
    if "REHEARSAL_BASE" in os.environ:
        run("cp", "-a", "--reflink=auto", os.environ["REHEARSAL_BASE"], tree)
    else:
        tree = debootstrap(tree)
    for path in SLIM:
        for inside in (tree / path).glob("*"):
            if inside.is_dir() and not inside.is_symlink():
                shutil.rmtree(inside)
            else:
                inside.unlink()
    (tree / "etc/dpkg/dpkg.cfg.d/docker").write_text(SLIM_DPKG)
    (tree / "etc/apt/apt.conf.d/docker").write_text(SLIM_APT)
    return tree


# ---- what `docker build` would see ----


def is_ignored(path, patterns):
    """The last pattern that fits the path, or a directory above it, decides."""
    ignored = False
    parts = path.split("/")
    above = ["/".join(parts[: i + 1]) for i in range(len(parts))]
    for pattern in patterns:
        keeps = pattern.startswith("!")
        pattern = pattern.lstrip("!").strip("/")
        if any(fnmatch.fnmatchcase(name, pattern) for name in above):
            ignored = not keeps
    return ignored


def make_context(source, into):
    """Copies what .dockerignore leaves."""
    text = (source / ".dockerignore").read_text()
    patterns = [line for line in text.splitlines() if line and not line.startswith("#")]
    for directory, directories, files in os.walk(source):
        here = pathlib.Path(directory)
        names = {name: (here / name).relative_to(source).as_posix() for name in directories}
        directories[:] = [name for name in directories if not is_ignored(names[name], patterns)]
        for name in files:
            path = (here / name).relative_to(source)
            if not is_ignored(path.as_posix(), patterns):
                (into / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(here / name, into / path)
    return into


# ---- images ----


@dataclasses.dataclass
class Image:
    tree: pathlib.Path
    env: dict = dataclasses.field(default_factory=lambda: {"PATH": PATH})
    labels: dict = dataclasses.field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    entrypoint: list = dataclasses.field(default_factory=list)
    healthcheck: list = dataclasses.field(default_factory=list)
    ports: list = dataclasses.field(default_factory=list)

    def inside(self, path):
        return self.tree / str(path).lstrip("/")

    def copy_to(self, tree):
        run("cp", "-a", "--reflink=auto", self.tree, tree)
        return Image(
            tree, dict(self.env), dict(self.labels), self.workdir, self.user,
            list(self.entrypoint), list(self.healthcheck), list(self.ports),
        )  # fmt: skip

    def start(self, argv, env=(), **more):
        """As `docker run --read-only --cap-drop ALL --security-opt no-new-privileges`, with
        the network of this machine. The process is `argv` itself, in a chroot."""
        tree = str(self.tree)
        script = (
            'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && '
            'mount -t proc -o ro proc "$0/proc" && '
            'exec setpriv --no-new-privs --inh-caps=-all chroot --groups= '
            f'--userspec={self.user} "$0" "$@"'
        )
        return subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, tree, *argv],
            env={**self.env, **dict(env)},
            stdin=subprocess.DEVNULL,
            **more,
        )


class Images:
    """The stages of a Dockerfile, each made when it is first asked for."""

    def __init__(self, stages, context, base, directory):
        self.stages, self.context, self.base = stages, context, base
        self.directory, self.made = directory, {}

    def get(self, name):
        if name not in self.made:
            stage = self.stages[name]
            parent = self.get(stage.base) if stage.base in self.stages else self.first(stage)
            image = parent.copy_to(self.directory / name)
            variables = {}
            for step in stage.steps:
                print(f"  {name}: {step.word} {step.text}", flush=True)
                self.take_step(image, step, variables)
            self.made[name] = image
        return self.made[name]

    def first(self, stage):
        if stage.base != f"debian:{SUITE}-slim":
            raise dockerfile.Refused(f"FROM {stage.base}: only debian:{SUITE}-slim is at hand")
        return Image(self.base)

    def take_step(self, image, step, variables):
        known = {**variables, **image.env}
        text = step.text
        if step.word == "RUN":
            self.run(image, text, {**variables, **image.env})
        elif step.word == "COPY":
            self.copy(image, step, known)
        elif step.word == "ARG":
            name, _, value = text.partition("=")
            variables[name] = dockerfile.substitute(value, known)
        elif step.word == "ENV":
            image.env.update(dockerfile.pairs(text, known))
        elif step.word == "LABEL":
            image.labels.update(dockerfile.pairs(text, known))
        elif step.word == "WORKDIR":
            image.workdir = os.path.join(image.workdir, dockerfile.substitute(text, known))
            image.inside(image.workdir).mkdir(parents=True, exist_ok=True)
        elif step.word == "USER":
            image.user = text
        elif step.word == "EXPOSE":
            image.ports += [int(port) for port in text.split()]
        elif step.word == "ENTRYPOINT":
            image.entrypoint = dockerfile.words_of_exec_form(text)
        elif step.word == "HEALTHCHECK":
            image.healthcheck = dockerfile.words_of_exec_form(text.removeprefix("CMD").strip())
        else:
            raise dockerfile.Refused(f"{step.word}: not done here")

    def copy(self, image, step, variables):
        words = [dockerfile.substitute(word, variables) for word in step.text.split()]
        *sources, to = words
        if set(step.flags) - {"from"}:
            raise dockerfile.Refused(f"COPY {step.flags}: only --from is done here")
        origin = self.get(step.flags["from"]).tree if "from" in step.flags else self.context
        target = image.inside(os.path.join(image.workdir, to))
        if to.endswith("/"):
            target.mkdir(parents=True, exist_ok=True)
        for source in sources:
            found = sorted(origin.glob(source.strip("/") or "."))
            if not found:
                raise dockerfile.Refused(f"COPY {source}: there is no such thing")
            for path in found:
                target.parent.mkdir(parents=True, exist_ok=True)
                of = f"{path}/." if path.is_dir() else path
                run("cp", "-a", "--no-preserve=ownership", of, target)

    def run(self, image, command, env):
        user, _, group = image.user.partition(":")

        def enter():
            os.chroot(image.tree)
            os.chdir(image.workdir)
            os.setgroups([])
            os.setgid(int(group or user))
            os.setuid(int(user))

        lent = image.tree / LENT
        mounts = self.lend(image, lent)
        try:
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                env={**env, "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive", **lent_env()},
                preexec_fn=enter, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            )  # fmt: skip
            if done.returncode != 0:
                sys.exit(f"{done.stdout[-OUTPUT_MAX:]}\nRUN {command}: failed")
        finally:
            for mount in reversed(mounts):
                run("umount", "--recursive", "--lazy", mount)
            lent.rmdir()

    def lend(self, image, lent):
        """Mounts what a container has, and how this machine reaches its mirrors."""
        lent.mkdir()
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", lent)
        run("mount", "-t", "proc", "proc", image.tree / "proc")
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", image.tree / "dev")
        for name in DEVICES:
            (image.tree / "dev" / name).touch()
            run("mount", "--bind", f"/dev/{name}", image.tree / "dev" / name)
        (image.tree / "dev/pts").mkdir()
        options = "newinstance,ptmxmode=0666,mode=0620"
        run("mount", "-t", "devpts", "-o", options, "devpts", image.tree / "dev/pts")
        (image.tree / "dev/ptmx").symlink_to("pts/ptmx")
        mounts = [lent, image.tree / "proc", image.tree / "dev"]
        resolv = image.tree / "etc/resolv.conf"
        if resolv.exists():
            run("mount", "--bind", "/etc/resolv.conf", resolv)
            mounts.append(resolv)
        else:
            shutil.copy("/etc/resolv.conf", resolv)
        for name in ("sources.list", "sources.list.d"):
            if os.path.exists(f"/etc/apt/{name}"):
                run("cp", "-a", f"/etc/apt/{name}", lent / name)
        (lent / "apt.conf").write_text(
            "\n".join(
                [
                    f'Dir::Etc::SourceList "/{LENT}/sources.list";',
                    f'Dir::Etc::SourceParts "/{LENT}/sources.list.d";',
                    f'Acquire::https::CaInfo "/{LENT}/ca.crt";',
                    'Acquire::Retries "3";',
                    *apt_proxies(),
                ]
            )
            + "\n"
        )
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", lent / "ca.crt")
        return mounts


def lent_env():
    return {
        "APT_CONFIG": f"/{LENT}/apt.conf",
        "NODE_EXTRA_CA_CERTS": f"/{LENT}/ca.crt",
        "NPM_CONFIG_REGISTRY": output_of("npm", "config", "get", "registry").strip(),
        **proxy_environment(),
    }


# ---- what an image adds ----


def added_files(image, base):
    """Paths that the base has not, or has otherwise."""
    for directory, _, files in os.walk(image.tree):
        for name in files:
            path = pathlib.Path(directory, name)
            below = base / path.relative_to(image.tree)
            now = path.lstat()
            then = below.lstat() if os.path.lexists(below) else None
            if not then or (now.st_size, now.st_mtime_ns, now.st_mode) != (
                then.st_size,
                then.st_mtime_ns,
                then.st_mode,
            ):
                yield path, now
