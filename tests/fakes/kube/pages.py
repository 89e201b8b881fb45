"""Lists in pages: `limit` and `continue`."""

import base64
import json

from . import status

TOO_OLD = "The provided continue parameter is too old to display a " \
    "consistent list result. You can start a new list without the continue " \
    "parameter, or use the continue token in this response to retrieve the " \
    "remainder of the results. Continuing with the provided token results " \
    "in an inconsistent list - objects that were created, modified, or " \
    "deleted between the time the first chunk was returned and now may " \
    "show up in the list."


def encode(version, start):
    """A token: where to go on, and in which state of the cluster."""
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version,
                       "start": start + "\0"}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(token):
    """(version, start); 400 when it is no token."""
    try:
        padding = "=" * (-len(token) % 4)
        found = json.loads(base64.urlsafe_b64decode(token + padding))
        return found["rv"], found["start"].rstrip("\0")
    except (ValueError, KeyError, TypeError) as error:
        raise status.bad_request("continue key is not valid: "
                                 f"{error}") from error


def key_of(item, everywhere):
    """The place of an object in its list."""
    metadata = item["metadata"]
    where = f"/{metadata['namespace']}" if everywhere and \
        "namespace" in metadata else ""
    return f"{where}/{metadata['name']}"


class Pages:
    """Cuts lists; a test may let all tokens be too old."""

    def __init__(self):
        self.expired_before = 0

    def cut(self, items, query, metadata, store, everywhere=False):
        """The items of the page that was asked for."""
        token, limit = query.get("continue"), query.number("limit")
        if token:
            version, start = decode(token)
            if version != -1 and version < max(self.expired_before,
                                               store.oldest):
                raise status.ApiError(
                    410, TOO_OLD, "Expired",
                    metadata={"continue": encode(-1, start)})
            items = [item for item in items
                     if key_of(item, everywhere) > start]
        if not limit or len(items) <= limit:
            return items
        metadata["continue"] = encode(int(metadata["resourceVersion"]),
                                      key_of(items[limit - 1],
                                             everywhere))
        metadata["remainingItemCount"] = len(items) - limit
        return items[:limit]
