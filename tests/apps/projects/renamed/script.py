"""renamed_classes: objects keep what they have stored, their ids and their sockets; twice; the first name is free again."""

import os

NOT_ON = {"workerd": "it has no migrations of its own"}


async def script(player):
    async def change(*changes):
        for name, old, new in changes:
            path = os.path.join(player.server.folder, name)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            assert old in text
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace(old, new))
        player.note(f"({new.splitlines()[-1].strip() or new} is saved)")

    async def comes(where, name):
        """The class answers by its new name; how often it is asked until then is not said."""
        async def answers():
            return (await player.fetch(where)).text.startswith(name)
        await player.until(answers, f"{name} answers")

    await player.get("/")
    ann = await player.open("ann", "/")
    await ann.ask("count")
    await player.asleep()
    await change(("src/index.js", "class Room extends", "class Hall extends"),
                 ("wrangler.toml", 'class_name = "Room"', 'class_name = "Hall"'),
                 ("wrangler.toml", 'new_sqlite_classes = ["Room"]', 'new_sqlite_classes = ["Room"]\n[[migrations]]\n'
                  'tag = "v2"\nrenamed_classes = [{ from = "Room", to = "Hall" }]'))
    await comes("/kind", "Hall")
    await ann.ask("count")
    await player.get("/")
    await change(("src/index.js", "export class Hall extends Counting {}",
                  "export class Lounge extends Counting {}\nexport class Room extends Counting {}"),
                 ("src/index.js", "env.ROOMS.", 'env[new URL(request.url).pathname === "/new" ? "NEW" : "ROOMS"].'),
                 ("wrangler.toml", 'class_name = "Hall"', 'class_name = "Lounge"\n[[durable_objects.bindings]]\n'
                  'name = "NEW"\nclass_name = "Room"'),
                 ("wrangler.toml", 'to = "Hall" }]', 'to = "Hall" }]\n[[migrations]]\ntag = "v3"\n'
                  'renamed_classes = [{ from = "Hall", to = "Lounge" }]\nnew_sqlite_classes = ["Room"]'))
    await comes("/kind", "Lounge")
    await ann.ask("count")
    await player.get("/")
    await player.get("/new")
    await player.get("/new")
    await player.get("/")
    await ann.close()
