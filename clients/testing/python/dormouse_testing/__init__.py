"""Clusters of Dormouse for tests: put hubs to sleep, kill their owners, move the clock.

    async with Cluster.start(app="counter", store="redis", statekeepers=2) as cluster:
        socket = await cluster.connect("/lobby")
        await socket.send("up")
        await cluster.kill_owner("Counter//lobby")
        assert await socket.next() == "1"

Times are in seconds. Hubs are named CLASS/NAME, as `deploy/local ctl hubs` does. How it is used: clients/testing/README.md.
"""

from .cluster import Cluster, ClusterError
from .hub_socket import HubSocket

__all__ = ["Cluster", "ClusterError", "HubSocket"]
