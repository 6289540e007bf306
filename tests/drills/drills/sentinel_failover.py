"""the master of a Redis with sentinels is killed, or told to give way"""

from cluster import wait_until


def play(stage):
    with stage.play_on(store="sentinel") as cluster:
        with stage.traffic() as traffic:
            old = cluster.redis.master()
            killed = stage.random.random() < 0.5
            stage.note("killed" if killed else "told to give way")
            traffic.mark("failover")
            if killed:
                old.end()
            else:
                stage.promise(cluster.redis.give_way(), "the sentinels refuse")
            wait_until(lambda: cluster.redis.master() not in (old, None), "there is another master", timeout=30)
            stage.wait(0, 2)
            if killed:
                old.start()
            stage.wait(4, 5)
        stage.check_shards()
