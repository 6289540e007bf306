"""Makes one module of a project's code, and checks that it exports what the configuration says."""

import json
import os
import re
import signal
import subprocess

from wrangler_config import ProjectError

_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bundle.mjs")
NODE = "node"
OUTPUT = "worker.mjs"


def start(project, directory, host):
    """Begins to write worker.mjs and worker.mjs.map into `directory`; their process. What it says is in files there."""
    if not os.path.isfile(project.main):
        raise ProjectError(f"{os.path.basename(project.file)}: main is {os.path.relpath(project.main, project.directory)},"
                           " which is not there.")
    rules = []
    for kind, glob in project.rules:
        rules.append([kind, glob_pattern(glob, project.directory)])
    task = {"directory": project.directory, "main": project.main, "outfile": os.path.join(directory, OUTPUT),
            "host": host, "rules": rules, "options": project.esbuild}
    with open(os.path.join(directory, "task"), "w+", encoding="utf-8") as said:
        json.dump(task, said)
    return run([NODE, _PROGRAM], project.directory, directory, stdin="task")


def run(command, cwd, directory, stdin=None, umask=-1, path=None, environment=None):
    """A process in a session of its own, whose output goes to the files `said` and `errors` of `directory`. `environment`:
    added to the own one."""
    with open(os.path.join(directory, stdin) if stdin else os.devnull, "rb") as source, \
            open(os.path.join(directory, "said"), "wb") as said, open(os.path.join(directory, "errors"), "wb") as errors:
        try:
            return subprocess.Popen(
                command, cwd=cwd, stdin=source, stdout=said, stderr=errors, start_new_session=True, umask=umask,
                env=os.environ | (environment or {}) | ({"PATH": path} if path else {}),
                preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, ()))  # a supervisor blocks some
        except OSError as error:
            raise ProjectError(f"{command[0]} cannot be started: {error}.") from error


def said(directory, name):
    with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as file:
        return file.read().strip()


def finish(project, process, directory):
    """After the process has ended: (names that the bundle exports, paths that it was made of, warnings)."""
    errors = said(directory, "errors")
    if process.returncode != 0:
        raise ProjectError(errors or f"The bundler ended with status {process.returncode} and said nothing.")
    made = json.loads(said(directory, "said"))
    _check(project, made["exports"])
    for name in ("task", "said", "errors"):
        os.remove(os.path.join(directory, name))
    return made["exports"], made["inputs"], errors


def _check(project, exports):
    main = os.path.relpath(project.main, project.directory)
    if not exports:
        raise ProjectError(f"{main} exports nothing. Workers of the older kind (addEventListener(\"fetch\", ...)) are not"
                           " supported; one with `export default { fetch(...) {...} }` is.")
    missing = [f"{name}, which {by} in {os.path.basename(project.file)} names" for name, by in
               project.must_export.items() if name not in exports]
    if missing:
        has = ", ".join(name for name in exports if name != "default") or "nothing but its default"
        raise ProjectError(f"{main} does not export {'; nor '.join(missing)}. It exports {has}. (A class that is gone for"
                           " good belongs into deleted_classes of a new migration.)")


def glob_pattern(glob, directory):
    """A regular expression, over absolute paths, that JavaScript reads as Python does. `**/` is any number of folders."""
    pattern = ""
    for part in re.findall(r"\*\*/|\*\*|\*|\?|\{[^{}]*\}|[^*?{]+|.", glob.removeprefix("./")):
        if part == "**/":
            pattern += "(?:.*/)?"
        elif part == "**":
            pattern += ".*"
        elif part == "*":
            pattern += "[^/]*"
        elif part == "?":
            pattern += "[^/]"
        elif len(part) > 1 and part[0] == "{":
            pattern += "(?:" + "|".join(_escape(each) for each in part[1:-1].split(",")) + ")"
        else:
            pattern += _escape(part)
    # What lies beside the project, as in a monorepo, counts for globs of any folder.
    return f"{'/' if glob.startswith('**/') else '^' + _escape(directory) + '/'}{pattern}$"


def _escape(text):
    return re.sub(r"[.*+?^${}()|[\]\\]", r"\\\g<0>", text)
