"""What kubectl get shows: objects as rows of a Table."""

from . import text

NAME = ("Name", "string", "name", 0)


def column(name, kind="string", priority=0):
    """A column."""
    return name, kind, "", priority


def first_images(spec):
    """Names and images of containers, as two cells."""
    containers = spec["template"]["spec"]["containers"]
    return (",".join(one["name"] for one in containers),
            ",".join(one["image"] for one in containers))


def selector(item):
    """A selector's text."""
    equal = (item["spec"].get("selector") or {}).get("matchLabels") or {}
    return ",".join(f"{key}={equal[key]}" for key in sorted(equal)) \
        or "<none>"


def age(item):
    """The Age cell."""
    return text.age(item["metadata"]["creationTimestamp"])


def deployment(item):
    """A row of Deployments."""
    status = item["status"]
    return (f"{status.get('readyReplicas', 0)}/{item['spec']['replicas']}",
            status.get("updatedReplicas", 0),
            status.get("availableReplicas", 0), age(item),
            *first_images(item["spec"]), selector(item))


def stateful_set(item):
    """A row of StatefulSets."""
    return (f"{item['status'].get('readyReplicas', 0)}/"
            f"{item['spec']['replicas']}", age(item),
            *first_images(item["spec"]))


def replica_set(item):
    """A row of ReplicaSets."""
    status = item["status"]
    return (item["spec"]["replicas"], status.get("replicas", 0),
            status.get("readyReplicas", 0), age(item),
            *first_images(item["spec"]), selector(item))


def pod_state(item):
    """The Status cell of a pod."""
    status = item["status"]
    found = status.get("reason") or status["phase"]
    for one in status.get("containerStatuses") or ():
        state = one["state"]
        for key in ("waiting", "terminated"):
            if key in state:
                found = state[key].get("reason", found)
    if "deletionTimestamp" in item["metadata"]:
        return "Terminating"
    return found


def pod(item):
    """A row of pods."""
    statuses = item["status"].get("containerStatuses") or []
    ready = sum(one["ready"] for one in statuses)
    return (f"{ready}/{len(item['spec']['containers'])}", pod_state(item),
            sum(one["restartCount"] for one in statuses), age(item),
            item["status"].get("podIP", "<none>"),
            item["spec"].get("nodeName", "<none>"))


def claim(item):
    """A row of claims."""
    status, spec = item["status"], item["spec"]
    phase = "Terminating" if "deletionTimestamp" in item["metadata"] \
        else status["phase"]
    modes = {"ReadWriteOnce": "RWO", "ReadWriteMany": "RWX",
             "ReadOnlyMany": "ROX", "ReadWriteOncePod": "RWOP"}
    return (phase, spec.get("volumeName", ""),
            status.get("capacity", {}).get("storage", ""),
            ",".join(modes.get(one, one)
                     for one in status.get("accessModes") or ()),
            spec.get("storageClassName", ""), age(item))


def service(item):
    """A row of Services."""
    ports = ",".join(f"{one['port']}/{one['protocol']}"
                     for one in item["spec"].get("ports") or ())
    return (item["spec"]["type"], item["spec"].get("clusterIP", "<none>"),
            "<none>", ports or "<none>", age(item))


def event(item):
    """A row of Events."""
    involved = item["involvedObject"]
    seen = item.get("lastTimestamp") or item["metadata"][
        "creationTimestamp"]
    return (text.age(seen), item["type"], item["reason"],
            f"{involved['kind'].lower()}/{involved['name']}",
            item["message"].strip())


AGE = column("Age")
READY = column("Ready")
IMAGES = (column("Containers", priority=1), column("Images", priority=1))
# kind: (columns after the name, the function that makes their cells)
KINDS = {
    "Deployment": ((READY, column("Up-to-date"), column("Available"), AGE,
                    *IMAGES, column("Selector", priority=1)), deployment),
    "StatefulSet": ((READY, AGE, *IMAGES), stateful_set),
    "ReplicaSet": ((column("Desired", "integer"),
                    column("Current", "integer"),
                    column("Ready", "integer"), AGE, *IMAGES,
                    column("Selector", priority=1)), replica_set),
    "Pod": ((READY, column("Status"), column("Restarts"), AGE,
             column("IP", priority=1), column("Node", priority=1)), pod),
    "PersistentVolumeClaim": (
        (column("Status"), column("Volume"), column("Capacity"),
         column("Access Modes"), column("StorageClass"), AGE), claim),
    "Service": ((column("Type"), column("Cluster-IP"),
                 column("External-IP"), column("Port(s)"), AGE), service),
    "Secret": ((column("Type"), column("Data", "integer"), AGE),
               lambda item: (item.get("type"), len(item.get("data") or ()),
                             age(item))),
    "ConfigMap": ((column("Data", "integer"), AGE),
                  lambda item: (len(item.get("data") or ()), age(item))),
    "Namespace": ((column("Status"), AGE),
                  lambda item: (item["status"]["phase"], age(item))),
}
EVENT = (column("Last Seen"), column("Type"), column("Reason"),
         column("Object"), column("Message"))


def metadata_only(item):
    """PartialObjectMetadata."""
    return {"kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}


def rows_of(kind, items):
    """(columns, rows of cells)."""
    if kind == "Event":
        return EVENT, [event(item) for item in items]
    columns, function = KINDS.get(kind, ((AGE,),
                                         lambda item: (age(item),)))
    return (NAME, *columns), [
        (item["metadata"]["name"], *function(item)) for item in items]


def make(kind, items, metadata, include="Metadata", columns=True):
    """A Table."""
    found, rows = rows_of(kind, items)
    made = {"kind": "Table", "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata, "columnDefinitions": [
                {"name": name, "type": kind, "format": form,
                 "description": name, "priority": priority}
                for name, kind, form, priority in found] if columns
            else None}
    made["rows"] = []
    for cells, item in zip(rows, items):
        row = {"cells": list(cells)}
        if include == "Object":
            row["object"] = item
        elif include != "None":
            row["object"] = metadata_only(item)
        made["rows"].append(row)
    return made
