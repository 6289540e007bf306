"""a part of the slots of a Redis Cluster moves from one server to another"""


def play(stage):
    with stage.play_on(store="cluster") as cluster:
        with stage.traffic() as traffic:
            source, target = stage.random.sample(range(3), 2)
            traffic.mark("migrate")
            cluster.redis.migrate_slots(source, target, count=1000)
            stage.wait(1, 2)
        stage.check_shards()
