"""The API server: connections, and what each request comes to."""

import contextlib
import http.server
import logging
import socket
import socketserver
import ssl
import threading
import uuid

from . import access, connect, events, objects, request, resources, \
    reviews, selection, status, tables, text, watch

LOG = logging.getLogger("kube")
HANDSHAKE_S = 10
IDLE_S = 600
DRAIN_MAX = 64 << 20
VERSION = {"major": "1", "minor": "32", "gitVersion": "v1.32.13",
           "gitCommit": "d4b43f374a5bc0e0f44c07ff773061e27c7f2a08",
           "gitTreeState": "", "buildDate": "1970-01-01T00:00:00Z",
           "goVersion": "go1.23.5", "compiler": "gc",
           "platform": "linux/amd64"}
PLAIN = "text/plain; charset=utf-8"
NO_SNIFF = (("X-Content-Type-Options", "nosniff"),)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
LONG = {"log": connect.serve_log, "portforward": connect.serve_forward}


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    disable_nagle_algorithm = True

    def setup(self):
        """The handshake, and who the client is by its certificate."""
        self.certificate = None
        self.body_read = False
        self.user = access.ANONYMOUS
        if isinstance(self.request, ssl.SSLSocket):
            self.request.settimeout(HANDSHAKE_S)
            self.request.do_handshake()
            self.certificate = self.request.getpeercert()
        super().setup()

    def log_message(self, format, *args):
        """Only where somebody wants to see it."""
        LOG.debug("%s %s", self.address_string(), format % args)

    def __getattr__(self, name):
        # Every method has the same way through.
        if name.startswith("do_"):
            return self.serve
        raise AttributeError(name)

    def serve(self):
        """One request, from its user to its answer."""
        api = self.server.api
        api.served += 1  # near enough, for tests that want none at all
        self.body_read = False
        path, _, raw_query = self.path.partition("?")
        query = request.Query(raw_query)
        try:
            self.user = api.access.authenticate(self.headers,
                                                self.certificate)
            self.route(api, path, raw_query, query)
        except status.ApiError as error:
            self.fail(error)
        except ConnectionError:
            self.close_connection = True
        finally:
            self.drain()

    def route(self, api, path, raw_query, query):
        """To a resource or to one of the other paths."""
        target = request.split_path(path)
        if target is None:
            api.access.check(self.user, access.Attributes(
                request.VERBS.get(self.command, "").lower(), path=path))
            Paths(api, self).answer(path)
            return
        if self.command not in METHODS:
            raise status.method_not_allowed()
        wanted = request.attributes(self.command, target, query)
        api.access.check(self.user, wanted)
        if target.subresource == "proxy":
            connect.serve_proxy(api, self, target, path, raw_query)
        elif target.subresource in LONG:
            LONG[target.subresource](api, self, target, query)
        elif target.subresource in ("exec", "attach"):
            raise status.ApiError(501, f"{target.subresource} is not "
                                  "served here", "NotImplemented")
        elif wanted.verb == "watch":
            _, options = request.accepted(self.headers)
            watch.Watch(api, self, target, query, options).serve()
        else:
            Objects(api, self, target, query).answer()

    def fail(self, error):
        """Answer with a Status."""
        headers = ()
        if error.code == 403 and "is forbidden: User" in error.message:
            headers += NO_SNIFF
        if not any(f"/{part}" in self.path for part in request.LONG) \
                and error.code != 401:
            headers += self.server.api.flow_headers
        status.send_body(self, error.code,
                         text.to_json(error.body()) + b"\n",
                         headers=headers)

    def drain(self):
        """Read what is left of a body, or let the connection go."""
        length = int(self.headers.get("Content-Length") or 0)
        chunked = self.headers.get("Transfer-Encoding")
        if self.body_read or not (length or chunked) \
                or "/proxy" in self.path:
            return
        # Who still sends would not see an answer before the end.
        if chunked or length > request.BODY_MAX:
            self.close_connection = True
        with contextlib.suppress(OSError):
            left = min(length, DRAIN_MAX)
            while left > 0:
                left -= len(self.rfile.read(min(left, 65536))) or left


