"""Topics of class signal on real processes: wildcards that outlast sleep and crashes, and limits that cost nobody else."""

from cluster import Cluster
from ws import actor, all_open


async def publish(client, topic):
    """How many got it."""
    return (await client.must("hub:publish", {"topic": topic, "type": "news", "data": topic}))["subscriberCount"]


async def test_wildcards_outlast_sleep_and_a_killed_statekeeper(store):
    options = {"topic-wildcards": "true", "hibernate-after": "200ms", "rate-limit": "0"}
    with Cluster(store=store, options=options) as cluster:
        url = cluster.ws_url("/ws/room")
        async with all_open(actor(url, f"test/{name}") for name in ("one", "two", "three")) as (one, two, three):
            for topic in ("home/+/heat", "home/#", "home/kitchen/heat"):
                await one.must("hub:subscribe", {"topic": topic})
            await two.must("hub:subscribe", {"topic": "+/kitchen/+"})
            await cluster.asleep()
            assert await publish(three, "home/kitchen/heat") == 2
            cluster.kill_statekeeper()
            cluster.start_statekeeper()
            assert await publish(three, "home/kitchen/light") == 2
            assert await publish(three, "home") == 1
            assert await publish(three, "elsewhere") == 0
            got = [(await one.next())["payload"] for _ in range(3)]
            assert got == ["home/kitchen/heat", "home/kitchen/light", "home"], "once each"
            await one.must("hub:unsubscribe", {"topic": "home/#"})
            assert await publish(three, "home/cellar/heat") == 1
            assert await publish(three, "home") == 0


async def test_wildcards_are_off_unless_allowed():
    with Cluster() as cluster:
        async with actor(cluster.ws_url("/ws/room"), "test/one") as one:
            reply = await one.call("hub:subscribe", {"topic": "home/#"})
            assert reply["type"] == "hub:error"
            assert "topic-wildcards" in reply["payload"]["resolution"]


async def test_a_flood_of_topics_leaves_the_others_alone(store):
    options = {"rate-limit": "0", "max-subscriptions": "50", "max-topics": "120"}
    with Cluster(store=store, options=options) as cluster:
        url = cluster.ws_url("/ws/room")
        async with actor(url, "test/reader") as reader, actor(url, "test/writer") as writer:
            await reader.must("hub:subscribe", {"topic": "news"})
            codes = {"SUBSCRIPTION_LIMIT": 0, "TOPIC_LIMIT": 0}
            async with all_open(actor(url, f"flood/{n}") for n in range(3)) as flood:
                for client in flood:
                    for number in range(60):
                        reply = await client.call("hub:subscribe", {"topic": f"{client.address}/{number}"})
                        if reply["type"] == "hub:error":
                            assert reply["payload"]["code"] == "rate_limited", reply
                            assert reply["payload"]["details"]["retryAfter"] > 0, reply
                            codes[reply["payload"]["details"]["code"]] += 1
                assert codes == {"SUBSCRIPTION_LIMIT": 20, "TOPIC_LIMIT": 41}, codes
                assert await publish(writer, "news") == 1
                assert (await reader.next())["payload"] == "news"
                await reader.must("hub:subscribe", {"topic": "news"})  # it has it
                await writer.must("hub:subscribe", {"topic": "news"})  # no new topic
                assert (await writer.call("hub:subscribe", {"topic": "fresh"}))["type"] == "hub:error"
                await flood[0].must("hub:disconnect")
                await writer.must("hub:subscribe", {"topic": "fresh"})
