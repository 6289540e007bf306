"""The configuration files of the servers: every option as a comment, at its default, under what it does."""

import re
import textwrap

_HEAD = """\
# Options of {name}, as {name}.service has them. All are here, each as a comment with its
# default: remove the comment sign of one to change it. Then:
#
#     {name} --config /etc/dormouse/{short}.toml --check-config
#                                 is it right, and what is in effect?
#     systemctl reload {name}     takes over what can change in a running process
#     systemctl restart {name}    takes over everything
#
# Durations: 500ms, 30s, 5m, 1h. Sizes: 512, 64KiB, 1MiB, 1GiB. Secrets and keys belong in files of
# their own, for the user dormouse alone: install -m 640 -g dormouse FILE /etc/dormouse/
# More is in {name}(8).
"""
# Values that a service of the system needs. What the unit lets it write to, and this, belong together.
_SET = {"data": '"/var/lib/dormouse"'}


def _values(checked):
    """Option -> value, of what --check-config prints."""
    return dict(re.findall(r"^(?:# )?([a-z][\w-]*) = (.*)$", checked, re.M))


def write(program, command, checked):
    """The file of a programs.Program whose --help says `command`. `checked`: what it prints with --check-config where
    it is told nothing else."""
    values = _values(checked)
    texts = {option.name.removeprefix("--"): option.text for option in command.options}
    missing = values.keys() - texts.keys()
    if missing or not values.keys() >= _SET.keys():
        raise ValueError(f"{program.name}: --check-config and --help do not have the same options: {sorted(missing)}")
    out = _HEAD.format(name=program.name, short=program.short)
    for name, value in values.items():
        about = textwrap.wrap(texts[name], 98, break_on_hyphens=False)
        out += "\n" + "".join(f"# {line}\n" for line in about)
        out += f"{name} = {_SET[name]}\n" if name in _SET else f"# {name} = {value}\n"
    return out
