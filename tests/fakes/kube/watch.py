"""Watches: a line for each change, as long as the client likes."""

import base64
import random
import select
import time
import uuid

from . import events, resources, selection, status, tables, text

LIMIT_S = 1800
# How long before its end a watch gets its last bookmarks.
BOOKMARKS_S = (2.6, 1.4)
ZERO = {"Deployment": {
    "spec": {"replicas": 0, "selector": None,
             "template": {"metadata": {"creationTimestamp": None},
                          "spec": {"containers": None}}, "strategy": {}},
    "status": {}}}


class Watch:
    """One watch of one client."""

    def __init__(self, server, handler, target, query, options):
        self.store = server.store
        self.server = server
        self.listener = server.listener
        self.handler = handler
        self.target = target
        self.resource = target.resource
        self.query = query
        self.options = options
        self.is_new_events = self.resource is resources.NEW_EVENTS
        self.kind = resources.EVENTS if self.is_new_events \
            else self.resource
        self.labels = selection.parse_labels(query.get("labelSelector"))
        self.fields = selection.parse_fields(query.get("fieldSelector"))
        self.bookmarks = query.is_set("allowWatchBookmarks")
        seconds = query.number("timeoutSeconds") or \
            random.randint(LIMIT_S, 2 * LIMIT_S)
        self.end = time.monotonic() + seconds
        # The position in the history up to which all is sent.
        self.position = 0
        self.is_first_row = True

    def serve(self):
        """The whole response."""
        error, start = self.begin()
        self.send_head()
        if error:
            self.send("ERROR", error)
        else:
            if start is not None:
                self.send_initial(start)
            self.follow()
        self.handler.wfile.write(b"0\r\n\r\n")

    def begin(self):
        """(Status of an error, the objects to begin with)."""
        version = self.query.get("resourceVersion")
        with self.store.changed:
            now = self.store.version
            if version in ("", "0"):
                self.position = now
                return None, self.store.views(self.kind,
                                              self.target.namespace)
            if not version.isdigit():
                raise status.bad_request("invalid resource version "
                                         f"{version!r}")
            if int(version) < self.store.oldest:
                return status.failure(
                    410, "Expired", "too old resource version: "
                    f"{version} ({self.store.oldest})"), None
            self.position = min(int(version), now)
        return None, None

    def send_head(self):
        """Status line and headers."""
        handler = self.handler
        handler.send_response_only(200)
        handler.send_header("Audit-Id", str(uuid.uuid4()))
        handler.send_header("Cache-Control", "no-cache, private")
        handler.send_header("Content-Type", "application/json")
        for name, value in self.server.flow_headers:
            handler.send_header(name, value)
        handler.send_header("Date", handler.date_time_string())
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.flush()

    def send_initial(self, items):
        """ADDED for what exists, and the bookmark after it."""
        for item in items:
            if self.matches(item):
                self.send("ADDED", self.shown(item))
        if self.bookmarks:
            self.send("BOOKMARK", self.bookmark({
                "k8s.io/initial-events-end": "true",
                "kubernetes.io/initial-events-list-blueprint":
                    self.blueprint()}))

    def blueprint(self):
        """An empty list, as base64."""
        empty = {"kind": f"{self.resource.kind}List",
                 "apiVersion": self.resource.api_version,
                 "metadata": {}, "items": None}
        return base64.b64encode(text.to_json(empty) + b"\n").decode()

    def bookmark(self, annotations=None):
        """The object of a BOOKMARK."""
        made = {"kind": self.resource.kind,
                "apiVersion": self.resource.api_version,
                "metadata": {"resourceVersion": str(self.position),
                             "creationTimestamp": None},
                **ZERO.get(self.resource.kind, {})}
        if annotations:
            made["metadata"]["annotations"] = annotations
        return made

    def matches(self, item):
        """True when a client that asked so wants to see an object."""
        metadata = item["metadata"]
        return self.target.namespace in ("", metadata.get("namespace")) \
            and self.target.name in ("", metadata["name"]) \
            and self.labels(metadata.get("labels")) and self.fields(item)

    def shown(self, item):
        """An object as this client wants it."""
        item = {**item, "kind": self.resource.kind,
                "apiVersion": self.resource.api_version}
        if self.is_new_events:
            item = events.to_new_api(item)
        item = text.in_order(item)
        if self.options.get("as") == "Table":
            first, self.is_first_row = self.is_first_row, False
            return tables.make(
                self.kind.kind, [item], {}, self.query.get("includeObject"),
                first)
        if self.options.get("as") == "PartialObjectMetadata":
            return tables.metadata_only(item)
        return item

    def send(self, kind, item):
        """One event is one chunk."""
        body = text.to_json({"type": kind, "object": item}) + b"\n"
        self.handler.wfile.write(b"%x\r\n%s\r\n" % (len(body), body))
        self.handler.wfile.flush()

    def follow(self):
        """Send changes until the time is over."""
        pending = [self.end - before for before in BOOKMARKS_S]
        pending = [moment for moment in pending
                   if self.bookmarks and moment > time.monotonic()]
        while True:
            for change in self.changes():
                self.send_change(change)
            moment = time.monotonic()
            if pending and moment >= pending[0]:
                pending.pop(0)
                self.send("BOOKMARK", self.bookmark())
            if moment >= self.end or self.is_left():
                return
            until = min([self.end, *pending])
            self.store.wait(self.position, max(0.0, min(until - moment,
                                                        5)))

    def is_left(self):
        """True when the server stops, or the client has gone: while it
        watches it has nothing to say."""
        if self.server.listener is not self.listener:
            return True
        return bool(select.select([self.handler.connection], [], [], 0)[0])

    def changes(self):
        """What happened since the last look."""
        with self.store.changed:
            found = []
            for change in reversed(self.store.history):
                if change.version <= self.position:
                    break
                found.append(change)
            self.position = self.store.version
        found.reverse()
        return [one for one in found if one.resource is self.kind]

    def send_change(self, change):
        """One change; what comes into sight is new, what leaves is gone."""
        was = change.old is not None and self.matches(change.old)
        if change.new is None:
            if was:
                self.send("DELETED", self.shown(change.old))
            return
        is_now = self.matches(change.new)
        if was and not is_now:
            gone = {**change.old, "metadata": {
                **change.old["metadata"],
                "resourceVersion": str(change.version)}}
            self.send("DELETED", self.shown(gone))
        elif is_now:
            self.send("MODIFIED" if was else "ADDED",
                      self.shown(change.new))
