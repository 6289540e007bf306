"""Hubs of Dormouse in Python: classes whose objects sleep while their sockets stay open. See README.md.

    from dormouse_hubs import Connection, Hub

    class Echo(Hub):
        async def on_message(self, connection: Connection, message: str | bytes) -> None:
            connection.send(message)
"""

from .connection import Connection
from .context import HubContext
from .errors import CallCycle, CallFailed, RemoteError
from .host.own_events import Later
from .http import Answer, Headers, Identity, Opening, Request, Response
from .hub import AlarmInfo, Hub, rpc
from .storage import Storage
from .timers import Timers
from .values import Value

__all__ = [
    "AlarmInfo", "Answer", "CallCycle", "CallFailed", "Connection", "Headers", "Hub", "HubContext", "Identity", "Later",
    "Opening", "RemoteError", "Request", "Response", "Storage", "Timers", "Value", "rpc",
]
