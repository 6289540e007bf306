"""The commands of deploy/local, once what they need is installed: up, status, restart, down, logs, ctl."""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time

import health
import logs
import plan as plans
import processes
import supervisor
from app import App
from layout import Failure, Layout

_DEPLOY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_REPOSITORY = os.path.dirname(_DEPLOY)


def _stop_command(layout):
    """What stops this cluster and no other, for a shell in any directory."""
    return shlex.join([os.path.join(_DEPLOY, "local"), "down", "--data", layout.data])


def up(options, layout):
    umask = os.umask(0o077)
    layout.create()
    lock = layout.lock()
    if lock is None:
        record = layout.read_record()
        if record is None:
            raise Failure(f"A cluster in {layout.data} is being started or stopped right now; try again in a moment.")
        print(f"Dormouse runs already in {layout.data}: {record['url']}\n"
              f"Its supervisor has pid {record['supervisor']['pid']}. This stops it: {_stop_command(layout)}")
        return 0
    _stop_leftovers(layout)
    if options.env and not options.app:
        raise Failure("--env chooses among the environments of a project: it needs --app.")
    app = App(options.app, layout, options.env, umask, options.inspect) if options.app else None
    plan = plans.make(options, layout, app and app.option)  # before the build: what is wrong with the options is said at once
    if plan.notice:
        print(plan.notice, flush=True)
    for line in app.prepare() if app else ():
        print(line, flush=True)
    if not options.bin:
        # dormouse_sqlite: what projects of Durable Objects have storage.sql by, also those that are deployed later.
        built = subprocess.run([os.path.join(_DEPLOY, "build"), "release", "dormouse-gateway", "dormouse-statekeeper",
                                "dormousectl", "dormouse_sqlite"], check=False, umask=umask)
        if built.returncode != 0:
            return 1
    if options.detach:
        return _up_detached(plan, layout, lock, app)
    return _run(plan, layout, app, sys.stdout)


def _run(plan, layout, app, out, on_ready=lambda: None, follow=True):
    """The life of a supervisor, from here to the exit status of its process."""
    supervisor.block_signals()
    runner = supervisor.Supervisor(plan, layout, app)
    try:
        try:
            runner.start()
        except OSError as error:
            raise Failure(f"The cluster cannot be started: {error}.") from error
        follower = logs.Follower(layout) if follow else None
        print(f"Dormouse is ready: {plan.url}", file=out, flush=True)
        if plan.tls:
            print(f"By TLS: {plan.tls}", file=out, flush=True)
        if plan.api:
            print(f"Backends call hubs at {plan.api} with the key in {plan.api_key}", file=out, flush=True)
        for line in app.lines() if app else ():
            print(line, file=out, flush=True)
        if follower:
            print(f"Ctrl-C stops it, and so does: {_stop_command(layout)}", file=out, flush=True)
        on_ready()
        if follower:
            runner.watch(lambda: _print_lines(follower.new_lines(), out))
            print("Stopping.", file=out, flush=True)
        else:
            runner.watch()
    except supervisor.Interrupted:
        pass
    finally:
        runner.stop()
    return 0


def _print_lines(lines, out):
    if not lines:
        return
    try:
        print("\n".join(lines), file=out, flush=True)
    except BrokenPipeError:
        raise
    except OSError:  # into a file on a full disk: the lines are in the logs, too
        pass


def _up_detached(plan, layout, lock, app):
    """Leaves the supervisor behind, in a session of its own; returns when the cluster is ready or has failed."""
    told, tell = os.pipe()
    # From here on a Ctrl-C is for this process only, and passed on to the supervisor.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    child = os.fork()
    if child == 0:
        os.close(told)
        os.setsid()
        status = 1
        with os.fdopen(tell, "w") as out:
            try:
                _detach_stdio(layout)
                status = _run(plan, layout, app, out, on_ready=out.close, follow=False)
            except Failure as failure:
                print(failure, file=out)
            except Exception as error:  # pylint: disable=broad-except  # the only place that can still say it
                print(f"supervisor: {error!r}", file=out)
        os._exit(status)
    os.close(tell)
    lock.close()  # the supervisor holds it now
    signal.signal(signal.SIGINT, lambda *_: os.kill(child, signal.SIGTERM))
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    with os.fdopen(told) as answer:
        said = answer.read()
    if said.startswith("Dormouse is ready"):
        print(f"{said}It runs in the background. This stops it: {_stop_command(layout)}")
        return 0
    print(said or "Stopped before it was ready.", file=sys.stderr, end="" if said else "\n")
    return 1


