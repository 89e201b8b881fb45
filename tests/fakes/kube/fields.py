"""Who owns which field: managedFields, and server-side apply.

A path is a tuple of segments as in FieldsV1: "f:spec", 'k:{"name":"x"}',
"v:\\"finalizer\\"".  A set of paths is what a manager owns: every leaf, and
each item of a list of items (with "." at its end).
"""

import copy
import json

from . import schema, status, text

NEVER_OWNED = {("f:apiVersion",), ("f:kind",), ("f:metadata", "f:name"),
               ("f:metadata", "f:namespace"), ("f:metadata", "f:uid"),
               ("f:metadata", "f:resourceVersion"),
               ("f:metadata", "f:creationTimestamp"),
               ("f:metadata", "f:generation"),
               ("f:metadata", "f:generateName"), ("f:status",)}


def item_segment(item, keys):
    """The segment of a list's item."""
    found = {key: item[key] for key in keys if key in item}
    if "protocol" in keys:
        found.setdefault("protocol", "TCP")
    ordered = {key: found[key] for key in sorted(found)}
    return "k:" + json.dumps(ordered, separators=(",", ":"))


def paths(value, at=(), dots=True):
    """All paths of an object, with the value of each leaf."""
    name = at[-1][2:] if at and at[-1].startswith("f:") else ""
    if at in NEVER_OWNED or at[-1:] == ("f:managedFields",):
        return
    if isinstance(value, dict) and value and name not in schema.ATOMIC_MAPS:
        for key, below in value.items():
            yield from paths(below, (*at, f"f:{key}"), dots)
        return
    keys = schema.list_keys(at[-2][2:] if len(at) > 1 else "", name)
    if isinstance(value, list) and keys:
        for item in value:
            segment = (*at, item_segment(item, keys))
            yield (*segment, "."), {}
            yield from paths(item, segment, dots)
        return
    if name == "finalizers" and isinstance(value, list):
        for item in value:
            yield (*at, f"v:{json.dumps(item)}"), item
        return
    if at:
        yield at, value


def to_tree(owned):
    """Paths as FieldsV1."""
    tree = {}
    for path in sorted(owned):
        node = tree
        for segment in path:
            node = node.setdefault(segment, {})
    return tree


def from_tree(tree, at=()):
    """FieldsV1 as paths."""
    if not tree and at:
        return {at}
    found = set()
    for segment, below in tree.items():
        found |= from_tree(below, (*at, segment))
    return found


def show(path):
    """A path as messages have it: .spec.containers[name="x"].image."""
    shown = ""
    for segment in path:
        if segment.startswith("f:"):
            shown += f".{segment[2:]}"
        elif segment.startswith("k:"):
            keys = json.loads(segment[2:])
            inner = ",".join(f"{key}={json.dumps(value)}"
                             for key, value in keys.items())
            shown += f"[{inner}]"
        elif segment.startswith("v:"):
            shown += f"[={segment[2:]}]"
    return shown


def value_at(item, path):
    """What an object has at a path; None when nothing."""
    value = item
    for number, segment in enumerate(path):
        if value is None or segment == ".":
            return value
        if segment.startswith("f:"):
            value = value.get(segment[2:]) if isinstance(value, dict) \
                else None
        elif segment.startswith("k:"):
            value = find_item(value, path[:number + 1])
        else:
            wanted = json.loads(segment[2:])
            value = wanted if wanted in (value or ()) else None
    return value


def find_item(items, path):
    """The item of a list that the last segment of a path names."""
    wanted = json.loads(path[-1][2:])
    keys = schema.list_keys(path[-3][2:] if len(path) > 2 else "",
                            path[-2][2:])
    for item in items if isinstance(items, list) else ():
        if json.loads(item_segment(item, keys)[2:]) == wanted:
            return item
    return None


def remove_at(item, path):
    """Take what is at a path out of an object, and what is left empty."""
    if path[-1] == ".":
        path = path[:-1]
    parent = value_at(item, path[:-1]) if len(path) > 1 else item
    if parent is None:
        return
    last = path[-1]
    if last.startswith("f:") and isinstance(parent, dict):
        parent.pop(last[2:], None)
    elif last.startswith("k:"):
        found = find_item(parent, path)
        if found is not None:
            parent.remove(found)
    elif last.startswith("v:") and json.loads(last[2:]) in parent:
        parent.remove(json.loads(last[2:]))
    if not parent and len(path) > 1 and parent is not item:
        remove_at(item, path[:-1])


def merge(live, config, at=()):
    """The live value with what a configuration says laid over it."""
    name = at[-1][2:] if at and at[-1].startswith("f:") else ""
    if isinstance(live, dict) and isinstance(config, dict) \
            and name not in schema.ATOMIC_MAPS:
        merged = dict(live)
        for key, value in config.items():
            merged[key] = merge(live.get(key), value, (*at, f"f:{key}"))
        return merged
    keys = schema.list_keys(at[-2][2:] if len(at) > 1 else "", name)
    if isinstance(live, list) and isinstance(config, list) and keys:
        return merge_items(live, config, keys, at)
    return copy.deepcopy(config)


