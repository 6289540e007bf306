"""Somebody who has found the port of a statekeeper: makes calls there, and says what each came to.

    stranger.py ADDRESS < CALLS

CALLS and what is printed are JSON: {"calls": [{"method": "/dormouse.peer.Peer/Offer", "message": HEX,
"metadata": [[NAME, VALUE]...]}...], "certificate": {"pem": FILE, "key": FILE, "ca": FILE}} -> [[STATUS, TEXT]...].
A process of its own: gRPC's threads do not get on with tests that start processes.
"""

import json
import os
import sys

os.environ.setdefault("GRPC_VERBOSITY", "NONE")
import grpc  # noqa: E402  # pylint: disable=wrong-import-position

_PATIENCE = 10  # seconds for a call


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _channel(address, certificate):
    if certificate is None:
        return grpc.insecure_channel(address)
    credentials = grpc.ssl_channel_credentials(_read(certificate["ca"]), _read(certificate["key"]),
                                               _read(certificate["pem"]))
    return grpc.secure_channel(address, credentials,
                               [("grpc.ssl_target_name_override", "dormouse-statekeeper")])


def _call(channel, method, message, metadata):
    """Every kind of call is a stream of messages each way; that of a unary one just has one."""
    try:
        answers = channel.stream_stream(method)(iter([bytes.fromhex(message)]), timeout=_PATIENCE, metadata=metadata)
        next(answers)  # an answer is enough
        answers.cancel()
        return "OK", ""
    except StopIteration:
        return "OK", ""
    except grpc.RpcError as error:
        return error.code().name, error.details()


def main():
    wanted = json.load(sys.stdin)
    with _channel(sys.argv[1], wanted.get("certificate")) as channel:
        json.dump([_call(channel, call["method"], call["message"], call.get("metadata")) for call in wanted["calls"]],
                  sys.stdout)


if __name__ == "__main__":
    main()
