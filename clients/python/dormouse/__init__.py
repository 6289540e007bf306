"""Dormouse's Python client.

`Client` speaks to signal hubs (/ws/NAME). For echo hubs (/websocket/NAME) there is what the demo programs beside
this package use: open_socket, the frames in `echo`, Backoff.
"""

from .backlog import Backlog
from .backoff import Backoff
from .client import Client
from .clock import Clock
from .envelope import Message, decode, encode
from .errors import ConnectError, DormouseError
from .link import Connected
from .registrations import Registration
from .topics import Subscription
from .transport import ConnectionClosed, close_info, open_socket

__all__ = [
    "Backlog",
    "Backoff",
    "Client",
    "Clock",
    "ConnectError",
    "Connected",
    "ConnectionClosed",
    "DormouseError",
    "Message",
    "Registration",
    "Subscription",
    "close_info",
    "decode",
    "encode",
    "open_socket",
]
