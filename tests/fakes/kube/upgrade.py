"""Upgrades through the proxy: one request to the pod, then bytes both ways.

The query never arrives at the pod, nor does Authorization; an error of the
pod is passed as it is and ends the connection.
"""

from . import ends, forward, pod, reply, status, upload


def is_wanted(handler):
    """The client asks for an upgrade."""
    return any("upgrade" in value.lower()
               for value in handler.headers.get_all("Connection", []))


def serve(handler, target, path):
    """Answer a request for an upgrade; the connection ends with it, but for
    errors before there was one.

    Raises ClientGone, PodDied and OSError when the connection is to end.
    """
    try:
        exchange = pod.Exchange(pod.dial(target), handler,
                                upload.Upload(handler))
    except pod.PodError as error:
        _refuse(handler, f"error dialing backend: {error}")
        return
    try:
        _exchange(handler, exchange, path)
    finally:
        exchange.close()


def _refuse(handler, message):
    upload.discard(handler)
    status.status_error(handler, 500, None, message)


def _exchange(handler, exchange, path):
    exchange.send(_request(handler, path))
    try:
        raw, code, headers = exchange.read_head()
    except pod.PodError as error:
        _refuse(handler, str(error))
        return
    if code == 101:
        _relay(handler, exchange, raw)
    elif code < 400:
        _refuse(handler, f"invalid upgrade response: status code {code}")
    else:
        _pass_error(handler, exchange, code, headers)


def _request(handler, path):
    headers = forward.without_bearer(forward.from_client(handler))
    if not any(name == "User-Agent" for name, _ in headers):
        headers.append(("User-Agent", "Go-http-client/1.1"))
    return forward.request_head(handler, path, headers)


def _relay(handler, exchange, raw):
    """What came behind the pod's head is the first of its bytes."""
    handler.close_connection = True
    client = ends.End(handler.connection, ends.take_early(handler))
    client.send(raw + exchange.buffer)
    ends.relay(client, exchange.end)
    handler.connection.setblocking(True)


def _pass_error(handler, exchange, code, headers):
    """The pod's error, unchanged but for the order of its headers."""
    handler.close_connection = True
    answer = pod.Answer(exchange, handler.command, code, headers)
    framing = [("Content-Length", str(answer.length))]
    if answer.is_chunked:
        framing = [("Transfer-Encoding", "chunked")]
    elif answer.length is None:
        framing = [("Connection", "close")]
    dropped = {"Content-Length", "Transfer-Encoding", "Connection"}
    others = sorted((item for item in headers if item[0] not in dropped),
                    key=lambda item: item[0])
    handler.wfile.write(reply.encode_head(code, framing + others))
    for piece in iter(answer.read, b""):
        if answer.is_chunked:
            piece = b"%x\r\n%s\r\n" % (len(piece), piece)
        handler.wfile.write(piece)
    if answer.is_chunked:
        handler.wfile.write(b"0\r\n\r\n")
