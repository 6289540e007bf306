"""What a backend has of Dormouse: one POST (../api.md)."""

import json
import os
import urllib.error
import urllib.request

API = os.environ.get("DORMOUSE_API", "http://127.0.0.1:8090/api/hubs")
KEY = os.environ.get("DORMOUSE_API_KEY", "")  # of `deploy/local up`: $(cat dormouse-data/api-key)


def ask(hub, verb, body=None):
    """`hub` as in "signal/fleet". Raises a RuntimeError with the sentence that says what is wrong."""
    request = urllib.request.Request(f"{API}/{hub}/{verb}", json.dumps(body or {}).encode(),
                                     {"Authorization": f"Bearer {KEY}"})
    try:
        with urllib.request.urlopen(request) as response:
            return json.load(response)
    except urllib.error.HTTPError as refusal:
        error = json.load(refusal)["error"]
        raise RuntimeError(f"{refusal.code} {error['code']}: {error['message']}") from None
