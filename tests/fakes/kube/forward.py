"""Which headers the API server passes on, and what it adds to them."""

from . import pod

# Meant for one connection alone.
HOP_BY_HOP = {"Connection", "Proxy-Connection", "Keep-Alive",
              "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
              "Transfer-Encoding", "Upgrade"}
# Who the request is from is between the client and the API server.
IDENTITY = ("X-Remote-User", "X-Remote-Group", "X-Remote-Uid",
            "X-Remote-Extra-")
CORS = {"Access-Control-Allow-Credentials", "Access-Control-Allow-Headers",
        "Access-Control-Allow-Methods", "Access-Control-Allow-Origin"}
BEARER_PROTOCOL = "base64url.bearer.authorization.k8s.io."
PROTOCOL = "Sec-Websocket-Protocol"


def is_identity(name):
    """The header says who the request is from."""
    return name == "Authorization" or name.startswith(IDENTITY)


def from_client(handler):
    """The client's headers, by name as Go sorts them, without identity,
    Host and framing; X-Forwarded-For has the client."""
    headers = [(pod.canonical(name), value)
               for name, value in handler.headers.items()]
    forwarded = [value for name, value in headers
                 if name == "X-Forwarded-For"]
    forwarded.append(handler.client_address[0])
    dropped = {"Host", "Content-Length", "X-Forwarded-For"}
    kept = [(name, value) for name, value in headers
            if name not in dropped and not is_identity(name)]
    kept.append(("X-Forwarded-For", ", ".join(forwarded)))
    return kept


def end_to_end(headers):
    """The headers without those of one connection."""
    listed = {pod.canonical(word.strip()) for name, value in headers
              if name == "Connection" for word in value.split(",")}
    return [(name, value) for name, value in headers
            if name not in HOP_BY_HOP and name not in listed]


def without_bearer(headers):
    """The headers without the token among the WebSocket's subprotocols."""
    offered = [word.strip() for name, value in headers if name == PROTOCOL
               for word in value.split(",")]
    if not any(word.startswith(BEARER_PROTOCOL) for word in offered):
        return headers
    left = [word for word in offered if not word.startswith(BEARER_PROTOCOL)]
    kept = [(name, value) for name, value in headers if name != PROTOCOL]
    return kept + [(PROTOCOL, ",".join(left))] if left else kept


def request_head(handler, path, headers, framing=None, last=()):
    """The head of a request as Go writes it: some headers first, the others
    sorted, what its HTTP client adds at the end."""
    agent = [header for header in headers if header[0] == "User-Agent"]
    others = sorted((header for header in headers
                     if header[0] != "User-Agent"), key=lambda item: item[0])
    lines = [f"{handler.command} {path} HTTP/1.1",
             f"Host: {handler.headers.get('Host', '')}"]
    lines += [f"{name}: {value}" for name, value in
              [*agent, *([framing] if framing else []), *others, *last]]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
