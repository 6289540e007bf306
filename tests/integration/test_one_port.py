"""Gateways of one cluster share a port; one of another cluster is told that it cannot have it."""

from cluster import Cluster
from process import Process, wait_until


def _listening_at(cluster, address):
    """The command line of another gateway of this cluster, there."""
    command = list(cluster.gateways[0].command)
    command[command.index("--listen") + 1] = address
    command[command.index("--admin") + 1] = "127.0.0.1:0"
    return command


def test_a_gateway_of_another_cluster_does_not_share_the_port():
    with Cluster() as one, Cluster() as another:
        port = one.port()
        for host in ("127.0.0.1", "0.0.0.0"):
            status, said = another.run_to_end(_listening_at(another, f"{host}:{port}"))
            assert status == 1
            assert f"cannot listen on {host}:{port}: a gateway of another cluster does" in said
        # One of the same cluster is welcome.
        more = Process("one-more", _listening_at(one, f"127.0.0.1:{port}"), one.directory)
        more.start()
        try:
            wait_until(lambda: f"listening on port {port}" in more.log_text(), "it listens, too")
        finally:
            assert more.end(15) == 0
