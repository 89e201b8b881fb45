"""The objects of the cluster, and what happened to them.

One condition guards everything and is told of each change. What is stored is
never changed: whoever changes an object stores a new one, so that a watch may
look at old ones. view() and views() give what is stored, to be read only.
"""

import collections
import copy
import threading

from . import status, text

HISTORY_MAX = 20000
FIRST_VERSION = 2000

Change = collections.namedtuple("Change", "version resource old new")


class Store:
    """All objects, with a history for watches."""

    def __init__(self):
        self.changed = threading.Condition()
        self.version = FIRST_VERSION
        self.objects = {}
        self.history = collections.deque(maxlen=HISTORY_MAX)
        # No watch can begin before this version.
        self.oldest = FIRST_VERSION

    def view(self, resource, namespace, name):
        """The stored object, or None."""
        return self.objects.get((resource, namespace or "", name))

    def views(self, resource, namespace=None):
        """The stored objects of a kind, by namespace and name."""
        with self.changed:
            found = [(key, item) for key, item in self.objects.items()
                     if key[0] is resource
                     and namespace in (None, "", key[1])]
        return [item for _, item in sorted(
            found, key=lambda pair: pair[0][1:])]

    def get(self, resource, namespace, name):
        """A copy; 404 when there is none."""
        item = self.view(resource, namespace, name)
        if item is None:
            raise status.not_found(resource, name)
        return copy.deepcopy(item)

    def _record(self, resource, key, old, new):
        self.version += 1
        if new is not None:
            new["metadata"]["resourceVersion"] = str(self.version)
            self.objects[key] = new
        else:
            del self.objects[key]
            gone = copy.deepcopy(old)
            gone["metadata"]["resourceVersion"] = str(self.version)
            old = gone
        if len(self.history) == HISTORY_MAX:
            self.oldest = self.history[0].version
        self.history.append(Change(self.version, resource, old, new))
        self.changed.notify_all()

    def create(self, resource, item):
        """Store a new object; 409 when there is one of that name."""
        item = copy.deepcopy(item)
        metadata = item["metadata"]
        key = (resource, metadata.get("namespace", ""), metadata["name"])
        with self.changed:
            if key in self.objects:
                raise status.already_exists(resource, metadata["name"])
            metadata.setdefault("uid", text.new_uid())
            metadata.setdefault("creationTimestamp", text.now())
            self._record(resource, key, None, item)
            return copy.deepcopy(item)

    def change(self, resource, namespace, name, function):
        """Let a function change a copy, and store it if it is another.

        An object that is being deleted and has no finalizer left is gone.
        Answers what is stored (or was last)."""
        with self.changed:
            old = self.view(resource, namespace, name)
            if old is None:
                raise status.not_found(resource, name)
            new = copy.deepcopy(old)
            new = function(new) or new
            key = (resource, namespace or "", name)
            finished = is_finished(resource, new)
            if new != old and (not finished or resource.kind == "Pod"):
                self._record(resource, key, old, new)
                old = new
            if finished:
                self._record(resource, key, old, None)
            return copy.deepcopy(new)

    def remove(self, resource, namespace, name):
        """Take an object out; nothing when it is gone."""
        with self.changed:
            old = self.view(resource, namespace, name)
            if old is not None:
                self._record(resource, (resource, namespace or "", name),
                             old, None)

    def wait(self, version, timeout):
        """Until there is a change after `version`; false at the timeout."""
        with self.changed:
            return self.changed.wait_for(lambda: self.version > version,
                                         timeout)


def is_finished(resource, item):
    """True when nothing keeps an object that is being deleted."""
    metadata = item["metadata"]
    if "deletionTimestamp" not in metadata or metadata.get("finalizers"):
        return False
    if resource.kind == "Pod":
        return metadata.get("deletionGracePeriodSeconds") == 0
    return resource.kind != "Namespace" or \
        not item["spec"].get("finalizers")