class Paths:
    """What is no resource: versions, health, discovery."""

    def __init__(self, api, handler):
        self.api = api
        self.handler = handler

    def answer(self, path):
        """One of them, or 404."""
        if path in ("/readyz", "/livez", "/healthz"):
            status.send_body(self.handler, 200, b"ok", PLAIN,
                             NO_SNIFF + self.api.flow_headers)
            return
        found = self.find(path.rstrip("/"))
        if found is None:
            status.send_body(self.handler, 404, b"404 page not found\n",
                             PLAIN, NO_SNIFF + self.api.flow_headers)
            return
        status.send_body(self.handler, 200, found,
                         headers=self.api.flow_headers)

    def find(self, path):
        """The body, or None."""
        parts = path.split("/")[1:]
        found = None
        if parts == ["version"]:
            found = VERSION
        elif parts == ["api"]:
            address = self.api.url.partition("//")[2]
            found = {"kind": "APIVersions", "versions": ["v1"],
                     "serverAddressByClientCIDRs": [
                         {"clientCIDR": "0.0.0.0/0",
                          "serverAddress": address}]}
        elif parts == ["apis"]:
            found = resources.group_list()
        elif parts[0] == "api" and len(parts) == 2:
            found = resources.resource_list("", parts[1])
        elif parts[0] == "apis" and len(parts) == 2:
            found = next(({"kind": "APIGroup", "apiVersion": "v1", **one}
                          for one in resources.group_list()["groups"]
                          if one["name"] == parts[1]), None)
        elif parts[0] == "apis" and len(parts) == 3:
            found = resources.resource_list(parts[1], parts[2])
        return None if found is None else text.to_json(found) + b"\n"


