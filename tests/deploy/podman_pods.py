"""podman for tests: whether it can be used here, an image of this build, and Pods of our manifests on a network of
their own.

Debian's podman 4.3 plays a Pod as Kubernetes would but for a few things; `translated` is what is done about them."""

import atexit
import copy
import functools
import ipaddress
import json
import os
import re
import shutil
import subprocess
import tempfile

import clone
import yaml
from cluster import BIN, REPOSITORY, http_get

_DEBIAN = "docker.io/library/debian:bookworm-slim"
# Where a container's own limits may not be raised, nor its cgroup be made by systemd.
_CONFIGURATION = """\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
"""
_environment = dict(os.environ)


def podman(*words, timeout=120, stdin=b""):
    """(exit status, what it said)."""
    done = subprocess.run(["podman", *words], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=timeout, check=False, env=_environment)
    # What it remarks is left out where it works; logs are all of it.
    said = done.stdout if done.returncode == 0 and words[0] != "logs" else done.stdout + done.stderr
    return done.returncode, said.decode().strip()


def do(*words, timeout=120, stdin=b""):
    """What it said; it has to work."""
    status, said = podman(*words, timeout=timeout, stdin=stdin)
    assert status == 0, f"podman {' '.join(words)}: {said[-2000:]}"
    return said


def one_of(*images):
    """The first of these that is here; none: the first."""
    return next((image for image in images if podman("image", "exists", image)[0] == 0), images[0])


@functools.cache
def why_not(*images):
    """What keeps podman from it here; nothing: it can."""
    for program, package in (("podman", "podman"), ("catatonit", "catatonit")):
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/libexec/podman:/usr/lib/podman"):
            return f"{program} is not installed (apt-get install {package})"
    for image in (_DEBIAN, *images):
        if podman("image", "exists", image)[0] != 0:
            return f"podman has no image {image}, and tests fetch none (podman pull {image})"
    status, said = podman("run", "--rm", _DEBIAN, "true")
    if status != 0 and "CONTAINERS_CONF" not in os.environ:
        with tempfile.NamedTemporaryFile("w", prefix="dormouse-containers-", suffix=".conf", delete=False) as file:
            file.write(_CONFIGURATION)
        atexit.register(os.unlink, file.name)
        _environment["CONTAINERS_CONF"] = file.name
        status, said = podman("run", "--rm", _DEBIAN, "true")
    return f"podman runs no containers here: {said.splitlines()[-1:]}" if status else ""


def build(name, directory):
    """The image of deploy/Dockerfile, with the programs of this build in place of what its stage `build` compiles."""
    source = os.path.join(directory, "src")
    os.mkdir(source)
    clone.make(source)
    programs = os.path.join(source, "build", "release", "bin")
    os.makedirs(programs)
    for program in ("dormouse-gateway", "dormouse-statekeeper", "dormousectl", "dormouse-load"):
        shutil.copy2(os.path.join(BIN, program), programs)
    with open(os.path.join(REPOSITORY, "deploy", "Dockerfile"), encoding="utf-8") as file:
        stage = file.read()
    # What that stage writes besides.
    for command, path in re.findall(r"^RUN (.+) > /src/(build/\S+)$", stage, re.M):
        subprocess.run(f"{command} > {path}", shell=True, cwd=source, stdin=subprocess.DEVNULL, check=True)
    for component, path in re.findall(r"^RUN cmake --install build/release --component (\S+) --prefix /src/(\S+)$", stage, re.M):
        subprocess.run(["cmake", "--install", os.path.dirname(BIN), "--component", component, "--prefix",
                        os.path.join(source, path)], stdout=subprocess.DEVNULL, check=True)
    # The network is for Debian's packages.
    do("build", "--isolation=chroot", "--network=host", "--build-context", f"build={directory}", "-f",
       os.path.join(REPOSITORY, "deploy", "Dockerfile"), "-t", name, REPOSITORY, timeout=3600)


def translated(template, name, address, contents, claims):
    """A Pod that podman 4.3 plays, of a pod's template. What is done about it, all of it:

    - It gets a name that no other pod of this machine has, since podman has no namespaces; and so do its volumes.
    - status.podIP, which podman does not know, is the address that the pod is about to get; $(NAME) is put in, too.
    - Secrets are shown as ConfigMaps, since podman shows those undecoded. Their modes are 0644, not defaultMode.
    - Claims become directories of this machine, of group fsGroup, as a kubelet gives them.
    - Probes and preStop are taken out: podman would need curl in the image, and knows no preStop. Tests do what they
      say (Pod.is_ready, Pod.evict).
    - Ports are taken out: podman would open them on this machine. They can be reached at the pod's address anyway.

    Podman itself passes over what is for others: topology spread, accounts, fsGroup of other volumes, requests; and
    there are no NetworkPolicies, no ports of Services (their names lead to all pods that they select, ready or not),
    and no controllers: tests make, stop and replace the pods.

    `contents`: {name of a Secret or ConfigMap: {key: text}}. `claims`: where directories are made. The YAML."""
    template = copy.deepcopy(template)
    spec = template["spec"]
    maps = []
    for container in spec["containers"]:
        for what in ("startupProbe", "livenessProbe", "readinessProbe", "lifecycle", "ports"):
            container.pop(what, None)
        values = {}
        for entry in container.get("env", []):
            source = entry.pop("valueFrom", None)
            if source is not None:
                assert source == {"fieldRef": {"fieldPath": "status.podIP"}}
                entry["value"] = address
            entry["value"] = re.sub(r"\$\((\w+)\)", lambda match, known=values: known[match[1]], entry["value"])
            values[entry["name"]] = entry["value"]
        for mount in container.get("volumeMounts", []):
            mount["name"] = f"{name}-{mount['name']}"
    for volume in spec["volumes"]:
        secret = volume.pop("secret", None)
        if secret is not None:
            volume["configMap"] = {"name": secret["secretName"], "items": secret["items"]}
        volume["name"] = f"{name}-{volume['name']}"
        if "configMap" in volume:
            source = volume["configMap"]
            maps.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-{source['name']}"},
                         "data": contents[source["name"]]})
            source.update(name=f"{name}-{source['name']}", optional=False)
        elif "persistentVolumeClaim" in volume:
            directory = os.path.join(claims, volume.pop("persistentVolumeClaim")["claimName"])
            os.makedirs(directory, exist_ok=True)
            os.chown(directory, -1, spec["securityContext"]["fsGroup"])
            os.chmod(directory, 0o2770)
            volume["hostPath"] = {"path": directory, "type": "Directory"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": template["metadata"]["labels"]},
           "spec": spec}
    return yaml.safe_dump_all([*maps, pod])


