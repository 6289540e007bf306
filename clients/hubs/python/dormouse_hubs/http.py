"""Plain HTTP requests to hubs, and what a socket was opened with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Union
from urllib.parse import parse_qs


class Headers(Mapping[str, str]):
    """Names in any case. Of several with one name the values are joined by ", "; items() of `raw` has each."""

    def __init__(self, raw: Sequence[tuple[str, str]]) -> None:
        self.raw = list(raw)
        self._joined: dict[str, str] = {}
        for name, value in self.raw:
            key = name.lower()
            self._joined[key] = f"{self._joined[key]}, {value}" if key in self._joined else value

    def __getitem__(self, name: str) -> str:
        return self._joined[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._joined

    def __iter__(self) -> Iterator[str]:
        return iter(self._joined)

    def __len__(self) -> int:
        return len(self._joined)

    def __repr__(self) -> str:
        return f"Headers({self.raw!r})"


class _WithQuery:
    query: str

    @cached_property
    def params(self) -> dict[str, str]:
        """The query's, decoded. Of several with one name the last."""
        return {name: values[-1] for name, values in parse_qs(self.query, keep_blank_values=True).items()}


@dataclass(frozen=True)
class Identity:
    """Of a token that the gateway has checked (deploy/secure.md)."""

    actor: str
    actors: tuple[str, ...]
    capabilities: tuple[str, ...]
    role: str
    expires_at: float  # seconds since 1970; 0: never


@dataclass(frozen=True)
class Opening(_WithQuery):
    """What a WebSocket was opened with."""

    path: str
    query: str  # without "?"
    headers: Headers
    remote_address: str
    subprotocol: str  # that was agreed on; empty: none
    identity: Identity | None = None


@dataclass(frozen=True)
class Request(_WithQuery):
    """A plain HTTP request. `path` is the whole one, as it came."""

    method: str
    path: str
    query: str = ""  # without "?"
    headers: Headers = field(default_factory=lambda: Headers([]))
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Response:
    body: Union[str, bytes] = b""
    status: int = 200
    headers: Union[Mapping[str, str], Sequence[tuple[str, str]]] = ()

    @classmethod
    def json(cls, value: Any, status: int = 200) -> Response:
        return cls(json.dumps(value, ensure_ascii=False), status, {"content-type": "application/json"})


# What on_request may return: text and bytes as they are, a dict or list as JSON, None as "204 No Content".
Answer = Union[Response, str, bytes, dict[str, Any], list[Any], None]


def response_of(answer: Answer) -> Response:
    if isinstance(answer, Response):
        return answer
    if answer is None:
        return Response(status=204)
    if isinstance(answer, (str, bytes)):
        return Response(answer)
    if isinstance(answer, (dict, list)):
        return Response.json(answer)
    raise TypeError("on_request returns a Response, str, bytes, dict, list or None,"
                    f" not {type(answer).__name__}.")


def head_of(response: Response) -> tuple[int, list[tuple[str, str]]]:
    """Status and headers, with a content-type."""
    status = response.status
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise ValueError(f"{status!r} is no status of an answer: they are 200 to 599.")
    given = response.headers
    headers = [(str(name), str(value)) for name, value in (given.items() if isinstance(given, Mapping) else given)]
    for name, value in headers:
        if not name.isascii() or not name or any(sign in "\r\n\0" for sign in name + value):
            raise ValueError(f"{name!r}: {value!r} is no header.")
    if status not in (204, 304) and not any(name.lower() == "content-type" for name, _ in headers):
        kind = "text/plain; charset=utf-8" if isinstance(response.body, str) else "application/octet-stream"
        headers.append(("content-type", kind))
    return status, headers
