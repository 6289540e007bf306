"""kill -9 of all statekeepers at once; others start"""

import time


def play(stage):
    with stage.play_on() as cluster:
        with stage.traffic() as traffic:
            traffic.mark("kill")
            began = time.monotonic()
            for process in cluster.statekeepers:
                process.send_signal(9)
            for process in cluster.statekeepers:
                process.await_end()
            stage.wait(0, 3)
            for process in cluster.statekeepers:
                process.start()
            cluster.wait_ready()
            away = time.monotonic() - began
            stage.note(f"nobody served for {away:.1f} s")
            stage.wait(4, 5)
        stage.check_pause("kill", most=away + stage.ttl + 1)
        stage.check_shards()
