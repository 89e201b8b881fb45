"""Errors of the API server: Status objects, and how they are sent."""

import uuid

from . import text

REASONS = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden",
           404: "NotFound", 405: "MethodNotAllowed", 406: "NotAcceptable",
           410: "Expired", 413: "RequestEntityTooLarge",
           415: "UnsupportedMediaType", 422: "Invalid",
           503: "ServiceUnavailable"}


class ApiError(Exception):
    """What ends a request with a Status."""

    def __init__(self, code, message, reason=None, details=None,
                 metadata=None):
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = REASONS.get(code, "") if reason is None else reason
        self.details = details
        self.metadata = metadata

    def body(self):
        """The Status object."""
        return failure(self.code, self.reason, self.message, self.details,
                       self.metadata)


def failure(code, reason, message, details=None, metadata=None):
    """A Status object that says what went wrong."""
    status = {"kind": "Status", "apiVersion": "v1",
              "metadata": metadata or {}, "status": "Failure",
              "message": message}
    if reason:
        status["reason"] = reason
    if details is not None:
        status["details"] = details
    status["code"] = code
    return status


def success(details):
    """A Status object that says it is done."""
    return {"kind": "Status", "apiVersion": "v1", "metadata": {},
            "status": "Success", "details": details}


def details_of(resource, name=None, kind=None):
    """The `details` that name an object."""
    details = {}
    if name:
        details["name"] = name
    if resource.group:
        details["group"] = resource.group
    details["kind"] = kind or resource.plural
    return details


def not_found(resource, name):
    """404 for an object."""
    return ApiError(404, f'{resource.qualified} "{name}" not found',
                    details=details_of(resource, name))


def already_exists(resource, name):
    """409 for a POST."""
    return ApiError(409, f'{resource.qualified} "{name}" already exists',
                    "AlreadyExists", details_of(resource, name))


def stale(resource, name):
    """409 for an old resourceVersion."""
    return ApiError(
        409, f'Operation cannot be fulfilled on {resource.qualified} '
        f'"{name}": the object has been modified; please apply your changes '
        "to the latest version and try again", "Conflict",
        details_of(resource, name))


def forbidden(resource, name, why, causes=None):
    """403 of an admission plugin."""
    details = details_of(resource, name)
    if causes:
        details["causes"] = causes
    return ApiError(403, f'{resource.qualified} "{name}" is forbidden: {why}',
                    details=details)


def bad_request(message):
    """400."""
    return ApiError(400, message)


def method_not_allowed():
    """405."""
    return ApiError(405, "the server does not allow this method on the "
                    "requested resource", details={})


def invalid(kind, group, name, causes):
    """422; `causes` are (field, reason, message)."""
    found = [{"reason": reason, "message": message, "field": field}
             for field, reason, message in causes]
    texts = [f"{field}: {message}" for field, _, message in causes]
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = {"name": name} if name else {}
    if group:
        details["group"] = group
    details.update(kind=kind, causes=found)
    qualified = f"{kind}.{group}" if group else kind
    return ApiError(422, f'{qualified} "{name}" is invalid: {joined}',
                    details=details)


def send_body(handler, code, body, content_type="application/json",
              headers=()):
    """Send a whole response; long ones are chunked, as by the real server."""
    handler.send_response_only(code)
    handler.send_header("Audit-Id", str(uuid.uuid4()))
    handler.send_header("Cache-Control", "no-cache, private")
    if content_type:
        handler.send_header("Content-Type", content_type)
    for name, value in headers:
        handler.send_header(name, value)
    if handler.close_connection:
        handler.send_header("Connection", "close")
    handler.send_header("Date", handler.date_time_string())
    chunked = len(body) > 2048 and handler.command != "HEAD"
    if chunked:
        handler.send_header("Transfer-Encoding", "chunked")
    elif code != 204:
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if handler.command == "HEAD" or not body:
        return
    if chunked:
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    handler.wfile.write(body)


def status_error(handler, code, reason, message, details=None, headers=()):
    """Answer a request with a Status."""
    body = text.to_json(failure(code, reason, message, details))
    send_body(handler, code, body + b"\n", headers=headers)
