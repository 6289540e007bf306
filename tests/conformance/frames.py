"""JSON as bytes, not as values: writing frames that json.dumps would not write, and reading what was really sent."""

import json
import re

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


class Raw(str):
    """A JSON text that goes into a frame as it is: Raw("1e400")."""


def dump(value):
    """json.dumps, but Raw is left alone."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{dump(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(dump(item) for item in value) + "]"
    return json.dumps(value)


def members(text):
    """Of a JSON object: [(key, the text of the value)], in order, duplicates included."""
    found = []
    at = _skip(text, 0)
    assert text[at] == "{", text
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        at = _skip(text, at)
        assert text[at] == ":", text
        start = _skip(text, at + 1)
        _, end = _DECODER.raw_decode(text, start)
        found.append((key, text[start:end]))
        at = _skip(text, end)
        assert text[at] in ",}", text
        if text[at] == ",":
            at = _skip(text, at + 1)
    assert _skip(text, at + 1) == len(text), text
    return found


def _skip(text, at):
    return _SPACE.match(text, at).end()


class Frame:
    """A frame of the hub: its fields as values, and each as the text that was sent."""

    def __init__(self, text):
        assert isinstance(text, str), f"the hub answers in text frames, not {text!r}"
        self.text = text
        pairs = members(text)
        self.raw = dict(pairs)
        assert len(self.raw) == len(pairs), f"a field comes twice: {text}"
        self.fields = json.loads(text)

    def __getitem__(self, name):
        return self.fields[name]

    def get(self, name):
        return self.fields.get(name)
