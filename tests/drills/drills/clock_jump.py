"""the wall clock of a statekeeper, or of a gateway, jumps by an hour, forward or back"""

import os

from clock import WallClock


def play(stage):
    with stage.play_on(start=False) as cluster:
        victim = stage.random.choice([*cluster.statekeepers, *cluster.gateways])
        clock = WallClock(os.path.join(stage.directory, "clock"))
        victim.environment.update(clock.environment)
        cluster.start()
        with stage.traffic() as traffic:
            hours = stage.random.choice([1, -1])
            stage.note(f"of {victim.name} by {hours} h")
            traffic.mark("jump")
            clock.jump(3600 * hours)
            stage.wait(5, 7)
        stage.check_pause("jump", p99=0.5, most=1)
        stage.check_shards()