def merge_items(live, config, keys, at):
    """The same for a list of items with keys."""
    merged = list(live)
    places = {item_segment(item, keys): number
              for number, item in enumerate(live)}
    for item in config:
        segment = item_segment(item, keys)
        if segment in places:
            place = places[segment]
            merged[place] = merge(merged[place], item, (*at, segment))
        else:
            merged.append(copy.deepcopy(item))
    return merged


def entry(manager, operation, resource, owned, subresource=None):
    """One entry of managedFields."""
    made = {"manager": manager, "operation": operation,
            "apiVersion": resource.api_version, "time": text.now(),
            "fieldsType": "FieldsV1", "fieldsV1": to_tree(owned)}
    if subresource:
        made["subresource"] = subresource
    return made


def describe(one):
    """A manager as in a conflict's message."""
    shown = json.dumps(one["manager"])
    if one.get("subresource"):
        shown += f" with subresource {json.dumps(one['subresource'])}"
    if one["operation"] == "Update":
        shown += f" using {one['apiVersion']} at {one['time']}"
    return shown


def find_conflicts(live, wanted, managers):
    """(manager, path) of each field of others that would be changed."""
    found = []
    for one in managers:
        for path in sorted(from_tree(one["fieldsV1"])):
            if path in wanted and path[-1] != "." \
                    and value_at(live, path) != wanted[path]:
                found.append((one, path))
    return found


def conflict_error(found):
    """409 of an apply."""
    lines, causes, last = [], [], None
    for one, path in found:
        name = describe(one)
        if name != last:
            lines.append(f"conflicts with {name}:")
        last = name
        lines.append(f"- {show(path)}")
        causes.append({"reason": "FieldManagerConflict",
                       "message": f"conflict with {name}",
                       "field": show(path)})
    if len(found) == 1:
        message = "Apply failed with 1 conflict: conflict with " \
            f"{describe(found[0][0])}: {show(found[0][1])}"
    else:
        listed = "\n".join(lines)
        message = f"Apply failed with {len(found)} conflicts: {listed}"
    return status.ApiError(409, message, "Conflict", {"causes": causes})


def apply(resource, live, config, manager, force):
    """The object after a server-side apply; 409 on a conflict."""
    live = copy.deepcopy(live)
    wanted = dict(paths(config))
    managers = live["metadata"].get("managedFields") or []
    mine = [one for one in managers if one["manager"] == manager
            and one["operation"] == "Apply"]
    others = [one for one in managers if one not in mine]
    found = find_conflicts(live, wanted, others)
    if found and not force:
        raise conflict_error(found)
    others = without(others, {path for _, path in found})
    kept = set().union(*(from_tree(one["fieldsV1"]) for one in others))
    before = set().union(*(from_tree(one["fieldsV1"]) for one in mine))
    # Whole items first: without its key an item is not found any more.
    for path in sorted(before - set(wanted) - kept,
                       key=lambda path: (path[-1] != ".", path)):
        remove_at(live, path)
    merged = merge(live, config)
    same = mine and before == set(wanted)
    made = entry(manager, "Apply", resource, wanted)
    if same:
        made["time"] = mine[0]["time"]
    merged["metadata"]["managedFields"] = [made, *others]
    merged["metadata"]["managedFields"].sort(
        key=lambda one: (one["operation"] != "Apply", one["manager"]))
    return merged


def without(managers, taken):
    """The managers less some paths; who owns nothing is left out."""
    left = []
    for one in managers:
        owned = from_tree(one["fieldsV1"])
        if not owned & taken:
            left.append(one)
        elif owned - taken:
            left.append({**one, "fieldsV1": to_tree(owned - taken)})
    return left


def update(resource, old, new, manager, subresource=None):
    """Note in `new` that a manager changed fields by other means."""
    before = dict(paths(old)) if old else {}
    after = dict(paths(new))
    changed = {path for path, value in after.items()
               if before.get(path, paths) != value}
    gone = set(before) - set(after)
    managers = (old or {}).get("metadata", {}).get("managedFields") or []
    managers = without(managers, changed | gone)
    if changed and not subresource:
        mine = [one for one in managers if one["manager"] == manager
                and one["operation"] == "Update"]
        owned = set().union(changed, *(from_tree(one["fieldsV1"])
                                       for one in mine))
        managers = [one for one in managers if one not in mine]
        managers.append(entry(manager, "Update", resource, owned))
    new["metadata"]["managedFields"] = managers
    if not managers:
        del new["metadata"]["managedFields"]
    return new
