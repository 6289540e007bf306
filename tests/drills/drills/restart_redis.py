"""Redis (appendfsync always) is stopped or killed, and started again"""


def play(stage):
    with stage.play_on() as cluster:
        with stage.traffic() as traffic:
            number = stage.random.choice([15, 9])
            stage.note(f"by signal {number}")
            traffic.mark("restart")
            cluster.redis.end(number)
            stage.wait(0, 4)
            cluster.redis.start()
            stage.wait(3, 4)
        stage.check_shards()
