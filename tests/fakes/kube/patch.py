"""How a PATCH changes an object."""

import copy

from . import schema, status


def merge(target, change):
    """A JSON merge patch (RFC 7396)."""
    if not isinstance(change, dict):
        return copy.deepcopy(change)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def strategic(target, change, parent="", name=""):
    """A strategic merge patch: lists whose items have keys are merged."""
    if isinstance(change, list):
        keys = schema.list_keys(parent, name)
        if keys and isinstance(target, list):
            return merge_items(target, change, keys[0], name)
        return [item for item in copy.deepcopy(change)
                if not (isinstance(item, dict) and "$patch" in item)]
    if not isinstance(change, dict):
        return copy.deepcopy(change)
    if change.get("$patch") == "replace":
        return {key: value for key, value in change.items()
                if key != "$patch"}
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in change.items():
        if key.startswith(("$setElementOrder/", "$retainKeys", "$patch")):
            continue
        if key.startswith("$deleteFromPrimitiveList/"):
            where = key.partition("/")[2]
            merged[where] = [item for item in merged.get(where, ())
                             if item not in value]
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = strategic(merged.get(key), value, name, key)
    retained = change.get("$retainKeys")
    if retained:
        merged = {key: merged[key] for key in merged if key in retained}
    return merged


def merge_items(target, change, key, name):
    """The same for a list of items with keys."""
    merged = list(target)
    for item in change:
        place = next((number for number, one in enumerate(merged)
                      if one.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            if place is not None:
                del merged[place]
        elif place is None:
            merged.append(strategic({}, item, name))
        else:
            merged[place] = strategic(merged[place], item, name)
    return merged


def walk(target, pointer):
    """The parent of what a JSON pointer names, and its key."""
    parts = [part.replace("~1", "/").replace("~0", "~")
             for part in pointer.split("/")[1:]]
    for part in parts[:-1]:
        target = target[int(part) if isinstance(target, list) else part]
    last = parts[-1]
    if isinstance(target, list) and last != "-":
        last = int(last)
    return target, last


def read(target, pointer):
    """What a JSON pointer names."""
    parent, key = walk(target, pointer)
    return parent[key]


def insert(target, pointer, value):
    """`add` of a JSON patch."""
    parent, key = walk(target, pointer)
    if isinstance(parent, list):
        parent.insert(len(parent) if key == "-" else key, value)
    else:
        parent[key] = value


def json_patch(target, operations):
    """A JSON patch (RFC 6902)."""
    changed = copy.deepcopy(target)
    try:
        for one in operations:
            json_operation(changed, one)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise status.ApiError(
            422, "the server rejected our request due to an error in our "
            "request", details={}) from error
    return changed


def json_operation(target, one):
    """One operation of it."""
    name, path = one["op"], one["path"]
    if name == "test":
        if read(target, path) != one["value"]:
            raise ValueError("the test failed")
        return
    if name in ("move", "copy"):
        value = copy.deepcopy(read(target, one["from"]))
        if name == "move":
            parent, key = walk(target, one["from"])
            del parent[key]
        insert(target, path, value)
        return
    if name in ("remove", "replace"):
        read(target, path)
        parent, key = walk(target, path)
        del parent[key]
        if name == "remove":
            return
    insert(target, path, copy.deepcopy(one["value"]))
