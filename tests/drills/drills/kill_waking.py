"""kill -9 of statekeepers while hubs wake all the time"""

from drills import _kills


def play(stage):
    # Two operations a second for a hub, which sleeps after a fifth of it: nearly each of them wakes one.
    _kills.play(stage, hibernate_after="200ms", rate=2 * stage.hubs)
