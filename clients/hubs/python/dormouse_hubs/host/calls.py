"""What is asked of a hub, and its answer, as bytes of a Call (proto/worker.proto): a line of JSON, and behind it the body
of an HTTP request or answer.

    {"method": "who", "args": [...], "kwargs": {...}, "via": ["Room/lobby", ...]}     a method
    {"http": {"method", "path", "query", "headers": [[name, value], ...]}}\\n body     a request

    {"value": ...}   {"error": {"type", "message"}}   {"response": {"status", "headers"}}\\n body

Values are as values.to_json makes them. `via`: hubs whose handlers wait for this call. All but `method` may be left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional, Union

from .. import values
from ..errors import RemoteError
from ..http import Headers, Request, Response, head_of

MOST = 32 << 20  # bytes of a call or an answer


@dataclass
class MethodCall:
    method: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    via: tuple[str, ...]


def method_payload(call: MethodCall) -> bytes:
    return _written({"method": call.method, "args": [values.to_json(each) for each in call.args],
                     "kwargs": {name: values.to_json(each) for name, each in call.kwargs.items()},
                     "via": call.via})


def request_payload(request: Request) -> bytes:
    return _written({"http": {"method": request.method, "path": request.path, "query": request.query,
                              "headers": request.headers.raw}}, request.body)


def read_call(payload: bytes) -> Union[MethodCall, Request]:
    """Raises ValueError for what is neither."""
    head, body = _read(payload)
    if isinstance(http := head.get("http"), dict):
        return Request(str(http.get("method", "GET")), str(http.get("path", "/")), str(http.get("query", "")),
                       Headers([(str(name), str(value)) for name, value in http.get("headers", ())]), body)
    method, args, kwargs, via = (head.get(name) for name in ("method", "args", "kwargs", "via"))
    if not isinstance(method, str) or not isinstance(args or [], list) or not isinstance(kwargs or {}, dict) \
            or not isinstance(via or [], list):
        raise ValueError('A call is {"method": "NAME", "args": [...]}.')
    return MethodCall(method, [values.from_json(each) for each in args or ()],
                      {name: values.from_json(each) for name, each in (kwargs or {}).items()}, tuple(via or ()))


def value_reply(value: Any) -> bytes:
    return _written({"value": values.to_json(value)})


def error_reply(error: BaseException) -> bytes:
    return _written({"error": {"type": type(error).__name__, "message": str(error)[:10_000]}})


def response_reply(response: Response) -> bytes:
    status, headers = head_of(response)
    body = response.body.encode() if isinstance(response.body, str) else bytes(response.body)
    return _written({"response": {"status": status, "headers": headers}}, body)


def read_value(reply: bytes) -> Any:
    """Raises RemoteError for an error."""
    head, _ = _read(reply)
    _raise_error(head)
    return values.from_json(head.get("value"))


def read_response(reply: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    head, body = _read(reply)
    _raise_error(head)
    response = head["response"]
    return response["status"], [(name, value) for name, value in response["headers"]], body


def _raise_error(head: dict[str, Any]) -> None:
    error: Optional[dict[str, str]] = head.get("error")
    if error:
        raise RemoteError(error.get("type", "Exception"), error.get("message", ""))


def _written(head: dict[str, Any], body: bytes = b"") -> bytes:
    data = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode() + (b"\n" + body if body else b"")
    if len(data) > MOST:
        raise ValueError(f"A call and its answer have at most {MOST} bytes; this one has {len(data)}.")
    return data


def _read(payload: bytes) -> tuple[dict[str, Any], bytes]:
    head, _, body = payload.partition(b"\n")
    try:
        read = json.loads(head)
    except ValueError:  # JSON of more than one line: a backend's, who need not know of ours
        read, body = json.loads(payload), b""
    if not isinstance(read, dict):
        raise ValueError("A call, or its answer, begins with a JSON object.")
    return read, body
