"""A Worker before its objects: 401 and 403 to an upgrade, headers it adds, vars, .dev.vars, services to itself."""


async def script(player):
    await player.get("/", show=["content-type", "x-frame-options"])
    for path in ("/env", "/self", "/admin", "/nowhere"):
        await player.get(path)
    await player.get("/login", show=["set-cookie"])
    answer = await player.fetch("/old")
    player.note(f"GET /old -> {answer.status} {answer.headers['location'] == player.server.url + '/new'}")
    await player.request("PATCH", "/echo?a=b%20c", "body", headers={"x-from": "client", "cookie": "a=1"})
    await player.request("HEAD", "/", show=["content-type"])
    await player.request("OPTIONS", "/echo")
    await player.get("/cached", show=["etag"])
    await player.get("/cached", show=["etag"], headers={"if-none-match": '"v1"'})
    # Upgrades that the Worker refuses.
    await player.upgrade("/vault/a", show=["www-authenticate"])
    await player.upgrade("/vault/a?token=wrong")
    await player.upgrade("/nowhere")
    await player.get("/vault/a?token=s3cret=with=signs")
    # And those that it does not.
    token = "s3cret=with=signs"
    for name, options in (("query", {}), ("header", {"extra_headers": {"Authorization": f"Bearer {token}"}}),
                          ("cookie", {"extra_headers": {"Cookie": f"seen=1; token={token}"}})):
        a = await player.open(name, f"/vault/a?token={token}" if name == "query" else "/vault/b", **options)
        await a.next()
