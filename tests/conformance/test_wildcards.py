"""The extension: + and # in subscriptions, where the class option is on."""

from .scenario import Saved, Scenario, Save, connect, published, register, rows, say

OPTIONS = {"topic-wildcards": "true"}

# subscription -> (topics that match, topics that do not)
MATCHES = {
    "a/+": (["a/b", "a/", "a/B-_9"], ["a", "a/b/c", "b/a", "/a/b"]),
    "+": (["a", "x_y-z"], ["a/b", "/a", "/"]),
    "+/+": (["a/b", "/", "/a", "a/"], ["a", "a/b/c"]),
    "a/+/c": (["a/b/c", "a//c"], ["a/c", "a/b/d", "a/b/c/d"]),
    "a/#": (["a", "a/b", "a/b/c", "a/", "a//"], ["ab", "b/a", "/a"]),
    "#": (["a", "a/b", "/", "x/y/z"], []),
    "+/b/#": (["a/b", "a/b/c", "/b/x"], ["b", "a/c/b", "a"]),
}
WRONG = ["a#", "a/#/b", "#/a", "a+", "+a", "a/+b/c", "##", "a/##", "++", "", "a b/+", "é/#"]


def item(count, topic):
    return say("a", "hub:publish", {"topic": topic, "type": "item", "data": topic}, expect={
        "topic": topic, "subscriberCount": count, "delivered": count > 0})


ROWS = [
    *(Scenario(f"subscription {pattern}", [
        connect("a"), register("a"), connect("b"), register("b"),
        say("b", "hub:subscribe", {"topic": pattern}, expect={"topic": pattern, "subscriptionId": Save("subscription")}),
        *(step for topic in good for step in (item(1, topic), published("b", "item", "a", topic, topic))),
        *(item(0, topic) for topic in bad),
        say("b", "hub:unsubscribe", {"topic": pattern}, pattern="ask", expect={"topic": pattern}),
        item(0, good[0]),
    ], forms=("bare",), patterns=("ask",)) for pattern, (good, bad) in MATCHES.items()),
    Scenario("a wildcard subscription is ended by its id", [
        connect("a"), register("a"), connect("b"), register("b"),
        say("b", "hub:subscribe", {"topic": "x/#"}, expect={"subscriptionId": Save("subscription")}),
        say("b", "hub:unsubscribe", {"subscriptionId": Saved("subscription")}, pattern="ask", expect={"topic": "x/#"}),
        item(0, "x/y"),
    ]),
    Scenario("several subscriptions that match are one delivery", [
        connect("a"), register("a"), connect("b"), register("b"),
        *(say("b", "hub:subscribe", {"topic": topic}) for topic in ("x/y", "x/+", "x/#", "#")),
        item(1, "x/y"), published("b", "item", "a", "x/y", "x/y"),
    ]),
    Scenario("wrong wildcards are refused", [
        connect("a"), register("a"),
        *(say("a", "hub:subscribe", {"topic": topic}, error="internal_error") for topic in WRONG),
    ], forms=("bare",), patterns=("ask",)),
    Scenario("nobody publishes to a wildcard", [
        connect("a"), register("a"), say("a", "hub:subscribe", {"topic": "#"}),
        *(say("a", "hub:publish", {"topic": topic, "type": "x", "data": 1}, error="internal_error")
          for topic in ("a/+", "#", "+")),
    ]),
]
test_row = rows(ROWS, stage="staged")
