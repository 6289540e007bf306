"""Secrets of a developer's machine: .dev.vars and .env, in the format that dotenv made common.

    # a comment
    KEY=value up to the end of the line     # or to a comment
    export OTHER='taken as it is, also over
    several lines'
    THIRD="the same, where \\n and \\r stand for what they do elsewhere"
"""

import re

_KEY = re.compile(r"[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*=[ \t]*")
_QUOTED = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|`([^`]*)`""", re.S)


def parse(text):
    """The variables of a file, NAME -> value. Lines that set none are passed over."""
    found = {}
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        key = _KEY.match(text, at, end)
        if key:
            quoted = _QUOTED.match(text, key.end())
            if quoted:
                found[key[1]] = _value(quoted)
                end = text.find("\n", quoted.end())
                end = len(text) if end < 0 else end
            else:
                found[key[1]] = text[key.end():end].partition("#")[0].strip()
        at = end + 1
    return found


def _value(quoted):
    plain, escaped, backticks = quoted.groups()
    if escaped is None:
        return plain if plain is not None else backticks
    return escaped.replace("\\n", "\n").replace("\\r", "\r").replace('\\"', '"')
