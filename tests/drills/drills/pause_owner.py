"""SIGSTOP of a statekeeper for 10 s, then SIGCONT: a zombie"""

import time


def play(stage):
    with stage.play_on():
        with stage.traffic() as traffic:
            victim = stage.any_statekeeper()
            traffic.mark("stop")
            victim.pause()
            time.sleep(10)
            traffic.mark("continue")
            victim.resume()
            stage.wait(4, 6)
        stage.check_pause("stop")
        stage.check_pause("continue")
        stage.check_shards()
