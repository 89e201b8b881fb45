"""Events: what the cluster tells the user, counted when it says it again."""

import threading
import time

from . import resources, status, text

LEGACY = {"default-scheduler"}
ACTIONS = {"Scheduled": "Binding", "FailedScheduling": "Scheduling"}
NODE = "node1"


class Recorder:
    """Writes Events into the store."""

    def __init__(self, store):
        self.store = store
        self.lock = threading.Lock()
        self.names = {}

    def tell(self, resource, item, kind, reason, message,
             component="kubelet", field=None):
        """One Event, or one more of an old one."""
        metadata = item["metadata"]
        key = (metadata["uid"], reason, message, field)
        with self.lock:
            name = self.names.get(key)
            if name and self._again(metadata.get("namespace", "default"),
                                    name):
                return
            self.names[key] = name = \
                f"{metadata['name']}.{time.time_ns():x}"
        event = self._new(resource, item, kind, reason, message, component)
        event["metadata"]["name"] = name
        if field:
            event["involvedObject"]["fieldPath"] = field
        try:
            self.store.create(resources.EVENTS, event)
        except status.ApiError:
            self.names.pop(key, None)

    def _again(self, namespace, name):
        def count(event):
            if "count" in event:
                event["count"] += 1
                event["lastTimestamp"] = text.now()
            return event
        try:
            self.store.change(resources.EVENTS, namespace, name, count)
        except status.ApiError:
            return False
        return True

    @staticmethod
    def _new(resource, item, kind, reason, message, component):
        metadata = item["metadata"]
        namespace = metadata.get("namespace", "default")
        involved = {"kind": resource.kind, "namespace": namespace,
                    "name": metadata["name"], "uid": metadata["uid"],
                    "apiVersion": resource.api_version,
                    "resourceVersion": metadata.get("resourceVersion", "")}
        event = {"kind": "Event", "apiVersion": "v1",
                 "metadata": {"namespace": namespace},
                 "involvedObject": involved, "reason": reason,
                 "message": message}
        if component in LEGACY:
            event.update(
                source={}, firstTimestamp=None, lastTimestamp=None,
                type=kind, eventTime=text.now_micro(),
                action=ACTIONS[reason], reportingComponent=component,
                reportingInstance=f"{component}-vm")
            return event
        source = {"component": component}
        if component == "kubelet":
            source["host"] = NODE
        event.update(
            source=source, firstTimestamp=text.now(),
            lastTimestamp=text.now(), count=1, type=kind, eventTime=None,
            reportingComponent=component,
            reportingInstance=source.get("host", ""))
        return event


def to_new_api(event):
    """The same Event as events.k8s.io/v1 shows it."""
    moved = {"involvedObject": "regarding", "message": "note",
             "reportingComponent": "reportingController",
             "source": "deprecatedSource", "count": "deprecatedCount",
             "firstTimestamp": "deprecatedFirstTimestamp",
             "lastTimestamp": "deprecatedLastTimestamp"}
    made = {moved.get(key, key): value for key, value in event.items()}
    made["apiVersion"] = "events.k8s.io/v1"
    return made
