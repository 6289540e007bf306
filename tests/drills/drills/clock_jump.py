"""the wall clock of a statekeeper, or of a gateway, jumps by an hour, forward or back"""

import os

from clock import WallClock


def play(stage):
    with stage.play_on(start=False) as cluster:
        victim = stage.random.choice([*cluster.statekeepers, *cluster.gateways])
        clock = WallClock(os.path.join(stage.directory, "clock"))
        victim.environment.update(clock.environment)
        hours = stage.random.choice([1, -1])
        # Never behind the kernel's own clock, by which threads of libraries wait until a time: one that has passed, and
        # they would wait no more, and take all processors.
        ahead = 3600 if hours < 0 else 0
        cluster.start()
        clock.jump(ahead)
        stage.wait(2, 2)  # until it has seen that
        with stage.traffic() as traffic:
            stage.note(f"of {victim.name} by {hours} h")
            traffic.mark("jump")
            clock.jump(ahead + 3600 * hours)
            stage.wait(5, 7)
        stage.check_pause("jump", p99=0.5, most=1)
        stage.check_shards()
