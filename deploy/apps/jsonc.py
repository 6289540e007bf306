"""JSON as people write it: with // and /* */ comments, and commas after the last of a list or an object.

What is not JSON becomes blanks of the same length, so that an error names the place where it is.
"""

import json
import re

_STRING = r'"(?:[^"\\\n]|\\.)*"'
_COMMENT = re.compile(rf"{_STRING}|//[^\n]*|/\*.*?\*/", re.S)
_LAST_COMMA = re.compile(rf"{_STRING}|,(?=\s*[}}\]])")


def loads(text):
    """Raises ValueError that says what is wrong, and where."""
    text = _COMMENT.sub(_blank_unless_string, text.removeprefix("\ufeff"))

    def drop(match):
        before = text[:match.start()].rstrip()
        return " " if match[0] == "," and before[-1:] not in ("", "[", "{", ",") else match[0]

    def refuse(constant):
        raise ValueError(f"{constant} is not JSON")

    return json.loads(_LAST_COMMA.sub(drop, text), parse_constant=refuse)


def _blank_unless_string(match):
    return match[0] if match[0].startswith('"') else re.sub(r"[^\n]", " ", match[0])