class Objects:
    """GET, POST, PUT, PATCH and DELETE of objects."""

    def __init__(self, api, handler, target, query):
        self.api = api
        self.store = api.store
        self.handler = handler
        self.target = target
        self.resource = target.resource
        self.query = query
        self.dry = "All" in query.all("dryRun")
        self.manager = request.manager_of(handler, query)
        _, self.options = request.accepted(handler.headers)

    def answer(self):
        """By the method."""
        method = self.handler.command
        name = bool(self.target.name)
        special = {"token": self.post_token, "eviction": self.post_eviction,
                   "scale": self.scale}
        if self.target.subresource in special:
            special[self.target.subresource]()
            return
        functions = {("GET", True): self.get, ("GET", False): self.list,
                     ("HEAD", True): self.get, ("HEAD", False): self.list,
                     ("POST", False): self.post, ("PUT", True): self.put,
                     ("PATCH", True): self.patch,
                     ("DELETE", True): self.delete,
                     ("DELETE", False): self.delete_collection}
        function = functions.get((method, name))
        if function is None:
            raise status.method_not_allowed()
        function()

    def send(self, code, item, warnings=()):
        """One object, as the client wants it."""
        wanted = self.options.get("as")
        item = text.in_order(item)
        if self.resource is resources.NEW_EVENTS and "reason" in item:
            item = events.to_new_api(item)
        if wanted == "Table" and "metadata" in item \
                and item["kind"] == self.resource.kind:
            item = tables.make(item["kind"], [item], {
                "resourceVersion": item["metadata"].get(
                    "resourceVersion", "")},
                self.query.get("includeObject"))
        elif wanted == "PartialObjectMetadata":
            item = tables.metadata_only(item)
        headers = tuple(("Warning", f"299 - {quoted(one)}")
                        for one in warnings)
        status.send_body(self.handler, code, text.to_json(item) + b"\n",
                         headers=headers + self.api.flow_headers)

    @property
    def place(self):
        """(resource, namespace, name)."""
        kind = resources.EVENTS if self.resource is resources.NEW_EVENTS \
            else self.resource
        return kind, self.target.namespace, self.target.name

    def get(self):
        """One object."""
        kind, namespace, name = self.place
        item = self.store.get(kind, namespace, name)
        item.update(kind=kind.kind, apiVersion=kind.api_version)
        self.send(200, item)

    def list(self):
        """A collection."""
        kind, namespace, _ = self.place
        labels = selection.parse_labels(self.query.get("labelSelector"))
        fields = selection.parse_fields(self.query.get("fieldSelector"))
        with self.store.changed:
            version = str(self.store.version)
            items = [item for item in self.store.views(kind, namespace)
                     if labels(item["metadata"].get("labels"))
                     and fields(item)]
        metadata = {"resourceVersion": version}
        items = self.api.pages.cut(items, self.query, metadata, self.store,
                                   not namespace)
        if self.options.get("as") == "Table":
            found = tables.make(kind.kind, items, metadata,
                                self.query.get("includeObject"))
            status.send_body(self.handler, 200, text.to_json(found)
                             + b"\n", headers=self.api.flow_headers)
            return
        self.send_list(items, metadata)

    def send_list(self, items, metadata):
        """Items have no kind and apiVersion of their own."""
        kind = f"{self.resource.kind}List"
        version = self.resource.api_version
        if self.resource is resources.NEW_EVENTS:
            items = [events.to_new_api(item) for item in items]
        items = [{key: value for key, value in text.in_order(item).items()
                  if key not in ("kind", "apiVersion")} for item in items]
        if self.options.get("as") in ("PartialObjectMetadata",
                                      "PartialObjectMetadataList"):
            kind, version = "PartialObjectMetadataList", \
                "meta.k8s.io/v1"
            items = [{"metadata": item["metadata"]} for item in items]
        found = {"kind": kind, "apiVersion": version, "metadata": metadata,
                 "items": items}
        status.send_body(self.handler, 200, text.to_json(found) + b"\n",
                         headers=self.api.flow_headers)

    def body(self):
        """The object in the request, and warnings of its fields."""
        kind = self.resource.kind
        item = request.parse_body(self.handler, kind)
        if self.resource in resources.REVIEWS:
            return item, []
        if item.get("kind", kind) != kind:
            raise status.bad_request(
                f"{item['kind']} in version \"{item.get('apiVersion')}\" "
                f"cannot be handled as a {kind}")
        warnings = request.check_fields(kind, item, self.query,
                                        self.resource.version)
        return item, warnings

    def post(self):
        """Make an object."""
        item, warnings = self.body()
        if self.resource in resources.REVIEWS:
            self.send(201, reviews.answer(
                self.api.access, self.handler.user, self.resource, item))
            return
        kind, namespace, _ = self.place
        made, more = objects.create(self.store, kind, namespace, item,
                                    self.manager, self.dry)
        self.send(201, made, [*warnings, *more])

    def put(self):
        """Replace an object."""
        item, warnings = self.body()
        self.send(200, objects.replace(
            self.store, *self.place, item, self.manager, self.dry,
            self.target.subresource), warnings)

    def patch(self):
        """Change an object, or apply."""
        kind = self.patch_kind()
        raw = request.read_body(self.handler)
        body = request.decode(raw, self.resource.kind)
        if kind == request.APPLY:
            if not self.query.get("fieldManager"):
                raise status.invalid(
                    "PatchOptions", "meta.k8s.io", "",
                    [("fieldManager", "FieldValueRequired",
                      "Required value: is required for apply patch")])
            made, warnings, is_new = objects.apply(
                self.store, *self.place, body, self.manager,
                self.query.is_set("force"), self.dry)
            self.send(201 if is_new else 200, made, warnings)
            return
        warnings = []
        if kind != request.PATCHES[0]:
            warnings = request.check_fields(self.resource.kind, body,
                                            self.query)
        made = objects.modify(self.store, *self.place, kind, body,
                              self.manager, self.dry,
                              self.target.subresource)
        self.send(200, made, warnings)

    def patch_kind(self):
        """The form of a PATCH; 415 for one that is none."""
        kind = (self.handler.headers.get("Content-Type")
                or "").partition(";")[0]
        if kind not in request.PATCHES:
            raise status.ApiError(415, "415: Unsupported Media Type",
                                  details={})
        return kind

    def delete_options(self):
        """DeleteOptions, of the body and of the query."""
        raw = request.read_body(self.handler)
        options = request.decode(raw, "DeleteOptions") if raw.strip() \
            else {}
        for key in ("propagationPolicy",):
            if self.query.get(key):
                options[key] = self.query.get(key)
        grace = self.query.number("gracePeriodSeconds")
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        if self.dry:
            options["dryRun"] = ["All"]
        return options

    def delete(self):
        """Delete an object: a Status, or the object."""
        kind, namespace, name = self.place
        made, gone = objects.delete(self.store, kind, namespace, name,
                                    self.delete_options())
        if gone and kind.status_on_delete:
            details = {**status.details_of(kind, name),
                       "uid": made["metadata"]["uid"]}
            self.send_status(status.success(details))
        else:
            self.send(200, made)

    def send_status(self, item):
        """A Status that says it went well."""
        status.send_body(self.handler, 200, text.to_json(item) + b"\n",
                         headers=self.api.flow_headers)

    def delete_collection(self):
        """Delete all that the selection find."""
        kind, namespace, _ = self.place
        options = self.delete_options()
        labels = selection.parse_labels(self.query.get("labelSelector"))
        fields = selection.parse_fields(self.query.get("fieldSelector"))
        gone = []
        for item in self.store.views(kind, namespace):
            if labels(item["metadata"].get("labels")) and fields(item):
                with contextlib.suppress(status.ApiError):
                    made, _ = objects.delete(
                        self.store, kind, item["metadata"].get("namespace"),
                        item["metadata"]["name"], options)
                    gone.append(made)
        self.send_list(gone, {"resourceVersion": str(self.store.version)})

    def scale(self):
        """The scale subresource."""
        method = self.handler.command
        if method in ("GET", "HEAD"):
            self.send_scale(objects.scale_of(self.store.get(*self.place)))
        elif method == "PUT":
            body = request.parse_body(self.handler, "Scale")
            self.send_scale(objects.rescale(self.store, *self.place, "put",
                                            body, self.dry))
        elif method == "PATCH":
            kind = self.patch_kind()
            body = request.decode(request.read_body(self.handler), "Scale")
            self.send_scale(objects.rescale(self.store, *self.place, kind,
                                            body, self.dry))
        else:
            raise status.method_not_allowed()

    def send_scale(self, item):
        """A Scale."""
        status.send_body(self.handler, 200, text.to_json(item) + b"\n",
                         headers=self.api.flow_headers)

    def post_token(self):
        """TokenRequest."""
        body = request.parse_body(self.handler, "TokenRequest")
        _, namespace, name = self.place
        self.store.get(*self.place)
        seconds = max(600, (body.get("spec") or {}).get(
            "expirationSeconds") or 3600)
        user = f"system:serviceaccount:{namespace}:{name}"
        if user not in self.api.access.users:
            self.api.access.add(access.User(user, groups=(
                "system:serviceaccounts",)))
        token = self.api.access.new_token(user, seconds)
        self.send(201, {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": name, "namespace": namespace,
                         "creationTimestamp": text.now()},
            "spec": {"audiences": ["https://kubernetes.default.svc"],
                     "expirationSeconds": seconds,
                     "boundObjectRef": None},
            "status": {"token": token,
                       "expirationTimestamp": access.expiry(seconds)}})

    def post_eviction(self):
        """Eviction: a DELETE that a budget may refuse."""
        request.parse_body(self.handler, "Eviction")
        kind, namespace, name = self.place
        objects.delete(self.store, kind, namespace, name)
        self.send(201, {"kind": "Status", "apiVersion": "v1",
                        "metadata": {}, "status": "Success", "code": 201})


