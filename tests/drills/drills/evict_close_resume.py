"""evict --mode close of every statekeeper's hubs; clients come back and resume"""


def play(stage):
    with stage.play_on() as cluster:
        with stage.traffic(on_close="resume") as traffic:
            for number, process in enumerate(cluster.statekeepers):
                traffic.mark(f"evict-{number}")
                stage.ctl("evict", "--statekeeper", stage.link(process), "--mode", "close")
                stage.wait(1, 3)
        report = stage.reports[-1]
        stage.promise(set(report["closes"]) == {"1001"}, f"sockets are closed with 1001, not {report['closes']}")
        stage.promise(report["resumed"] == report["reconnects"],
                      f"{report['reconnects']} came back, {report['resumed']} resumed")
        stage.check_shards()
