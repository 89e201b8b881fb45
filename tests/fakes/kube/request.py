"""What a request asks for: its path taken apart, its body read."""

import dataclasses
import json
import urllib.parse

from . import access, resources, schema, status, yaml_subset

BODY_MAX = 3 << 20
VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update",
         "PATCH": "patch", "DELETE": "delete", "OPTIONS": ""}
TRUE = ("1", "t", "true", "True")
LONG = ("proxy", "log", "exec", "attach", "portforward")
JSON, YAML = "application/json", "application/yaml"
APPLY = "application/apply-patch+yaml"
PATCHES = ("application/json-patch+json", "application/merge-patch+json",
           "application/strategic-merge-patch+json", APPLY)
FORMATS = "the body of the request was in an unknown format - accepted " \
    "media types include: application/json, application/yaml, " \
    "application/vnd.kubernetes.protobuf"
UNACCEPTABLE = "406: Not Acceptable\n\nAvailable representations: " \
    "application/json, application/yaml, " \
    "application/vnd.kubernetes.protobuf, application/json;stream=watch, " \
    "application/vnd.kubernetes.protobuf;stream=watch"


@dataclasses.dataclass
class Target:
    """The object or the collection that a path names."""

    resource: resources.Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    # What follows the subresource, raw: of a proxy.
    rest: str = ""
    # The raw path up to and with the subresource.
    prefix: str = ""


def split_path(path):
    """The Target of a path, or None when it names no resource."""
    parts = path.split("/")[1:]
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest, used = "", parts[1], parts[2:], 2
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest, used = parts[1], parts[2], parts[3:], 3
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 \
            and rest[2] not in ("", "status", "finalize"):
        namespace, rest, used = unquote(rest[1]), rest[2:], used + 2
    resource = resources.find(group, version, rest[0])
    if resource is None or (namespace and not resource.namespaced):
        return None
    found = Target(resource, namespace)
    found.name = unquote(rest[1]) if len(rest) > 1 else ""
    if len(rest) > 2 and rest[2]:
        found.subresource = rest[2]
        if rest[2] not in resource.subresources \
                and rest[2] != "finalize":
            return None
        found.prefix = "/" + "/".join(parts[:used + 3])
        found.rest = path[len(found.prefix):]
        if found.rest and rest[2] != "proxy":
            return None
    return found


def unquote(part):
    """A segment of a path."""
    return urllib.parse.unquote(part)


class Query:
    """The parameters of a request."""

    def __init__(self, raw):
        # As Go does: a part with a raw ; is dropped.
        parts = [part for part in raw.split("&") if ";" not in part]
        self.values = urllib.parse.parse_qs("&".join(parts),
                                            keep_blank_values=True)

    def get(self, name, otherwise=""):
        """The first value."""
        return self.values.get(name, [otherwise])[0]

    def all(self, name):
        """All values."""
        return self.values.get(name, [])

    def is_set(self, name):
        """A switch."""
        return self.get(name) in TRUE

    def number(self, name):
        """A number, or None; 400 when it is none."""
        value = self.get(name)
        if not value:
            return None
        try:
            return int(value)
        except ValueError as error:
            raise status.bad_request(
                f"invalid value for {name}: {value}") from error


def verb_of(method, target, query):
    """As in rules: get, list, watch, ..."""
    verb = VERBS[method]
    if target.subresource:
        return verb
    if verb == "get" and not target.name:
        return "watch" if query.is_set("watch") else "list"
    if verb == "delete" and not target.name:
        return "deletecollection"
    return verb


def attributes(method, target, query):
    """What is asked of RBAC."""
    resource = target.resource
    # A Namespace is in itself, for RBAC.
    namespace = target.name if resource is resources.NAMESPACES \
        else target.namespace
    return access.Attributes(
        verb_of(method, target, query), resource.group, resource.plural,
        target.subresource, namespace, target.name)


def accepted(headers):
    """(media type, its parameters) that the client wants most."""
    header = headers.get("Accept") or "*/*"
    for part in header.split(","):
        kind, *parameters = [one.strip() for one in part.split(";")]
        found = dict(one.split("=", 1) for one in parameters if "=" in one)
        if kind in ("*/*", "application/*", JSON, YAML):
            return (YAML if kind == YAML else JSON), found
    raise status.ApiError(406, UNACCEPTABLE, details={})


def read_body(handler):
    """All of a body; 413 when it is too long."""
    if "chunked" in (handler.headers.get("Transfer-Encoding") or ""):
        return read_chunks(handler)
    length = int(handler.headers.get("Content-Length") or 0)
    if length > BODY_MAX:
        raise too_large(handler)
    handler.body_read = True
    return handler.rfile.read(length)


def read_chunks(handler):
    """The same for a chunked one."""
    found = b""
    while True:
        size = int(handler.rfile.readline().split(b";")[0], 16)
        if size == 0:
            while handler.rfile.readline().strip():
                pass
            handler.body_read = True
            return found
        found += handler.rfile.read(size)
        handler.rfile.readline()
        if len(found) > BODY_MAX:
            raise too_large(handler)


def too_large(handler):
    """413, after which the connection is closed."""
    handler.close_connection = True
    return status.ApiError(413, "Request entity too large: limit is "
                           f"{BODY_MAX}")


def parse_body(handler, kind_name):
    """The object in a body of POST, PUT or DELETE."""
    raw = read_body(handler)
    kind = (handler.headers.get("Content-Type") or JSON).partition(";")[0]
    if kind not in (JSON, YAML):
        raise status.ApiError(415, FORMATS)
    return decode(raw, kind_name)


def decode(raw, kind_name):
    """JSON or YAML as an object; 400 when it is none."""
    try:
        text = raw.decode()
        found = json.loads(text) if text.lstrip().startswith(("{", "[")) \
            else yaml_subset.load(text)
    except (ValueError, IndexError) as error:
        raise malformed(raw, kind_name, error) from error
    if not isinstance(found, (dict, list)):
        raise malformed(raw, kind_name, ValueError("no object"))
    return found


def malformed(raw, kind_name, error):
    """400 of a body that cannot be read."""
    reason = str(error)
    if isinstance(error, json.JSONDecodeError):
        at_end = error.pos >= len(raw.decode(errors="replace").rstrip())
        reason = "unexpected end of JSON input" if at_end else \
            f"invalid character at offset {error.pos}"
    start = raw.decode(errors="replace")[:30]
    return status.bad_request(
        f"the object provided is unrecognized (must be of type {kind_name})"
        f": couldn't get version/kind; json parse error: {reason} "
        f"({start} ...)")


def check_fields(kind_name, item, query, version="v1"):
    """Warnings for unknown fields; 400 when the client is strict."""
    mode = query.get("fieldValidation") or "Warn"
    if mode == "Ignore":
        return []
    found = [f'unknown field "{path}"'
             for path in schema.unknown_in(kind_name, item)]
    if found and mode == "Strict":
        raise status.bad_request(
            f'{kind_name} in version "{version}" cannot be handled as a '
            f"{kind_name}: strict decoding error: {', '.join(found)}")
    return found


def manager_of(handler, query):
    """Who changes something: a parameter, or the client's name."""
    agent = handler.headers.get("User-Agent") or "unknown"
    return query.get("fieldManager") or agent.partition("/")[0][:128]
