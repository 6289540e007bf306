from dormouse_hubs import Connection, Hub


class Base(Hub):
    """Takes every socket; its attachment says who it is."""

    async def on_connect(self, connection: Connection) -> None:
        who = connection.request.params.get("id", "nobody")
        connection.tags = [f"tag-{who}"]
        connection.attachment = {"id": who}
