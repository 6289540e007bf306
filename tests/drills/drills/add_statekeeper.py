"""a fourth statekeeper joins under load: it takes a quarter of the shards, and nothing else moves"""

from cluster import wait_until


def _shards(stage):
    return {shard["shard"]: (shard["owner"], shard["epoch"]) for shard in stage.ctl("shards")["shards"]}


def _owned_by(stage, process):
    """How many shards; 0 where it is no member yet."""
    member = stage.members().get(stage.link(process))
    return member["shards"] if member else 0


def play(stage):
    with stage.play_on() as cluster:
        stage.check_shards()
        with stage.traffic() as traffic:
            before = _shards(stage)
            traffic.mark("join")
            newcomer = cluster.statekeepers[cluster.add_statekeeper()]
            wait_until(lambda: _owned_by(stage, newcomer) > 0, "the newcomer has shards", timeout=10)
            owned, now = -1, 0
            while now != owned:  # until no more come
                owned = now
                stage.wait(1, 1)
                now = _owned_by(stage, newcomer)
            after = _shards(stage)
        member = stage.members()[stage.link(newcomer)]
        moved = [shard for shard, owned in after.items() if owned != before[shard]]
        fair = len(after) / len(cluster.statekeepers)
        stage.note(f"{len(moved)} of {len(after)} shards moved")
        stage.promise(all(after[shard][0] == member["id"] for shard in moved),
                      "a shard moved to another than the newcomer")
        # Four standard deviations of a sum of coin tosses that succeed once in four times.
        stage.promise(abs(len(moved) - fair) <= 4 * (fair * 0.75) ** 0.5,
                      f"{len(moved)} shards moved, a quarter would be {fair:g}")
        stage.check_pause("join", p99=stage.planned_pause)
        refused = stage.reports[-1]["failed_retryable"]
        stage.promise(refused == 0, f"no request fails when one joins, but {refused} did")
        stage.check_shards()
