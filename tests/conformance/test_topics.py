"""Rows hub:subscribe, hub:unsubscribe, hub:publish of "Messages", and the rules for topics and subscriptions."""

from .protocol import TEXT, Exactly
from .scenario import (NULL, Address, Save, Saved, Scenario, closed, connect, gets, other_form, published,
                       register, registered_are, rows, say)

TOPIC_ERROR = "internal_error"
GOOD = ["a", "A-b_c/d0", "/", "//a//", "x" * 256, "0"]
BAD = ["", "x" * 257, "a b", "a.b", "a#", "+", "#", "news/+", "news/#", "é", "a\n", "a*", None, 7, ["t"]]


def two(**more):
    return [connect("a"), register("a"), connect("b", **more), register("b")]


def publish(topic, data, count, client="a"):
    return say(client, "hub:publish", {"topic": topic, "type": "item", "data": data}, expect={
        "topic": topic, "subscriberCount": count, "delivered": count > 0})


def subscribe(client, topic, name="subscription", **more):
    return say(client, "hub:subscribe", {"topic": topic, **more}, expect={
        "topic": topic, "subscriptionId": Save(name, TEXT)})


def unsubscribe(client, **payload):
    return say(client, "hub:unsubscribe", payload)


ROWS = [
    Scenario("hub:subscribe -> hub:subscribed; hub:publish -> hub:published (1.0: hub:delivery_ack)", [
        *two(form=other_form),
        subscribe("b", "news/local"),
        publish("news/local", {"n": 1}, 1),
        published("b", "item", "a", "news/local", Exactly({"n": 1})),
    ]),
    Scenario("hub:subscribe twice is once", [
        *two(),
        subscribe("b", "t", "first"),
        say("b", "hub:subscribe", {"topic": "t"}, expect={"subscriptionId": Saved("first")}),
        publish("t", 1, 1),
        published("b", "item", "a", "t", 1),
        unsubscribe("b", topic="t"),
        publish("t", 2, 0),
    ]),
    Scenario("hub:subscribe with durable", [
        *two(), subscribe("b", "t", durable=True), publish("t", 1, 1), published("b", "item", "a", "t", 1),
    ]),
    Scenario("hub:publish comes to the publisher where it subscribed", [
        *two(), subscribe("a", "t"), subscribe("b", "t"),
        publish("t", 1, 2), published("a", "item", "a", "t", 1), published("b", "item", "a", "t", 1),
    ]),
    Scenario("hub:publish without subscribers", [*two(), publish("t", 1, 0)]),
    Scenario("topics match exactly", [
        *two(), subscribe("b", "news"),
        publish("new", 1, 0), publish("news/a", 1, 0), publish("News", 1, 0), publish("/news", 1, 0),
        publish("news", 1, 1), published("b", "item", "a", "news", 1),
    ]),
    Scenario("hub:unsubscribe {topic} -> hub:unsubscribed (0.1: for an ask)", [
        *two(), subscribe("b", "t"), subscribe("b", "u"),
        say("b", "hub:unsubscribe", {"topic": "t"}, expect={"topic": "t"}),
        say("b", "hub:list_actors", {}),
        publish("t", 1, 0), publish("u", 2, 1), published("b", "item", "a", "u", 2),
    ]),
    Scenario("hub:unsubscribe {subscriptionId}", [
        *two(), subscribe("b", "t"),
        say("b", "hub:unsubscribe", {"subscriptionId": Saved("subscription")}, expect={"topic": "t"}),
        say("b", "hub:list_actors", {}),
        publish("t", 1, 0),
    ]),
    Scenario("hub:unsubscribe with the id in the field of the topic", [
        *two(), subscribe("b", "t"),
        say("b", "hub:unsubscribe", {"topic": Saved("subscription")}),
        say("b", "hub:list_actors", {}),
        publish("t", 1, 0),
    ]),
    Scenario("hub:unsubscribe from what is not subscribed", [
        *two(), say("b", "hub:unsubscribe", {"topic": "t"}, expect={"topic": "t"}),
    ]),
    Scenario("hub:unsubscribe with somebody else's subscriptionId leaves theirs alone", [
        *two(), subscribe("b", "t"),
        say("a", "hub:unsubscribe", {"subscriptionId": Saved("subscription")}, pattern="tell", silent=True),
        publish("t", 1, 1), published("b", "item", "a", "t", 1),
    ], dialects=("0.1",), patterns=("tell",)),
    Scenario("hub:unsubscribe that names nothing -> an error", [
        connect("a"), register("a"),
        say("a", "hub:unsubscribe", {}, error="internal_error"), say("a", "hub:unsubscribe", NULL, error="internal_error"),
    ]),
    Scenario("topics are ^[a-zA-Z0-9/_-]{1,256}$", [
        *two(),
        *(step for topic in GOOD for step in (
            subscribe("b", topic), publish(topic, 1, 1), published("b", "item", "a", topic, 1))),
    ], patterns=("ask",)),
    Scenario("other topics are refused, wildcards too", [
        *two(),
        *(say("a", "hub:subscribe", {"topic": topic}, error=TOPIC_ERROR) for topic in BAD),
        *(say("a", "hub:publish", {"topic": topic, "type": "x", "data": 1}, error=TOPIC_ERROR) for topic in BAD),
    ], patterns=("ask",)),
    Scenario("hub:publish without a type -> an error", [
        *two(), subscribe("b", "t"), say("a", "hub:publish", {"topic": "t", "data": 1}, error="internal_error"),
    ]),
    Scenario("subscriptions follow the address to a new session of the same actor", [
        *two(), subscribe("b", "t"),
        connect("c"),
        say("c", "hub:register", {"actorAddress": Address("b"), "capabilities": ["x"]}, sender=Address("b"),
            expect={"version": 2}),
        gets("b", "hub:disconnect", {"reason": "duplicate_connection", "message": TEXT}),
        closed("b", 1000),
        publish("t", 1, 1),
        published("c", "item", "a", "t", 1, to=Address("b")),
    ]),
    Scenario("a subscription ends with its session where that cannot resume", [
        *two(), subscribe("b", "t"),
        say("b", "hub:disconnect", {}), closed("b", 1000),
        registered_are("a", "a"),
        publish("t", 1, 0),
    ]),
    Scenario("a session without a registration subscribes as its from", [
        connect("a"), connect("b"), subscribe("b", "t"),
        publish("t", 1, 1), published("b", "item", "a", "t", 1),
    ]),
]
test_row = rows(ROWS)
