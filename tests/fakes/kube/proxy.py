"""The proxy subresource of Services and pods: requests to what a pod serves.

The caller has authenticated and authorised the request and found the pod.
What is done to a request and to an answer on the way is that of the real API
server: the client's Authorization never arrives, the path is cleaned, an
absolute Location and the links of HTML get the proxy's prefix.
"""

import collections
import zlib

from . import ends, forward, pod, reply, rewrite, status, upgrade, upload

Target = collections.namedtuple("Target", "ip port scheme")

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
INFLATE_MAX = 64 * 1024


def serve(handler, target, prefix, path_query):
    """Answer a request with what the pod says to it.

    PREFIX ends with "/proxy"; PATH_QUERY is what came behind it, raw.
    """
    ends.hurry(handler.connection)
    try:
        _serve(handler, target, prefix, path_query)
    except (upload.ClientGone, pod.PodDied, OSError, zlib.error):
        # There is nobody to tell, or it is too late to say so.
        handler.close_connection = True


def _serve(handler, target, prefix, path_query):
    if handler.command not in METHODS:
        upload.discard(handler)
        status.status_error(
            handler, 405, "MethodNotAllowed", "the server does not allow this "
            "method on the requested resource", {})
        return
    path, mark, query = path_query.partition("?")
    places = rewrite.Places(target, prefix, path,
                            handler.headers.get("Host", ""))
    if upgrade.is_wanted(handler):
        upgrade.serve(handler, target, places.pod_path)
    else:
        _exchange(handler, target, places, mark + query)


def _exchange(handler, target, places, query):
    body = upload.Upload(handler)
    try:
        exchange = pod.Exchange(pod.dial(target), handler, body)
    except pod.PodError as error:
        _unreachable(handler, body, error)
        return
    try:
        head, added_gzip = _request(handler, body, places, query)
        exchange.send(head)
        try:
            _, code, headers = exchange.read_head()
        except pod.PodError as error:
            _unreachable(handler, body, error)
            return
        if not body.is_done:
            handler.close_connection = True
        answer = pod.Answer(exchange, handler.command, code, headers)
        _answer(handler, answer, code, headers, places, added_gzip)
        if not body.is_done:
            handler.close_connection = True
            upload.linger(handler, body)
    finally:
        exchange.close()


def _unreachable(handler, body, error):
    upload.discard(handler, body)
    status.status_error(handler, 503, "ServiceUnavailable",
                        f"error trying to reach service: {error}")


def _request(handler, body, places, query):
    """(head of the request for the pod, whether gzip was added to it)."""
    headers = forward.end_to_end(forward.from_client(handler))
    headers = [item for item in headers if item[0] != "X-Forwarded-Uri"]
    headers.append(("X-Forwarded-Uri", places.forwarded_uri))
    names = {name for name, _ in headers}
    adds_gzip = handler.command != "HEAD" \
        and not names & {"Accept-Encoding", "Range"}
    framing = None
    if body.is_chunked:
        framing = ("Transfer-Encoding", "chunked")
    elif body.length or handler.command in ("POST", "PUT", "PATCH"):
        framing = ("Content-Length", str(body.length))
    last = [("Accept-Encoding", "gzip")] if adds_gzip else []
    return forward.request_head(handler, places.pod_path + query, headers,
                                framing, last), adds_gzip


def _answer(handler, answer, code, headers, places, added_gzip):
    """Pass the answer to the client."""
    headers = [item for item in forward.end_to_end(headers)
               if item[0] not in forward.CORS]
    source = answer.read
    is_live = answer.length is None and not answer.is_done
    if added_gzip and pod.header(headers, "Content-Encoding") == "gzip":
        headers = without(headers, "Content-Encoding", "Content-Length")
        source = Inflater(answer.read).read
        is_live = True
    location = pod.header(headers, "Location")
    if location:
        headers = [(name, places.rewrite_location(value)
                    if name == "Location" else value)
                   for name, value in headers]
    elif is_html(headers):
        headers, source = _rewritten(headers, source, places)
        is_live = False
    if is_event_stream(headers):
        is_live = True
    out = reply.Reply(handler, code, reply.standard_headers() + headers,
                      is_live)
    while True:
        piece = source(out.patience_s())
        if piece == b"":
            break
        if piece is None:
            out.flush()
        else:
            out.write(piece)
    out.finish()


def _rewritten(headers, source, places):
    """(headers, source) of a page whose links get the prefix."""
    coding = pod.header(headers, "Content-Encoding")
    if coding not in rewrite.CODINGS:
        return headers, source
    page = b"".join(iter(source, b""))
    page = rewrite.rewrite_page(page, coding, places)
    pieces = [page] if page else []

    def read(_timeout_s):
        return pieces.pop() if pieces else b""

    return without(headers, "Content-Length"), read


def without(headers, *names):
    """The headers without these."""
    return [item for item in headers if item[0] not in names]


def is_html(headers):
    """The body is a page."""
    kind = pod.header(headers, "Content-Type") or ""
    return kind.split(";")[0].strip() == "text/html"


def is_event_stream(headers):
    """The body is for ever coming."""
    kind = pod.header(headers, "Content-Type") or ""
    return kind.split(";")[0].strip() == "text/event-stream"


class Inflater:
    """Un-gzips what READ(timeout_s) brings."""

    def __init__(self, read):
        self.source = read
        self.engine = zlib.decompressobj(31)
        self.rest = b""
        self.is_inside = False

    def read(self, timeout_s=None):
        """As the source's; zlib.error when it is no gzip."""
        while True:
            if self.rest:
                piece = self._inflate()
                if piece:
                    return piece
                continue
            data = self.source(timeout_s)
            if data == b"" and self.is_inside:
                raise zlib.error("it ends too early")
            if not data:
                return data
            self.rest = data
            self.is_inside = True

    def _inflate(self):
        piece = self.engine.decompress(self.rest, INFLATE_MAX)
        self.rest = self.engine.unconsumed_tail
        if self.engine.eof:
            self.rest = self.engine.unused_data
            self.engine = zlib.decompressobj(31)
            self.is_inside = bool(self.rest)
        return piece
