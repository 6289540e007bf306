"""What the examples of the kit test of hubs in Python: a bell that rings when it was told to."""

from datetime import timedelta

from dormouse_hubs import AlarmInfo, Connection, Hub


class Bell(Hub):
    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        if message == "ring in an hour":
            self.hub.set_alarm(timedelta(hours=1))
        elif str(message).startswith("strike "):
            hour = str(message).removeprefix("strike ")
            self.hub.timers.set(hour, timedelta(hours=int(hour)))
        elif message == "wind up, and ring in an hour":
            self.hub.later(0.01, self.wound_up)
        connection.send(f"done: {message!s}")

    async def wound_up(self) -> None:
        self.hub.set_alarm(timedelta(hours=1))
        self.hub.broadcast("wound up")

    async def on_alarm(self, info: AlarmInfo) -> None:
        self.hub.broadcast("it rings")

    async def on_timer(self, name: str, info: AlarmInfo) -> None:
        self.hub.broadcast(f"it strikes {name}")
