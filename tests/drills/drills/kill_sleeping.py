"""kill -9 of statekeepers while their hubs are told to fall asleep"""

import contextlib
import subprocess

from drills import _kills


def play(stage):
    @contextlib.contextmanager
    def going_to_sleep(victim):
        """Some hubs of the victim are being put to sleep. What becomes of the command does not matter."""
        owned = {shard["shard"] for shard in stage.ctl("shards", "--owner", stage.link(victim))["shards"]}
        hubs = [hub["hub"] for hub in stage.ctl("hubs", "--awake")["hubs"] if hub["shard"] in owned]
        commands = [subprocess.Popen(stage.ctl_command("hibernate", hub, through=victim), stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL) for hub in stage.random.sample(hubs, min(len(hubs), 8))]
        try:
            yield
        finally:
            for command in commands:
                command.kill()
                command.wait()

    _kills.play(stage, going_to_sleep, hibernate_after="10s", rate=4 * stage.hubs)