class Pod:
    """A pod that runs: of an object of the manifests, at an address."""

    def __init__(self, name, address, spec):
        self.name = name
        self.address = address
        self.spec = spec
        self._container = spec["containers"][0]

    @property
    def container(self):
        return f"{self.name}-{self._container['name']}"

    def _inspect(self, what):
        return do("inspect", "--type", "container", "--format", what, self.container)

    @property
    def pid(self):
        return int(self._inspect("{{.State.Pid}}"))

    @property
    def restarts(self):
        return int(self._inspect("{{.RestartCount}}"))

    def execute(self, *words):
        return podman("exec", self.container, *words)

    def log(self):
        return podman("logs", self.container)[1]

    def is_ready(self):
        """What its readinessProbe says."""
        probe = self._container["readinessProbe"]
        if "exec" in probe:
            return self.execute(*probe["exec"]["command"])[0] == 0
        return self.readiness().startswith("ready")

    def readiness(self):
        """What it answers to its readinessProbe; nothing: it does not."""
        wanted = self._container["readinessProbe"]["httpGet"]
        (port,) = [each["containerPort"] for each in self._container["ports"] if each["name"] == wanted["port"]]
        try:
            return http_get(port, wanted["path"], host=self.address)[1]
        except OSError:
            return ""

    def evict(self):
        """Stops it as a kubelet does: preStop, SIGTERM, and SIGKILL when the grace period is over. Returns the exit
        status of its container."""
        if stop := self._container.get("lifecycle"):
            status, said = self.execute(*stop["preStop"]["exec"]["command"])
            assert status == 0, said
        # The container alone: with the pod podman stops its network at the same time.
        do("stop", "-t", str(self.spec.get("terminationGracePeriodSeconds", 30)), self.container)
        status = int(self._inspect("{{.State.ExitCode}}"))
        self.remove()
        return status

    def wait(self, seconds):
        """The exit status of its container, when it has ended."""
        return int(do("wait", self.container, timeout=seconds))

    def remove(self):
        do("pod", "rm", "--force", "--time", "0", self.name)


class Pods:
    """Pods of manifests, as podman plays them. `objects`: by kind and name."""

    def __init__(self, objects, images):
        """`images`: what is played in place of those that the objects name."""
        self.objects = objects
        self.contents = {name: each["data"] for (kind, name), each in objects.items() if kind == "ConfigMap"}
        self._images = images
        self.prefix = f"dormouse-test-{os.getpid()}"
        self._directory = tempfile.mkdtemp(prefix="dormouse-pods-")
        self._made = 0
        self._names = []

    def __enter__(self):
        # Nobody in it reaches anything else.
        do("network", "create", "--internal", self.prefix)
        (network,) = json.loads(do("network", "inspect", self.prefix))
        self._addresses = ipaddress.ip_network(network["subnets"][0]["subnet"])
        return self

    def __exit__(self, *_):
        podman("pod", "rm", "--force", "--time", "0", "--ignore", *self._names)
        volumes = podman("volume", "ls", "--quiet")[1].split()
        podman("volume", "rm", "--force", *(each for each in volumes if each.startswith(self.prefix)))
        podman("network", "rm", self.prefix)
        shutil.rmtree(self._directory)

    @property
    def host(self):
        """This machine's own address on the network."""
        return str(self._addresses[1])

    def play(self, kind, name, ordinal=0, address=None, change=None):
        """Starts a pod of an object. `change`: of the template, as an overlay would do it."""
        each = self.objects[kind, name]
        template = copy.deepcopy(each["spec"]["template"])
        for claim in each["spec"].get("volumeClaimTemplates", []):
            volume = claim["metadata"]["name"]
            template["spec"].setdefault("volumes", []).append(
                {"name": volume, "persistentVolumeClaim": {"claimName": f"{volume}-{name}-{ordinal}"}})
        for container in template["spec"]["containers"]:
            container["image"] = self._images[container["image"].rpartition(":")[0]]
        if change is not None:
            change(template["spec"])
        self._made += 1
        address = address or str(self._addresses[9 + self._made])
        own = f"{self.prefix}-{self._made}-{name}-{ordinal}"
        aliases = [service["metadata"]["name"] for (what, _), service in self.objects.items() if what == "Service"
                   and service["spec"]["selector"].items() <= template["metadata"]["labels"].items()]
        path = os.path.join(self._directory, own + ".yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(translated(template, own, address, self.contents, self._directory))
        self._names.append(own)
        network = ",".join([f"{self.prefix}:ip={address}", *(f"alias={alias}" for alias in aliases)])
        do("kube", "play", "--network", network, path)
        return Pod(own, address, template["spec"])
