"""Several kills of a round, each at a moment of its own, the killed one coming back each time."""

import contextlib

KILLS = 4


@contextlib.contextmanager
def _nothing(_):
    yield


def play(stage, before=_nothing, **options):
    """Kills statekeepers in turn while the traffic goes on. `before` is a context, given the victim, in which it is
    killed; entered before the random offset. `options`: rate, and those of the cluster."""
    rate = options.pop("rate", None)
    with stage.play_on(**options):
        with stage.traffic(rate=rate) as traffic:
            for number in range(KILLS):
                wakes = stage.cluster.hub_wakes()
                victim = stage.any_statekeeper()
                with before(victim):
                    stage.wait(0, 0.5)
                    woken = stage.cluster.hub_wakes() - wakes
                    traffic.mark(f"kill-{number}")
                    victim.end()
                stage.note(f"{woken:.0f} wakes before kill {number}")
                stage.wait(0, 1.5)  # before the TTL of the killed is over, or not long after its shards were taken
                victim.start()
                stage.cluster.wait_ready()
                stage.wait(0.5, 1)
        for number in range(KILLS):
            stage.check_pause(f"kill-{number}", most=stage.ttl + 1)
        stage.check_shards()
