"""dormousectl among the tests of what copies hubs (deploy/backup.md)."""

import base64
import json
import subprocess

from process import SLOWNESS


def run(cluster, *words, status=0, stdin=None):
    """What dormousectl says: on standard output, or, where it fails, on the other."""
    done = subprocess.run(cluster.ctl_command(*words), input=stdin, stdin=None if stdin else subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100 * SLOWNESS, check=False)
    assert done.returncode == status, (done.returncode, done.stdout[-1000:], done.stderr[-1000:])
    return done.stdout.decode() if status == 0 else done.stderr.decode()


def exported(cluster, hub, *words):
    """Its rows, bytes -> bytes, and when its alarm is due."""
    head, *rows = map(json.loads, run(cluster, "export", hub, *words).splitlines())
    assert head["hub"] == hub and head["rows"] == len(rows)

    def one(row, name):
        return row[name].encode() if name in row else base64.b64decode(row[name + "_base64"])
    return {one(row, "key"): one(row, "value") for row in rows}, head.get("alarm_ms", 0)
