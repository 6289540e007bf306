"""SIGSTOP of one of two gateways for longer than gateway-grace, then SIGCONT; its clients resume"""


def play(stage):
    with stage.play_on(gateway_grace="2s") as cluster:
        with stage.traffic(on_close="resume") as traffic:
            victim = stage.random.choice(cluster.gateways)
            traffic.mark("stop")
            victim.pause()
            stage.wait(5, 8)
            traffic.mark("continue")
            victim.resume()
            stage.wait(4, 6)
        report = stage.reports[-1]
        stage.promise(0 < report["reconnects"] < stage.connections, f"only the paused one's clients lost their"
                      f" sockets, not {report['reconnects']} of {stage.connections}")
        stage.promise(report["resumed"] == report["reconnects"],
                      f"{report['reconnects']} came back, {report['resumed']} resumed")
        stage.check_shards()
