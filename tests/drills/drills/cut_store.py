"""the network between a statekeeper and Redis is cut for longer than the TTL, silently or so that it knows"""

NETWORK = True


def play(stage):
    with stage.play_on():
        with stage.traffic() as traffic:
            victim = stage.host(stage.any_statekeeper())
            silently = stage.random.random() < 0.5
            stage.note("silently" if silently else "its interface is down")
            traffic.mark("cut")
            if silently:
                stage.network.cut(victim, stage.network.host("redis"))
            else:
                stage.network.unplug(victim)
            stage.wait(stage.ttl + 1, stage.ttl + 5)
            traffic.mark("heal")
            stage.network.heal()
            stage.wait(4, 5)
        stage.check_pause("cut")
        stage.check_shards()
