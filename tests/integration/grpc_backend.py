"""A backend that speaks gRPC (clients/api.md): makes requests, one after the other, and says what each came to.

    grpc_backend.py < {"port": N, "key": KEY, "requests": [...]}
    grpc_backend.py --run < PROGRAM          a program that imports api_pb2
    grpc_backend.py --times < {"port": N, "key": KEY, "hubs": [...], "payload": JSON, "clients": N, "calls": N}
                                             seconds that each of the calls took, of so many clients at once; says first
                                             that it is ready, and waits for a line

Requests and replies are api.proto in JSON, but for bytes, which are text here. A process of its own: gRPC's threads do not get
on with tests that start processes."""

import base64
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

os.environ.setdefault("GRPC_VERBOSITY", "NONE")
import grpc  # noqa: E402  # pylint: disable=wrong-import-position
from google.protobuf import json_format  # noqa: E402  # pylint: disable=wrong-import-position

_PROTO = os.path.join(os.path.dirname(__file__), "..", "..", "proto")
_BYTES = ("payload", "json", "text", "binary")


def _stubs():
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["protoc", f"-I{_PROTO}", f"--python_out={directory}", "api.proto"], check=True)
        sys.path.insert(0, directory)
        sys.dont_write_bytecode = True
        import api_pb2  # pylint: disable=import-outside-toplevel,import-error
        return api_pb2


def _with_bytes(said, convert):
    if isinstance(said, list):
        return [_with_bytes(each, convert) for each in said]
    if isinstance(said, dict):
        return {name: convert(value) if name in _BYTES else _with_bytes(value, convert) for name, value in said.items()}
    return said


def _times(api):
    told = json.loads(sys.stdin.readline())
    times = []
    with grpc.insecure_channel(f"127.0.0.1:{told['port']}") as channel:
        grpc.channel_ready_future(channel).result(30)
        ask = channel.unary_unary("/dormouse.api.Hubs/Ask", request_serializer=api.Request.SerializeToString,
                                  response_deserializer=api.Reply.FromString)

        def talk(number):
            request = api.Request(hub=told["hubs"][number % len(told["hubs"])])
            request.commands.add().call.payload = told["payload"].encode()
            for _ in range(told["calls"]):
                start = time.monotonic()
                assert not ask(request, metadata=[("authorization", f"Bearer {told['key']}")]).HasField("error")
                times.append(time.monotonic() - start)

        print("ready", flush=True)
        sys.stdin.readline()
        threads = [threading.Thread(target=talk, args=(number,)) for number in range(told["clients"])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    json.dump(times, sys.stdout)


def main():
    api = _stubs()
    if sys.argv[1:] == ["--run"]:
        return exec(compile(sys.stdin.read(), "api.md", "exec"), {"__name__": "__main__"})  # pylint: disable=exec-used
    if sys.argv[1:] == ["--times"]:
        return _times(api)
    told = json.load(sys.stdin)
    answers = []
    with grpc.insecure_channel(f"127.0.0.1:{told['port']}") as channel:
        ask = channel.unary_unary("/dormouse.api.Hubs/Ask", request_serializer=api.Request.SerializeToString,
                                  response_deserializer=api.Reply.FromString)
        for said in told["requests"]:
            encoded = _with_bytes(said, lambda text: base64.b64encode(text.encode()).decode())
            request = json_format.ParseDict(encoded, api.Request())
            try:
                reply = ask(request, metadata=[("authorization", f"Bearer {told['key']}")], timeout=30)
            except grpc.RpcError as error:
                answers.append({"status": error.code().name, "details": error.details()})
                continue
            read = json_format.MessageToDict(reply)
            answers.append(_with_bytes(read, lambda text: base64.b64decode(text).decode()))
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