def _detach_stdio(layout):
    null = os.open(os.devnull, os.O_RDWR)
    log = os.open(layout.log("supervisor"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target, source in ((0, null), (1, log), (2, log)):
        os.dup2(source, target)
    os.close(null)
    os.close(log)


def _stop_leftovers(layout):
    """What a killed supervisor left behind: its processes are stopped, its record removed."""
    record = layout.read_record()
    if record is None:
        return
    left = [entry for entry in record["processes"]
            if processes.is_alive(entry["pid"], entry["started"], layout.data)]
    if left:
        print(f"Stopping what an earlier run left behind: {', '.join(entry['name'] for entry in left)}.")
    for kind in ("gateway", "statekeeper", "redis"):
        processes.stop([entry for entry in left if entry["kind"] == kind], layout.data, record["stop_timeout"])
    layout.remove_record()


def down(_, layout):
    record = layout.read_record()
    if record is None and not layout.supervised():
        print(f"Nothing runs in {layout.data}.")
        return 0
    if not layout.supervised():
        _stop_leftovers(layout)
        print("Stopped.")
        return 0
    if record is None:
        raise Failure(f"A cluster in {layout.data} is being started or stopped right now; try again in a moment.")
    chief = record["supervisor"]
    if processes.start_time(chief["pid"]) == chief["started"]:
        os.kill(chief["pid"], signal.SIGTERM)
    deadline = time.monotonic() + 3 * record["stop_timeout"] + 10
    while layout.supervised():
        if time.monotonic() > deadline:
            raise Failure(f"The supervisor (pid {chief['pid']}) does not end; its log: {layout.log('supervisor')}.")
        time.sleep(0.05)
    print("Stopped.")
    return 0


def status(_, layout):
    record = layout.read_record()
    if record is None:
        print(f"Nothing runs in {layout.data}.")
        return 1
    well = layout.supervised()
    print(f"{record['url']}  store: {record['store']}  data: {layout.data}")
    if record.get("tls"):
        print(f"TLS: {record['tls']}")
    if record.get("api"):
        print(f"backends: {record['api']}  key: {record['api_key']}")
    if app := record.get("app"):
        print(f"app: {app['name']}  version: {app['version']}  classes: {', '.join(app['classes'])}  from: {app['source']}")
    print(f"{'PROCESS':<16}{'PID':>8}  {'STATE':<10}{'RESTARTS':>8}  ADMIN")
    for entry in record["processes"]:
        alive = processes.is_alive(entry["pid"], entry["started"], layout.data)
        ready, why = health.readiness(entry) if alive else (False, "")
        well = well and ready
        state = "ready" if ready else "not ready" if alive else "stopped"
        where = f"http://127.0.0.1:{entry['admin']}/metrics" if entry["admin"] else entry["socket"]
        print(f"{entry['name']:<16}{entry['pid'] or '-':>8}  {state:<10}{entry['restarts']:>8}  {where}"
              f"{'  (' + why + ')' if why else ''}")
    if not layout.supervised():
        print("The supervisor is gone: nothing is started again after a crash. deploy/local up puts that right.")
    return 0 if well else 1


def restart(options, layout):
    """Replaces a gateway without closing a socket, where that can be; else, and of other processes: stops it in order, and
    waits until its supervisor has started it again."""
    record = _running(layout)
    before = _entry(record, options.name)
    if not layout.supervised():
        raise Failure("The supervisor is gone, so nothing would start it again. deploy/local up puts that right.")
    if before["kind"] == "gateway" and "takeovers" in before and _replace(layout, before):
        return 0
    killed = processes.stop([before], layout.data, record["stop_timeout"])
    deadline = time.monotonic() + supervisor.READY_TIMEOUT
    while True:
        now = _entry(_running(layout), options.name)
        ready, why = health.readiness(now) if now["restarts"] > before["restarts"] else (False, "it is not started")
        if ready:
            print(f"{options.name} {'had to be killed, and ' if killed else ''}is ready again (pid {now['pid']}).")
            return 0
        if time.monotonic() > deadline:
            raise Failure(f"{options.name} is not ready after {supervisor.READY_TIMEOUT} s: {why}."
                          f" Its log: {layout.log(options.name)}.")
        time.sleep(0.05)


def _replace(layout, before):
    """False: its successor could not take over, which has been said."""
    name = before["name"]
    with open(layout.replacement(name), "w", encoding="ascii"):
        pass
    deadline = time.monotonic() + supervisor.READY_TIMEOUT
    while time.monotonic() < deadline:
        now = _entry(_running(layout), name)
        if now["takeovers"] > before["takeovers"] and health.readiness(now)[0]:
            print(f"{name} was replaced (pid {now['pid']}); no socket was closed, but for those by TLS and of clients without "
                  "a WebSocket, if there were any: they come again (1001).")
            return True
        if now["refusals"] > before["refusals"]:
            print(f"{name} could not be replaced with its sockets open: {now['refusal']}. Stopping it in order instead.")
            return False
        time.sleep(0.05)
    try:
        os.remove(layout.replacement(name))
    except FileNotFoundError:
        raise Failure(f"{name} was not replaced within {supervisor.READY_TIMEOUT} s. Its log: {layout.log(name)}.") from None
    print(f"The supervisor does not replace {name}. Stopping it in order instead.")
    return False


def _running(layout):
    record = layout.read_record()
    if record is None:
        raise Failure(f"Nothing runs in {layout.data}.")
    return record


def _entry(record, name):
    entries = {entry["name"]: entry for entry in record["processes"]}
    if name not in entries:
        raise Failure(f"There is no process {name}; these run: {', '.join(entries)}.")
    return entries[name]


def show_logs(options, layout):
    if not logs.names(layout):
        raise Failure(f"There are no logs in {layout.logs}.")
    if not options.follow:
        for line in logs.merged(layout):
            print(line)
        return 0
    follower = logs.Follower(layout, lines_before=10)
    while True:
        _print_lines(follower.new_lines(), sys.stdout)
        time.sleep(0.2)


def ctl(options, layout):
    binary = os.path.join(options.bin or os.path.join(_REPOSITORY, "build", "release", "bin"), "dormousectl")
    if not os.path.isfile(binary):
        raise Failure(f"{binary} is not there; deploy/local up builds it.")
    if not os.path.isdir(layout.run):
        raise Failure(f"There is no cluster in {layout.data}.")
    # As a variable: a flag would hide one of the user's, and `evict` has another of that name.
    os.environ["DORMOUSE_STATEKEEPER"] = "unix:" + layout.run
    os.execv(binary, ["dormousectl", *options.words])


def _cut_ctl(words):
    """What is for this program, and what for dormousectl: argparse would read the flags of that, too."""
    end = 0
    while words[end:end + 1] and words[end].startswith("-"):  # --bin and --data, before the command
        end += 1 if "=" in words[end] else 2
    if words[end:end + 1] != ["ctl"]:
        return words, []
    end += 1
    ours, theirs = words[:end], words[end:]
    for at, word in enumerate(theirs):  # wherever it stands: it is the cluster's
        size = 2 if word == "--data" else 1 if word.startswith("--data=") else 0
        if size:
            return ours + theirs[at:at + size], theirs[:at] + theirs[at + size:]
    return ours, theirs


def _parse(words):
    words, words_of_ctl = _cut_ctl(words)
    parser = argparse.ArgumentParser(prog="deploy/local", description="A Dormouse cluster on this machine.")
    # Binaries that are built already, for tests of other presets; else the release preset is built.
    parser.add_argument("--bin", help=argparse.SUPPRESS)
    data = os.path.join(_REPOSITORY, "dormouse-data")
    parser.add_argument("--data", default=data, metavar="DIR", help="as after the command")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, function, text):
        sub = commands.add_parser(name, help=text, description=text)
        # Where it is not given here, what was said before the command holds.
        sub.add_argument("--data", default=argparse.SUPPRESS, metavar="DIR",
                         help="directory of state, sockets and logs (default: dormouse-data in the checkout);"
                              " clusters with different ones do not touch each other")
        sub.set_defaults(run=function)
        return sub

    start = command("up", up, "Install, build and start a cluster; follow its logs until Ctrl-C stops it.")
    start.add_argument("--gateways", type=int, default=1, metavar="N", help="gateway processes, all on one port")
    start.add_argument("--statekeepers", type=int, default=1, metavar="N", 
                       help="statekeeper processes; more than one need a Redis")
    start.add_argument("--store", metavar="file|redis|URL",
                       help="file: embedded, in the data directory, for one statekeeper; redis: a private Redis"
                            " server; URL: redis://, redis+unix://,"
                            " redis+sentinel:// or redis+cluster:// of yours, or over TLS with rediss in place of redis (default: what the data directory has already; in a new"
                            " one file, or redis for several statekeepers)")
    start.add_argument("--app", metavar="DIR",
                       help="run the hubs of a project (a directory with wrangler.jsonc, say, or dormouse.toml), and build"
                            " it anew whenever something in it is saved; or an app directory that is built already")
    start.add_argument("--env", metavar="NAME", help="of Durable Objects: [env.NAME] in place of the top level")
    start.add_argument("--inspect", type=int, nargs="?", const=9229, metavar="PORT",
                       help="let a debugger look at the project's code, at this port of 127.0.0.1 (default: 9229)")
    start.add_argument("--port", type=int, default=8080, metavar="P", help="port for clients (default: 8080)")
    start.add_argument("--host", default="127.0.0.1", metavar="ADDRESS",
                       help="address for clients; 0.0.0.0: all of this machine's (default: 127.0.0.1)")
    start.add_argument("--detach", action="store_true", help="return when ready; go on in the background")
    start.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                       help="any option of the processes (deploy/configure.md lists them); can be repeated")
    command("status", status, "Show the processes; exit status 0 if all of them are ready.")
    command("restart", restart, "Start one process again, of the binary that is there now; of a gateway no socket closes, where"
            " that can be.").add_argument("name", metavar="NAME", help="the process, as status names it")
    command("down", down, "Stop the cluster.")
    command("logs", show_logs, "Print the logs of all processes.").add_argument(
        "-f", "--follow", action="store_true", help="go on with what is being added")
    command("ctl", ctl, "Run dormousectl against this cluster, with the words that follow.").set_defaults(
        words=words_of_ctl)
    return parser.parse_args(words)


def main():
    options = _parse(sys.argv[1:])
    try:
        return options.run(options, Layout(options.data))
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # ... | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0


if __name__ == "__main__":
    sys.exit(main())
