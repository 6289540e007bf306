"""PROTOCOL.md's tables as data. Index 0 of a pair: dialect 0.1; index 1: dialect 1.0."""

import time

from cluster import SLOWNESS

DIALECTS = ("0.1", "1.0")
HUB = "cloudflare/signal-hub"


class Either:
    """A matcher: any of these."""

    def __init__(self, *choices):
        self.choices = choices

    def __repr__(self):
        return " or ".join(map(describe, self.choices))


class Where:
    """A matcher: what the function says yes to."""

    def __init__(self, text, function):
        self.text = text
        self.function = function

    def __repr__(self):
        return f"<{self.text}>"


class Exactly(dict):
    """A matcher: an object with these members and no others. (A plain dictionary: at least with these.)"""


def describe(expected):
    return expected.__name__ if isinstance(expected, type) else repr(expected)


def is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def within(base_ms, slack_ms):
    return Where(f"{base_ms:.0f} +- {slack_ms} ms", lambda value: is_integer(value) and abs(value - base_ms) <= slack_ms)


def from_now(milliseconds, slack_ms=4000):
    """A point in time, so far from the moment of comparison."""
    return Where(f"in {milliseconds} ms", lambda value: is_integer(value)
                 and abs(value - time.time() * 1000 - milliseconds) <= slack_ms * SLOWNESS)


NOW = from_now(0)
TEXT = Where("non-empty string", lambda value: isinstance(value, str) and value != "")
LINE = Where("one line of text", lambda value: isinstance(value, str) and value.strip() != "" and "\n" not in value)
COUNT = Where("integer >= 0", lambda value: is_integer(value) and value >= 0)
STRINGS = Where("array of strings", lambda value: isinstance(value, list) and all(isinstance(x, str) for x in value))
EPOCH_MS = Where("epoch ms", lambda value: is_integer(value) and 1.6e12 < value < 4e12)
NUMBER = Where("number >= 0", lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0)

# "A frame from the hub always has all fields."
ENVELOPE = Exactly({
    "id": TEXT, "from": TEXT, "to": TEXT, "type": TEXT, "payload": Where("anything", lambda _: True),
    "pattern": Either("tell", "ask"), "correlationId": Either(str, None), "timestamp": NOW, "metadata": dict,
    "ttl": Either(int, None), "signature": Either(str, None),
})

REPLY = {
    "hub:connect": ("hub:connected", "hub:connected"),
    "hub:heartbeat": ("hub:heartbeat_ack", "hub:heartbeat_ack"),
    "hub:disconnect": ("hub:disconnect", "hub:disconnect_ack"),
    "hub:refresh_token": ("hub:token_refreshed", "hub:token_refreshed"),
    "hub:register": ("hub:registered", "hub:registered"),
    "hub:renew": ("hub:renewed", "hub:renewed"),
    "hub:unregister": ("hub:unregistered", "hub:unregistered"),
    "hub:discover": ("hub:discovered", "hub:discovery_result"),
    "hub:list_actors": ("hub:actor_list", "hub:actor_list"),
    "hub:send": ("hub:delivery_ack", "hub:delivery_ack"),
    "hub:broadcast": ("hub:broadcast_ack", "hub:delivery_ack"),
    "hub:subscribe": ("hub:subscribed", "hub:subscribed"),
    "hub:unsubscribe": ("hub:unsubscribed", "hub:unsubscribed"),
    "hub:publish": ("hub:published", "hub:delivery_ack"),
    "hub:queue_stats": ("hub:queue_stats_response", "hub:queue_stats_response"),
    "hub:metrics": ("hub:metrics_response", "hub:metrics_response"),
}

# Where a tell gets no reply.
SILENT_TELLS = {("hub:unregister", "0.1"), ("hub:unsubscribe", "0.1"), ("hub:send", "0.1"), ("hub:send", "1.0")}

_ACTORS = Where("array of objects", lambda value: isinstance(value, list) and all(isinstance(x, dict) for x in value))

# "A payload lists the union: send all the fields in both dialects."
PAYLOAD = {
    "hub:connect": {
        "sessionId": TEXT, "serverVersion": TEXT, "serverTime": NOW, "actorIdentity": TEXT, "maxMessageSize": int,
        "heartbeatInterval": int, "resumeToken": Either(TEXT, None), "resumed": bool},
    "hub:heartbeat": {"serverTime": NOW},
    "hub:disconnect": {"sessionId": TEXT, "cleanedUp": True},
    "hub:refresh_token": {"token": TEXT, "expiresAt": EPOCH_MS},
    "hub:register": {"actorAddress": TEXT, "renewalToken": TEXT, "expiresAt": EPOCH_MS, "version": int},
    "hub:renew": {"actorAddress": TEXT, "expiresAt": EPOCH_MS, "renewalToken": TEXT, "newRenewalToken": TEXT},
    "hub:unregister": {"actorAddress": TEXT, "unregisteredAt": NOW},
    "hub:discover": {"actors": _ACTORS, "count": COUNT, "hasMore": bool, "totalMatches": COUNT},
    "hub:list_actors": {"actors": _ACTORS, "total": COUNT, "offset": COUNT, "limit": COUNT, "hasMore": bool},
    "hub:send": {"messageId": TEXT, "deliveredAt": NOW, "status": Either("delivered", "queued"), "delivered": bool,
                 "timestamp": NOW},
    "hub:broadcast": {"messageId": TEXT, "deliveredCount": COUNT, "failedCount": COUNT, "queuedCount": COUNT,
                      "delivered": bool, "count": COUNT, "timestamp": NOW},
    "hub:subscribe": {"topic": TEXT, "subscriptionId": TEXT},
    "hub:unsubscribe": {"topic": TEXT, "unsubscribedAt": NOW},
    "hub:publish": {"topic": TEXT, "subscriberCount": COUNT, "delivered": bool, "queued": COUNT, "timestamp": NOW},
    "hub:metrics": {"sessions": COUNT, "actors": COUNT, "topics": COUNT, "messagesIn": COUNT, "messagesOut": COUNT,
                    "uptime": COUNT},
    "hub:queue_stats": {"queueDepth": COUNT, "processingRate": NUMBER, "pauseThreshold": int, "resumeThreshold": int},
}
CONNECTED_CAPABILITIES = (
    Exactly({"maxActorsPerInstance": int, "supportsBackpressure": True,
             "supportedContentTypes": ["application/json"]}),
    STRINGS,
)

ERROR = {"message": LINE, "resolution": LINE, "details": Where("anything", lambda _: True)}
ERROR_CODES = {"version_mismatch", "unauthorized", "rate_limited", "unknown_actor", "message_too_large",
               "message_expired", "timeout", "internal_error", "invalid_token", "BROADCAST_LIMIT_EXCEEDED"}
