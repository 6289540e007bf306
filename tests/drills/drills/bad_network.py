"""10 s of 200 ms latency and 5 % loss between statekeepers and Redis, and between gateways and statekeepers"""

import time

NETWORK = True


def play(stage):
    with stage.play_on() as cluster:
        with stage.traffic() as traffic:
            traffic.mark("slow")
            for statekeeper in cluster.statekeepers:
                for other in (stage.network.host("redis"), *map(stage.host, cluster.gateways)):
                    stage.network.slow(stage.host(statekeeper), other, delay=0.2, loss=0.05, seed=stage.seed)
            time.sleep(10)
            traffic.mark("heal")
            stage.network.heal()
            stage.wait(5, 6)
        stage.check_shards()
