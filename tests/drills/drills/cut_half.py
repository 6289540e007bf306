"""the network between half of the gateways and half of the statekeepers is cut, and healed in either order"""

NETWORK = True


def play(stage):
    with stage.play_on(gateways=2, statekeepers=4) as cluster:
        with stage.traffic() as traffic:
            gateway = stage.host(stage.random.choice(cluster.gateways))
            links = [(gateway, stage.host(process)) for process in stage.random.sample(cluster.statekeepers, 2)]
            traffic.mark("cut")
            for link in links:
                stage.network.cut(*link)
                stage.wait(0, 1)
            stage.wait(1, 5)
            traffic.mark("heal")
            in_order = stage.seed % 2 == 0
            stage.note(f"healed {'first cut first' if in_order else 'last cut first'}")
            for link in links if in_order else reversed(links):
                stage.network.mend(*link)
                stage.wait(0, 1)
            stage.wait(4, 5)
        stage.check_shards()