def quoted(value):
    """A warning's text."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class Listener(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """The socket, and the connections that came through it."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address, api, context):
        self.api = api
        self.context = context
        self.lock = threading.Lock()
        self.connections = set()
        super().__init__(address, Handler)

    def server_bind(self):
        """Without asking DNS for our own name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def get_request(self):
        """A connection; its handshake is its own thread's business."""
        connection, address = super().get_request()
        if self.context:
            connection = self.context.wrap_socket(
                connection, server_side=True,
                do_handshake_on_connect=False)
        with self.lock:
            self.connections.add(connection)
        return connection, address

    def shutdown_request(self, request):
        """A connection has ended."""
        with self.lock:
            self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        """Clients go away; that is no error."""
        LOG.debug("connection of %s", client_address, exc_info=True)

    def drop(self):
        """Break all connections off."""
        with self.lock:
            found = list(self.connections)
        for connection in found:
            with contextlib.suppress(OSError):
                # The socket below TLS: no other thread's state is touched.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


class Server:
    """The API server, which can be stopped and started again."""

    def __init__(self, store, access_table, kubelet, pages, context):
        self.served = 0
        self.store = store
        self.access = access_table
        self.kubelet = kubelet
        self.pages = pages
        self.context = context
        self.port = 0
        self.listener = None
        self.thread = None
        self.flow_headers = tuple(
            (f"X-Kubernetes-Pf-{name}-Uid", str(uuid.uuid4()))
            for name in ("Flowschema", "Prioritylevel"))

    @property
    def url(self):
        """Where it is."""
        scheme = "https" if self.context else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    def start(self):
        """Listen, on the same port as before."""
        self.listener = Listener(("127.0.0.1", self.port), self,
                                 self.context)
        self.port = self.listener.server_port
        self.thread = threading.Thread(
            target=self.listener.serve_forever, args=(0.05,), daemon=True,
            name="kube-apiserver")
        self.thread.start()

    def stop(self):
        """Close the listener and drop the connections."""
        if self.listener is None:
            return
        listener, self.listener = self.listener, None
        listener.shutdown()
        listener.server_close()
        self.thread.join()
        listener.drop()
        with self.store.changed:
            self.store.changed.notify_all()
