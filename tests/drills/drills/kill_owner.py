"""kill -9 of one of three statekeepers under load"""


def play(stage):
    with stage.play_on():
        with stage.traffic() as traffic:
            traffic.mark("kill")
            stage.any_statekeeper().end()
            stage.wait(4, 6)
        stage.check_pause("kill", p50=0.5)
        stage.check_shards()
