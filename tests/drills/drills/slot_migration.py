"""parts of the slots of a Redis Cluster move from one server to another, three times"""


def play(stage):
    with stage.play_on(store="cluster") as cluster:
        with stage.traffic() as traffic:
            for number in range(3):
                source, target = stage.random.sample(range(3), 2)
                traffic.mark(f"migrate-{number}")
                cluster.redis.migrate_slots(source, target, count=1500)
                stage.wait(0.5, 1.5)
        stage.check_shards()
