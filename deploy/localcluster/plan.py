"""What a cluster consists of: the processes, their command lines, ports and the order in which they stop."""

import os
import re
from dataclasses import dataclass, field

import ports
from layout import Failure

# Options that follow from others of `up`, and what to use in their place.
_OWN = {
    "data": "--data",
    "listen": "--host and --port",
    "admin": "nothing: admin ports are chosen, and shown by status",
    "statekeepers": "nothing: the gateways are told",
    "advertise": "nothing: the gateways are told",
    "store": "--store",
    "app": "--app",
}


@dataclass
class Process:
    name: str
    kind: str  # "redis", "statekeeper" or "gateway"; processes of a kind stop together
    command: list
    admin: int = 0    # admin port on 127.0.0.1, 0: none
    socket: str = ""  # Redis: its socket


@dataclass
class Plan:
    url: str
    store: str
    processes: list = field(default_factory=list)  # in the order of starting
    stop_timeout: float = 30  # seconds for each kind to stop; a drain takes its window and is not cut short
    notice: str = ""          # what the user should know of what was decided
    api: str = ""             # where backends call hubs; empty: nowhere
    api_key: str = ""         # the file with their key
    tls: str = ""             # where clients come by TLS; empty: nowhere

    def stop_order(self):
        """Gateways first, so that the statekeepers learn of every closed socket; Redis last."""
        for kind in ("gateway", "statekeeper", "redis"):
            yield [process.name for process in self.processes if process.kind == kind]


_WHILE_DEBUGGED = ("worker-timeout=0", "call-timeout=1h", "app-timeout=1h")  # what was said with --set goes over it
_DEPLOY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def make(options, layout, app=None):
    """The plan for `up` with these options (see __main__.py). `app`: a directory of one. Takes ports; raises Failure."""
    for setting in options.set:
        name, equals, _ = setting.partition("=")
        if not equals or not name:
            raise Failure(f"--set takes NAME=VALUE, not '{setting}'.")
        if name in _OWN:
            raise Failure(f"--set {name} is decided by deploy/local; use {_OWN[name]}.")
    if options.gateways < 1:
        raise Failure("--gateways must be at least 1.")
    if options.statekeepers < 1:
        raise Failure("--statekeepers must be at least 1.")
    store = options.store or _default_store(options, layout)
    if options.statekeepers > 1 and store.startswith("file"):
        raise Failure("The embedded store is for one statekeeper: leave out --statekeepers, or --store file.")
    if not 1 <= options.port <= 65535:
        raise Failure("--port must be 1-65535.")
    host = options.host[1:-1] if re.fullmatch(r"\[.*\]", options.host) else options.host
    if not host:  # likelier a variable that was not set than the wish to be open to everybody
        raise Failure("--host is empty: say which address, such as 127.0.0.1; 0.0.0.0 is all of this machine's, :: those of IPv6,"
                      " too.")
    if why := ports.why_not(options.port, host):
        raise Failure(f"Port {options.port} on {host} cannot be had: {why}. Choose another with --port, or --host.")
    ports.reserve(options.port)
    if options.inspect is not None:
        _check_inspect(options)

    binaries = options.bin or os.path.join(os.path.dirname(_DEPLOY), "build", "release", "bin")
    # Somebody looks at the code while it stands still.
    patience = _WHILE_DEBUGGED if options.inspect else ()
    settings = [word for setting in (*patience, *options.set) for word in ("--set", setting)]
    listened_host = f"[{host}]" if ":" in host else host
    shown_host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(listened_host, listened_host)
    plan = Plan(url=f"http://{shown_host}:{options.port}/", store=_without_passwords(store))
    if plan.store != store:
        plan.notice = ("The password in --store can be seen by everybody on this machine for as long as this runs. Put it in"
                       " a file and say --set store-password-file=FILE.")
    if not options.store and store == "redis":
        plan.notice = f"The store is a Redis of this cluster's own (--store redis), in {layout.redis}."
    # Both windows begin with SIGTERM; each kind of process has one of them.
    plan.stop_timeout += max(_set_duration(options.set, "drain-window", 10),
                             _set_duration(options.set, "stop-timeout", 20))

    if store == "redis":
        store = "redis+unix://" + layout.redis_socket
        plan.processes.append(_redis(layout))
    operators = []
    if not any(setting.startswith("admin-key=") for setting in options.set):
        layout.create_secret(layout.admin_key)
        operators = ["--admin-key", layout.admin_key]
    trust = []
    if not any(setting.startswith(("cluster-secret=", "link-certificate=")) for setting in options.set):
        layout.create_secret(layout.cluster_secret)
        trust = ["--cluster-secret", layout.cluster_secret]
    # The page is to show what happens; elsewhere it is off unless asked for.
    hub_view = []
    if not any(setting.startswith("hub-view=") for setting in options.set):
        hub_view = ["--hub-view", "true"]
    apps = ["--app", app] if app else []
    links = []
    for number in range(1, options.statekeepers + 1):
        preferred = 7400 + 10 * (number - 1)
        preferred = preferred if preferred < 7900 else None
        link = ports.choose(preferred, f"{layout.data} link {number}")
        admin = ports.choose(preferred and preferred + 1, f"{layout.data} statekeeper {number}")
        links.append(f"127.0.0.1:{link}")
        plan.processes.append(Process(
            f"statekeeper-{number}", "statekeeper", admin=admin,
            command=[os.path.join(binaries, "dormouse-statekeeper"), "--data", layout.data, "--store", store,
                     "--listen", links[-1], "--admin", f"127.0.0.1:{admin}", *operators, *trust, *apps,
                     *settings]))
    backends = []  # of the first gateway
    if not any(setting.startswith(("api-listen=", "api-key-file=")) for setting in options.set):
        layout.create_secret(layout.api_key)
        # Above those of the gateways' admins.
        api = ports.choose(options.port + 10 if options.port + 10 <= 65535 else None, f"{layout.data} backends")
        plan.api, plan.api_key = f"http://127.0.0.1:{api}/api/hubs", layout.api_key
        backends = ["--api-listen", f"127.0.0.1:{api}", "--api-key-file", layout.api_key]
    tls = _set_value(options.set, "tls-cert")
    encrypted = []
    if tls:
        address = _set_value(options.set, "tls-listen")
        if not address:
            address = f"{listened_host}:{ports.choose(8443, f'{layout.data} TLS')}"
            encrypted = ["--tls-listen", address]
        tls_host, _, tls_port = address.rpartition(":")
        plan.tls = f"https://{shown_host if tls_host == listened_host else tls_host}:{tls_port}/"
    for number in range(1, options.gateways + 1):
        admin = ports.choose(options.port + number if options.port + number <= 65535 else None,
                             f"{layout.data} gateway {number}")
        plan.processes.append(Process(
            f"gateway-{number}", "gateway", admin=admin,
            command=[os.path.join(binaries, "dormouse-gateway"), "--data", layout.data,
                     "--listen", f"{listened_host}:{options.port}", "--statekeepers", ",".join(links),
                     "--admin", f"127.0.0.1:{admin}", *trust, *hub_view, *encrypted,
                     *(backends if number == 1 else ()), *settings]))
    return plan


