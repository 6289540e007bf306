"""Where a local cluster keeps things below its data directory, and the record of what runs.

    DATA/dormouse.db       the embedded store of the one statekeeper (--store file)
    DATA/redis/            the private Redis' append-only file (--store redis)
    DATA/admin-key         the operators' secret, made at the first start; all statekeepers are given it
    DATA/api-key           the key by which backends call hubs; the same, of the first gateway
    DATA/cluster-secret    the cluster's, by which its processes know each other; the same
    DATA/run/cluster.json  what runs: pids, ports, options; there while the cluster is up
    DATA/run/replace-NAME  somebody asks for a successor of that gateway; the supervisor takes it away
    DATA/run/supervisor.lock   held by the supervisor; the kernel lets go of it however the supervisor ends
    DATA/run/*.sock*       the processes' unix sockets
    DATA/app/              versions of the app that is built here (up --app); current is a link to the newest
    DATA/logs/NAME.log     standard error of each process; NAME.log.1 is the one before

All of it is for its user alone: state, secrets, what clients said. The directory itself is closed by the statekeeper.
"""

import contextlib
import errno
import fcntl
import json
import os
import secrets
import stat

# A unix socket's path has 107 characters at most; the longest of ours is run/statekeeper-0123456789abcdef.sock.255.
MAX_PATH = 107 - len("/run/statekeeper-0123456789abcdef.sock.255")
_RECORD_STEP = 4096  # bytes; a record has a multiple of that


def _close(path):
    """Takes every right from other users, of all below a directory, too. A link's target is somebody else's matter."""
    try:
        mode = os.lstat(path).st_mode
        if not stat.S_ISLNK(mode):
            os.chmod(path, stat.S_IMODE(mode) & stat.S_IRWXU)
        if stat.S_ISDIR(mode):
            for name in os.listdir(path):
                _close(os.path.join(path, name))
    except FileNotFoundError:  # or it has gone just now
        pass


class Failure(Exception):
    """What to tell the operator, in a sentence; the command ends with exit status 1."""


class Layout:
    def __init__(self, data):
        self.data = os.path.realpath(data)
        if len(os.fsencode(self.data)) > MAX_PATH:
            raise Failure(f"The data directory's path is longer than {MAX_PATH} characters, too long for the unix"
                          f" sockets in it: {self.data}. Choose another with --data.")
        self.run = os.path.join(self.data, "run")
        self.logs = os.path.join(self.data, "logs")
        self.redis = os.path.join(self.data, "redis")
        self.app = os.path.join(self.data, "app")
        self.admin_key = os.path.join(self.data, "admin-key")
        self.api_key = os.path.join(self.data, "api-key")
        self.cluster_secret = os.path.join(self.data, "cluster-secret")
        self.redis_socket = os.path.join(self.run, "redis.sock")
        self._record = os.path.join(self.run, "cluster.json")
        self._lock = os.path.join(self.run, "supervisor.lock")

    def create(self):
        """Makes the directories, and closes to other users what an earlier version left open to them. What is made
        from now on, by this process and those that it starts, is closed by `umask`, which the caller has set."""
        try:
            for directory in (self.data, self.run, self.logs):
                os.makedirs(directory, exist_ok=True)
            for path in (self.run, self.logs, self.app, self.redis, self.admin_key, self.api_key,
                         self.cluster_secret):
                _close(path)
        except OSError as error:
            raise Failure(f"Cannot make the data directory for this user alone: {error}.") from error

    def has_embedded_store(self):
        return os.path.exists(os.path.join(self.data, "dormouse.db"))

    def has_redis_store(self):
        return os.path.exists(os.path.join(self.redis, "appendonlydir"))

    @staticmethod
    def create_secret(path):
        """Makes a secret, readable for this user alone, where there is none yet."""
        partial = f"{path}.{os.getpid()}"
        if os.path.exists(path):
            return
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
        os.replace(partial, path)  # whole, or not at all

    def replacement(self, name):
        """The file by which the supervisor is asked to replace a gateway without closing its sockets."""
        return os.path.join(self.run, f"replace-{name}")

    def log(self, name):
        return os.path.join(self.logs, name + ".log")

    def read_record(self):
        """The record as a dictionary; None: nothing runs, or nothing that could be told from a record."""
        try:
            with open(self._record, encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return None

    def write_record(self, record):
        """Replaces the record; a reader sees the old one or the new one whole. On a full disk it is written over the
        old one, whose room it has: records are padded, so that one fits where another was."""
        text = json.dumps(record, indent=1).encode()
        text = text.ljust(-(-len(text) // _RECORD_STEP) * _RECORD_STEP)
        partial = self._record + ".new"
        try:
            with open(partial, "wb") as file:
                file.write(text)
            os.replace(partial, self._record)
        except OSError as error:
            with contextlib.suppress(FileNotFoundError):
                os.remove(partial)
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not self._write_over(text):
                raise

    def _write_over(self, text):
        try:
            with open(self._record, "r+b", buffering=0) as file:
                return os.fstat(file.fileno()).st_size == len(text) and os.pwrite(file.fileno(), text, 0) == len(text)
        except OSError:
            return False

    def remove_record(self):
        try:
            os.remove(self._record)
        except FileNotFoundError:
            pass

    def lock(self):
        """The lock file, locked until it is closed or its process ends; None: another process has it."""
        try:
            file = open(self._lock, "a", encoding="utf-8")
        except FileNotFoundError:  # no cluster was ever here
            raise Failure(f"There is no cluster in {self.data}.") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            file.close()
            return None

    def supervised(self):
        """Whether a supervisor lives."""
        if not os.path.exists(self._lock):
            return False
        lock = self.lock()
        if lock:
            lock.close()
        return lock is None
