"""blockConcurrencyWhile in the constructor and in a handler: order, its value, and what comes meanwhile."""


async def script(player):
    # Three at once: all of them wait for the constructor.
    await player.all_at_once([f"/enter?n={n}" for n in range(3)])
    answer = await player.fetch("/log")
    said = answer.json()
    player.note(f"log: {said[:-3]} and then {sorted(said[-3:])}")
    await player.get("/both")
    said = (await player.fetch("/log")).json()[-5:]
    # Which of the last two is first when the block ends is nobody's promise.
    player.note(f"log: {said[:3]} and then {sorted(said[3:])}")
    await player.get("/fail", status_only=True)

    async def anew():
        answer = await player.fetch("/log")
        return answer.status == 200 and answer.json()
    player.note(f"made anew: {await player.until(anew, 'it answers again')}")
