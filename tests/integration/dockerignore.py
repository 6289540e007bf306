"""What a builder of images is sent: the files of a directory that its .dockerignore does not leave out.

The rules are Docker's: a line is a pattern for paths from the top; `*` and `?` stop at a slash, `**` does not; what
matches a directory matches all below it; `!` takes back what an earlier line left out; the last line that matches
wins. Blank lines and those that begin with `#` say nothing.
"""

import posixpath
import re


class Dockerignore:
    def __init__(self, text):
        self._rules = []  # (whether it leaves out, regular expression for a whole path)
        for line in text.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            pattern = line.strip()
            leaves_out = not pattern.startswith("!")
            pattern = pattern if leaves_out else pattern[1:].strip()
            pattern = posixpath.normpath(pattern).lstrip("/")
            self._rules.append((leaves_out, re.compile(_expression(pattern))))

    def leaves_out(self, path):
        """Whether the builder does without this file; `path` is seen from the top of the directory."""
        parts = path.split("/")
        prefixes = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        out = False
        for leaves_out, expression in self._rules:
            if leaves_out != out and any(expression.fullmatch(prefix) for prefix in prefixes):
                out = leaves_out
        return out


def _expression(pattern):
    tokens = re.findall(r"\*\*/?|\*|\?|\[[^\]]*\]|\\.|.", pattern)
    return "".join(_TOKENS.get(token) or (token if token[0] == "[" and len(token) > 1 else re.escape(token[-1]))
                   for token in tokens)


_TOKENS = {"**/": "(.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
