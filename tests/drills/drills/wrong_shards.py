"""a cluster with another number of shards starts on a key prefix that is taken: it is refused, and says why"""


def play(stage):
    with stage.play_on() as cluster:
        with stage.traffic():
            shards = stage.random.choice([512, 1023, 2048])
            status, said = cluster.run_to_end(cluster.another_statekeeper_command(shards=str(shards)))
            stage.promise(status not in (0, None), f"a statekeeper with {shards} shards was not refused")
            last = said.strip().splitlines()[-1] if said.strip() else ""
            stage.note(f"it said: {last}")
            stage.promise("1024" in last and str(shards) in last, f"that is no clear error: {last!r}")
            stage.wait(1, 2)
        stage.check_shards()
