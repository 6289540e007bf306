"""kill -9 of statekeepers that always have commits under way"""

from drills import _kills


def play(stage):
    # The store writes to the disk before it answers, so a commit takes milliseconds: at this rate one is always there.
    _kills.play(stage, hibernate_after="30s", rate=3 * stage.rate)
