"""Redis is stopped for longer than commit-timeout (5 s): changes fail retryably, everything else goes on"""

COMMIT_TIMEOUT = 5


def play(stage):
    with stage.play_on() as cluster:
        with stage.traffic() as traffic:
            traffic.mark("stop")
            cluster.redis.end(15)
            stage.wait(COMMIT_TIMEOUT + 1, COMMIT_TIMEOUT + 4)
            cluster.redis.start()
            stage.wait(5, 6)
        stage.check_shards()
