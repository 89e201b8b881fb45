"""To the pods: whom a proxy or a port-forward means, and the logs."""

import random
import socket
import uuid

from . import logs, portforward, proxy, resources, status

LOOK_S = 5


def split_name(segment):
    """(scheme, name, port) of `https:name:port`; 400 for another form."""
    parts = segment.split(":")
    if len(parts) == 3 and parts[0] in ("http", "https", ""):
        return parts[0] or "http", parts[1], parts[2]
    if len(parts) > 2 or not parts[0]:
        raise status.bad_request(f'invalid service request "{segment}"')
    return "http", parts[0], parts[1] if len(parts) == 2 else ""


def unavailable(message):
    """503."""
    return status.ApiError(503, message)


def service_target(store, namespace, segment):
    """(scheme, ip, port) of a random ready pod of a Service."""
    scheme, name, port = split_name(segment)
    service = store.get(resources.SERVICES, namespace, name)
    if port.isdigit():
        names = [one.get("name", "")
                 for one in service["spec"].get("ports") or ()
                 if one["port"] == int(port)]
        if not names:
            raise unavailable(f"no service port {port} found for service "
                              f'"{name}"')
        port = names[0]
    endpoints = store.view(resources.ENDPOINTS, namespace, name) or {}
    subsets = endpoints.get("subsets") or []
    if not subsets:
        raise unavailable("no endpoints available for service "
                          f'"{name}"')
    for subset in random.sample(subsets, len(subsets)):
        found = [one for one in subset.get("addresses") or ()
                 if one.get("targetRef", {}).get("kind") == "Pod"]
        for one in subset["ports"]:
            if found and one.get("name", "") == port:
                return scheme, random.choice(found)["ip"], one["port"]
    raise unavailable(f'no endpoints available for service "{segment}"')


def pod_target(store, namespace, segment):
    """(scheme, ip, port) of a pod."""
    scheme, name, port = split_name(segment)
    pod = store.get(resources.PODS, namespace, name)
    ip = pod["status"].get("podIP", "")
    if not ip:
        raise status.bad_request("address not allowed")
    if not port:
        ports = [one["containerPort"] for container
                 in pod["spec"]["containers"]
                 for one in container.get("ports") or ()]
        port = str(ports[0]) if ports else "80"
    if not port.isdigit():
        # The real server breaks the connection off.
        raise ConnectionAbortedError(f"port {port} is no number")
    return scheme, ip, int(port)


def redirect(handler, target, raw_query):
    """301 to the same path with a slash."""
    location = f"{target.prefix}/"
    if raw_query:
        location += f"?{raw_query}"
    status.send_body(handler, 301, b"", None, (("Location", location),))


def serve_proxy(server, handler, target, raw_path, raw_query):
    """services/NAME/proxy and pods/NAME/proxy."""
    find = service_target if target.resource is resources.SERVICES \
        else pod_target
    if raw_path == target.prefix and handler.command in ("GET", "HEAD") \
            and not is_upgrade(handler):
        redirect(handler, target, raw_query)
        return
    scheme, ip, port = find(server.store, target.namespace, target.name)
    rest = target.rest + (f"?{raw_query}" if raw_query else "")
    proxy.serve(handler, proxy.Target(ip, port, scheme), target.prefix,
                rest)


def is_upgrade(handler):
    """True when the client asks for another protocol."""
    return "upgrade" in (handler.headers.get("Connection") or "").lower()


def serve_forward(server, handler, target, query):
    """pods/NAME/portforward."""
    pod = server.store.get(resources.PODS, target.namespace, target.name)
    if not is_upgrade(handler):
        raise status.bad_request("Upgrade request required")
    ports = []
    for text in query.all("ports"):
        for one in text.split(","):
            if not one.isdigit():
                raise status.bad_request(
                    "cannot convert to []int32: strconv.ParseUint: parsing "
                    f'"{one}": invalid syntax')
            ports.append(int(one))
    running = server.kubelet.find(pod["metadata"]["uid"])
    if running is not None:
        portforward.serve(handler, ports, running.address.connect)
    elif pod["status"].get("podIP"):
        # On a node that is not ours: a server that somebody else runs.
        ip = pod["status"]["podIP"]
        portforward.serve(
            handler, ports,
            lambda port: socket.create_connection((ip, port), LOOK_S))
    else:
        raise status.bad_request(f"pod {target.name} does not have a host "
                                 "assigned")


# --- logs ------------------------------------------------------------------

def choose_container(pod, name):
    """The container that a request is for; 400 when that is not clear."""
    names = [one["name"] for one in pod["spec"]["containers"]]
    inits = [one["name"] for one in pod["spec"].get("initContainers")
             or ()]
    shown = pod["metadata"]["name"]
    if not name:
        if len(names) == 1:
            return names[0]
        choices = f"[{' '.join(names)}]"
        more = f" or one of the init containers: [{' '.join(inits)}]" \
            if inits else ""
        raise status.bad_request("a container name must be specified for "
                                 f"pod {shown}, choose one of: {choices}"
                                 f"{more}")
    if name not in names + inits:
        raise status.bad_request(f"container {name} is not valid for pod "
                                 f"{shown}")
    return name


def find_log(server, target, query):
    """The Log, or None when the pod has no node."""
    pod = server.store.get(resources.PODS, target.namespace, target.name)
    name = choose_container(pod, query.get("container"))
    if "nodeName" not in pod["spec"]:
        return None
    running = server.kubelet.find(pod["metadata"]["uid"])
    one = running.find(name) if running else None
    found = list(one.logs) if one else []
    if query.is_set("previous"):
        if len(found) < 2 and not (found and "waiting" in one.state):
            raise status.bad_request(
                f'previous terminated container "{name}" in pod '
                f'"{target.name}" not found')
        return found[-1] if "waiting" in one.state else found[-2]
    if not found:
        waiting = (one.state if one else {}).get("waiting", {})
        reason = waiting.get("reason", "ContainerCreating")
        raise status.bad_request(
            f'container "{name}" in pod "{target.name}" is waiting to '
            f"start: {reason}")
    return found[-1]


def serve_log(server, handler, target, query):
    """pods/NAME/log."""
    log = find_log(server, target, query)
    if log is None:
        status.send_body(handler, 204, b"", None)
        return
    handler.send_response_only(200)
    handler.send_header("Audit-Id", str(uuid.uuid4()))
    handler.send_header("Cache-Control", "no-cache, private")
    handler.send_header("Content-Type", "text/plain")
    handler.send_header("Date", handler.date_time_string())
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    entries, position = log.read(0)
    count = query.number("tailLines")
    stamps = query.is_set("timestamps")
    limit = query.number("limitBytes")
    body = logs.shown(logs.tail(entries, count), stamps)
    send_chunk(handler, body[:limit] if limit else body)
    listener = server.listener
    while query.is_set("follow") and log.wait(position, LOOK_S) \
            and server.listener is listener:
        entries, position = log.read(position)
        send_chunk(handler, logs.shown(entries, stamps))
    handler.wfile.write(b"0\r\n\r\n")


def send_chunk(handler, body):
    """One chunk, at once."""
    if body:
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(body), body))
        handler.wfile.flush()
