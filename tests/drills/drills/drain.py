"""drain of one of three statekeepers, which is stopped when it is empty"""


def play(stage):
    with stage.play_on():
        with stage.traffic() as traffic:
            leaver = stage.any_statekeeper()
            traffic.mark("drain")
            stage.ctl("drain", stage.link(leaver), "--wait")
            # It knows at once; the others hear of it.
            shards = stage.members(through=leaver)[stage.link(leaver)]["shards"]
            stage.promise(shards == 0, f"a drained statekeeper owns nothing, not {shards} shards")
            stage.wait(0, 1)
            traffic.mark("stop")
            status = leaver.end(15, timeout=25)
            stage.promise(status == 0, f"it ended with {status}")
            stage.wait(2, 3)
        stage.check_pause("drain", p99=stage.planned_pause)
        stage.check_pause("stop", p99=stage.planned_pause)
        stage.check_shards()
