"""the network between a gateway and one of its owners is cut for a while, not beyond gateway-grace"""

NETWORK = True


def play(stage):
    with stage.play_on() as cluster:
        with stage.traffic() as traffic:
            gateway = stage.host(stage.random.choice(cluster.gateways))
            traffic.mark("cut")
            stage.network.cut(gateway, stage.host(stage.any_statekeeper()))
            stage.wait(2, 8)
            traffic.mark("heal")
            stage.network.heal()
            stage.wait(4, 5)
        stage.check_shards()