def _check_inspect(options):
    if not options.app:
        raise Failure("--inspect is for the code of a project: it needs --app.")
    if options.statekeepers > 1:
        raise Failure("--inspect is for one statekeeper: each runs the code in a process of its own, and a debugger is"
                      " attached to one.")
    if not 1 <= options.inspect <= 65535:
        raise Failure("--inspect must be 1-65535.")
    if why := ports.why_not(options.inspect):
        raise Failure(f"Port {options.inspect} on 127.0.0.1 cannot be had: {why}. Choose another with --inspect.")
    ports.reserve(options.inspect)


def _default_store(options, layout):
    """Without --store: the store that the data directory has already; a new one suits the number of statekeepers."""
    if options.statekeepers == 1:
        return "redis" if layout.has_redis_store() and not layout.has_embedded_store() else "file"
    if layout.has_embedded_store() and not layout.has_redis_store():
        raise Failure(f"The state in {layout.data} is in an embedded store, which is for one statekeeper. Leave out"
                      " --statekeepers; or begin anew in a Redis, with --store redis or with another --data.")
    return "redis"


def _without_passwords(store):
    """As the processes hide them (common/hidden_passwords.h)."""
    store = re.sub(r"(://[^:@]*:).*@", r"\1***@", store)
    return re.sub(r"(password=)[^&]*", r"\1***", store)


def _redis(layout):
    """A Redis of our own. Every write is on the disk before it is answered (appendfsync always): "nothing that was
    acknowledged is lost" holds for the whole cluster only as far as it holds for its store."""
    os.makedirs(layout.redis, exist_ok=True)
    return Process("redis", "redis", socket=layout.redis_socket, command=[
        os.path.join(_DEPLOY, "bin", "redis-server"), "--port", "0", "--unixsocket", layout.redis_socket, "--unixsocketperm", "700",
        "--dir", layout.redis, "--appendonly", "yes", "--appendfsync", "always", "--save", "",
        "--maxmemory-policy", "noeviction", "--daemonize", "no"])


def _set_value(settings, name):
    """What `--set` gives an option last; empty: nothing."""
    return next((setting.partition("=")[2] for setting in reversed(settings) if setting.startswith(name + "=")), "")


def _set_duration(settings, name, default):
    """The longest that `--set` gives an option, in seconds."""
    return max((_seconds(setting.partition("=")[2]) for setting in settings if setting.startswith(name + "=")),
               default=default)


def _seconds(duration):
    """Seconds in "500ms", "30s", ...; 0 where it is not a duration (the processes will say so)."""
    match = re.fullmatch(r"(\d+)(ms|s|m|h)", duration)
    return int(match[1]) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[match[2]] if match else 0
