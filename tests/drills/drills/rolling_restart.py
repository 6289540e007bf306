"""SIGTERM and a new start of each of three statekeepers, one after the other"""


def play(stage):
    with stage.play_on() as cluster:
        with stage.traffic() as traffic:
            for number, process in enumerate(cluster.statekeepers):
                traffic.mark(f"stop-{number}")
                status = process.end(15, timeout=25)
                stage.promise(status == 0, f"{process.name} ended with {status}")
                process.start()
                cluster.wait_ready()
                stage.check_shards()
                stage.wait(0.5, 1.5)
        for number in range(len(cluster.statekeepers)):
            stage.check_pause(f"stop-{number}", p99=stage.planned_pause)
        refused = stage.reports[-1]["failed_retryable"]
        stage.promise(refused == 0, f"no client notices, but {refused} requests were refused")
