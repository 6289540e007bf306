"""kill -9 of one of two gateways, which comes back later; its clients resume anywhere"""


def play(stage):
    with stage.play_on() as cluster:
        with stage.traffic(on_close="resume") as traffic:
            victim = stage.random.randrange(len(cluster.gateways))
            traffic.mark("kill")
            cluster.kill_gateway(victim)
            stage.wait(1, 4)
            cluster.start_gateway(victim)
            stage.wait(2, 4)
        report = stage.reports[-1]
        stage.promise(0 < report["reconnects"] < stage.connections, f"only the killed one's clients lost their"
                      f" sockets, not {report['reconnects']} of {stage.connections}")
        stage.promise(report["resumed"] == report["reconnects"],
                      f"{report['reconnects']} came back, {report['resumed']} resumed")
        stage.check_shards()
