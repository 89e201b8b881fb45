"""How the API server writes: JSON with Go's escapes, times, random names."""

import datetime
import json
import random
import time
import uuid

# What the real server leaves out, as these are easy to misread.
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
FIRST = ("kind", "apiVersion")
METADATA = ("name", "generateName", "namespace", "uid", "resourceVersion",
            "generation", "creationTimestamp", "deletionTimestamp",
            "deletionGracePeriodSeconds", "labels", "annotations",
            "ownerReferences", "finalizers", "managedFields")
LAST = ("status",)


def to_json(value):
    """Compact, and without the characters that a browser could misread."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for character in "&<>\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()


def in_order(item):
    """The object with its keys in the order in which the server has them."""
    metadata = item.get("metadata", {})
    sorted_metadata = {key: metadata[key] for key in METADATA
                       if key in metadata}
    sorted_metadata.update(metadata)
    ordered = {key: item[key] for key in FIRST if key in item}
    ordered["metadata"] = sorted_metadata
    ordered.update({key: item[key] for key in item if key not in LAST})
    ordered.update({key: item[key] for key in LAST if key in item})
    ordered["metadata"] = sorted_metadata
    return ordered


def now():
    """A time as in metadata, in whole seconds."""
    return stamp(time.time())


def stamp(seconds):
    """A POSIX time as in metadata."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def now_micro():
    """A time as in eventTime."""
    moment = datetime.datetime.now(datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def now_nano():
    """A time as in a log."""
    nanoseconds = time.time_ns()
    return f"{stamp(nanoseconds // 10**9)[:-1]}.{nanoseconds % 10**9:09d}Z"


def seconds_of(text):
    """The POSIX time that stamp() wrote."""
    moment = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp()


def suffix(length=5):
    """The end of a generated name."""
    return "".join(random.choices(ALPHABET, k=length))


def new_uid():
    """A UID."""
    return str(uuid.uuid4())


def age(text):
    """As kubectl shows it: 45s, 3m, 2h."""
    seconds = max(0, int(time.time() - seconds_of(text)))
    if seconds < 120:
        return f"{seconds}s"
    if seconds < 7200:
        return f"{seconds // 60}m"
    return f"{seconds // 3600}h"
