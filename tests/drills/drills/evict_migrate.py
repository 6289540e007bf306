"""evict --mode migrate of everything that one statekeeper owns"""


def play(stage):
    with stage.play_on():
        with stage.traffic() as traffic:
            traffic.mark("evict")
            stage.ctl("evict", "--statekeeper", stage.link(stage.any_statekeeper()), "--mode", "migrate")
            stage.wait(2, 3)
        stage.check_pause("evict", p99=stage.planned_pause)
        stage.check_shards()
