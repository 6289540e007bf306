"""What --help does not say of our programs, and their pages, configuration and completion need."""

import dataclasses

_SERVER_FILES = (
    ("/etc/dormouse/{short}.toml", "the options of the service, each with its default"),
    ("/lib/systemd/system/{name}.service", "the service, and what it may do; change it by systemctl edit {name}"),
    ("/var/lib/dormouse", "the data directory of this host's processes: their sockets in run, and the store, "
                          "where that is a file"),
)
_SERVER_DESCRIPTION = """\
An option is written on the command line, as a variable of the environment, or in a file; the first of these that says
something wins. On the command line --hibernate-after 10s and --set hibernate-after=10s are the same; the variable is
DORMOUSE_HIBERNATE_AFTER; in the file it is hibernate-after = "10s". Durations are written 500ms, 30s, 5m or 1h, sizes
512, 64KiB, 1MiB or 1GiB.

Both servers take the options of both, so that one file can serve a whole cluster; this page has those that {name} uses.

{stops}

SIGHUP makes it read its file again: what can change while it runs does, the log says what cannot.

It writes its log to standard error, which systemd keeps in the journal: journalctl -u {name}."""


@dataclasses.dataclass(frozen=True)
class Program:
    name: str
    section: int
    summary: str
    description: str  # paragraphs
    files: tuple = ()
    see_also: tuple = ()
    examples: tuple = ()  # (what for, command line)
    server: bool = False

    @property
    def short(self):
        return self.name.removeprefix("dormouse-")


def _server(name, stops, **fields):
    short = name.removeprefix("dormouse-")
    return Program(
        name=name, section=8, server=True, description=_SERVER_DESCRIPTION.format(name=name, stops=stops),
        files=tuple((path.format(name=name, short=short), text.format(name=name)) for path, text in _SERVER_FILES),
        examples=(("Whether the configuration is right, and what is in effect",
                   f"{name} --config /etc/dormouse/{short}.toml --check-config"),), **fields)


PROGRAMS = (
    _server("dormouse-gateway", "SIGTERM makes it close its sockets (1001), spread over drain-window, settle what they "
            "had under way, and end. A second one hurries it.",
            summary="hold WebSockets, and let the hubs behind them sleep",
            see_also=("dormouse-statekeeper(8)", "dormousectl(1)", "dormouse-load(1)")),
    _server("dormouse-statekeeper", "SIGTERM makes it hand its shards over to the other statekeepers, for at most "
            "stop-timeout, and end. No socket closes.",
            summary="run the hubs of a Dormouse cluster, and keep what they know",
            see_also=("dormouse-gateway(8)", "dormousectl(1)")),
    Program(
        name="dormousectl", section=1, summary="see and steer a running Dormouse cluster",
        description="""\
Shows who serves what, and puts hubs to sleep, moves them or closes their sockets. Any statekeeper answers for the whole
cluster: it passes on what concerns another. On a host with a statekeeper of Debian's package it needs no more than the
right to open its socket: root and the user dormouse have it.""",
        files=(("/var/lib/dormouse/run", "sockets of the statekeepers on this host"),),
        examples=(("On a host with a statekeeper of the package", "sudo dormousectl members"),
                  ("From elsewhere", "dormousectl --statekeeper a.example:7400 --key admin-key members")),
        see_also=("dormouse-statekeeper(8)", "dormouse-gateway(8)")),
    Program(
        name="dormouse-load", section=1, summary="put load on a Dormouse cluster, and check every reply",
        description="""\
Opens as many WebSockets as a machine holds, in one of several scenarios, checks that each reply is right, comes once and
in order, and says what it took. Lines on standard input: "mark NAME" notes that something happens now, "stop" ends the
load early, with all checks; so do SIGINT and SIGTERM.""",
        examples=(("A thousand sockets, two thousand requests a second for five seconds",
                   "dormouse-load echo --connections 1000 --hubs 100 --rate 2000"),),
        see_also=("dormouse-gateway(8)", "dormousectl(1)")),
)
