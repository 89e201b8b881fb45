"""The stand-in's proxy against what a real API server was seen to do."""

import gzip
import json
import re
import threading
import tracemalloc

import pytest

import kube_pods
from kube import proxy, rewrite

pytest_plugins = ["kube_fixtures"]
NAMESPACE = "/api/v1/namespaces/jtest"
ECHO = f"{NAMESPACE}/services/echo:80/proxy"
HOST = "Host: API:6443\r\n"

# What is replayed as it is, against the pod that was recorded.
ECHO_REPLAYS = [
    "proxy-chunked-stream-200.txt", "proxy-dead-port-503.txt",
    "proxy-echo-accept-encoding-200.txt", "proxy-echo-bearer-200.txt",
    "proxy-echo-cert-authorization-token-200.txt", "proxy-echo-head-200.txt",
    "proxy-echo-options-200.txt", "proxy-echo-post-200.txt",
    "proxy-echo-post-chunked-200.txt", "proxy-echo-put-200.txt",
    "proxy-echo-range-header-200.txt", "proxy-html-echo-200.txt",
    "proxy-location-absolute-path-302.txt",
    "proxy-location-double-slash-302.txt",
    "proxy-location-other-host-302.txt", "proxy-location-own-host-302.txt",
    "proxy-location-pod-address-302.txt", "proxy-location-pod-proxy-302.txt",
    "proxy-location-prefixed-302.txt", "proxy-location-relative-302.txt",
    "proxy-method-propfind-405.txt", "proxy-missing-slash-post-200.txt",
    "proxy-path-dotdot-out.txt", "proxy-path-dotdot.txt",
    "proxy-path-double-slash.txt", "proxy-path-encoded-dotdot.txt",
    "proxy-path-leading-double-slash.txt", "proxy-path-percent-2f.txt",
    "proxy-path-query.txt", "proxy-path-space-percent-utf8.txt",
    "proxy-path-trailing-slash.txt", "proxy-pod-dies-mid-body.txt",
    "proxy-pod-not-ready-refused-503.txt", "proxy-pod-own-403.txt",
    "proxy-pod-own-404.txt", "proxy-pod-own-429.txt", "proxy-pod-own-500.txt",
    "proxy-pod-own-503.txt", "proxy-range-206.txt",
    "proxy-service-https-200.txt", "proxy-service-https-to-plain-503.txt",
    "proxy-service-plain-to-tls-503.txt", "proxy-set-cookie-200.txt",
    "ws-answer-200-500.txt", "ws-answer-403.txt", "ws-answer-503.txt",
    "ws-dead-port-500.txt", "ws-pod-dead-port-500.txt"]
# Replayed with a pod that answers what Jupyter did.
JUPYTER_REPLAYS = [
    "proxy-html-jupyter-files-200.txt",
    "proxy-html-jupyter-files-range-206.txt", "proxy-jupyter-404-html.txt",
    "proxy-jupyter-404-json.txt", "proxy-jupyter-base-url-200.txt",
    "proxy-jupyter-base-url-404.txt", "proxy-jupyter-contents-get-200.txt",
    "proxy-jupyter-delete-204.txt", "proxy-jupyter-files-range-206.txt",
    "proxy-jupyter-get-cookie-only-200.txt",
    "proxy-jupyter-kernel-delete-204.txt",
    "proxy-jupyter-kernel-post-201.txt",
    "proxy-jupyter-login-redirect-302.txt", "proxy-jupyter-own-500.txt",
    "proxy-jupyter-patch-rename-200.txt",
    "proxy-jupyter-put-cookie-only-403.txt",
    "proxy-jupyter-put-file-201.txt", "proxy-jupyter-put-text-201.txt",
    "proxy-jupyter-root-html-200.txt", "proxy-kernels-after-restart-200.txt",
    "proxy-pod-api-200.txt", "proxy-pod-status-token-200.txt",
    "proxy-service-api-200.txt", "proxy-service-portname-200.txt",
    "proxy-service-scheme-200.txt",
    "proxy-status-authorization-token-403.txt",
    "proxy-status-no-token-403.txt", "proxy-status-token-200.txt",
    "proxy-status-wrong-token-403.txt"]
# What the file was that a page was made of, where it cannot be had back by
# cutting the prefix.
ORIGINAL_PAGES = {
    "proxy-html-jupyter-files-200.txt":
        b'<html><body><a href="/x">1</a><IMG src=/y.png><form action="/f">'
        b'</form></body></html>\n',
    "proxy-html-jupyter-files-range-206.txt": b'<html><body><a href="'}
# Replayed in a test of its own, here or in another file.
OWN_TESTS = {
    "proxy-html-echo-before.txt": "the page of the echo pod, see PAGE",
    "proxy-pod-dies-mid-body-headers-sent.txt": "test_pod_dies_later",
    "ws-echo-101.txt": "test_kube_upgrade.py",
    "ws-subprotocol-bearer-101.txt": "test_kube_upgrade.py",
    "ws-pod-token-refused-403.txt": "test_kube_upgrade.py",
    "ws-new-cookie-after-restart-404.txt": "test_kube_upgrade.py",
    "ws-old-cookie-after-restart-403.txt": "test_kube_upgrade.py",
    "ws-pod-unknown-kernel-404.txt": "test_kube_upgrade.py",
    "ws-pod-origin-403.txt": "test_kube_upgrade.py",
    "ws-pod-origin-upper-case-host-403.txt": "test_kube_upgrade.py",
    "ws-container-killed-eof-101.txt": "test_kube_upgrade.py",
    "ws-pod-stopped-eof-101.txt": "test_kube_upgrade.py",
    "ws-pod-v1-subprotocol-101.txt": "test_kube_upgrade.py",
    "ws-pod-cookie-kernel-101.txt": "test_kube_upgrade.py",
    "ws-service-cookie-kernel-101.txt": "test_kube_upgrade.py",
    "portforward-authorization-101.txt": "test_kube_upgrade.py",
    "portforward-client-close-101.txt": "test_kube_upgrade.py",
    "portforward-dead-port-101.txt": "test_kube_upgrade.py",
    "portforward-no-ports-400.txt": "test_kube_upgrade.py",
    "portforward-no-upgrade-400.txt": "test_kube_upgrade.py",
    "portforward-two-ports-101.txt": "test_kube_upgrade.py",
    "portforward-v4-101.txt": "test_kube_upgrade.py",
    "portforward-v5-offered-403.txt": "test_kube_upgrade.py",
    "portforward-bad-port-400.txt": "test_kube_upgrade.py",
    "portforward-kernel-ws-101.txt": "test_kube_upgrade.py"}
# Decided before the proxy is called.
BEFORE_THE_PROXY = {
    "access": [
        "portforward-rbac-403.txt", "ws-anonymous-403.txt",
        "ws-bad-token-401.txt", "ws-rbac-403.txt"],
    "the object or its address": [
        "portforward-unknown-pod-404.txt", "proxy-no-endpoints-503.txt",
        "proxy-no-endpoints-starting-503.txt", "proxy-no-port-503.txt",
        "proxy-not-ready-503.txt", "proxy-pod-gone-404.txt",
        "proxy-pod-portname-aborted.txt", "proxy-pod-without-ip-400.txt",
        "proxy-unknown-pod-404.txt", "proxy-unknown-port-503.txt",
        "proxy-unknown-portname-503.txt", "proxy-unknown-service-404.txt",
        "ws-unknown-service-404.txt"],
    "the missing slash": [
        "proxy-missing-slash-301.txt", "proxy-missing-slash-query-301.txt"],
    "of a kernel alone": ["ws-kernel-duplicate-message-101.txt"]}
# Where this proxy differs from the real one, and why that is meant.
DIFFERENCES = """
plain to a TLS pod   The text of the 503 is what the pod's way of hanging up
                     makes of it (a reset, EOF, or an alert that is no HTTP).
connections          One to the pod for each request; nobody sees it.
trailers             Not passed: neither side of a workspace sends any.
200 ms               A short answer waits as long for its rest as in Go, but
                     bytes over 2 KiB go out without Go's second buffer.
<script>             Ends at the first </script>, also behind <!--.
fragmented messages  End a port-forward; the real one takes each frame for a
                     message, which is worse to find.
base64 channels      Not offered (v4.base64.channel.k8s.io).
HTTP/2               Not spoken: the client under test does not either.
"""
# Addresses of the recordings' pods, by whom they are here.
POD_ADDRESSES = {"10.77.0.20:8080": "echo", "10.77.0.20:9999": "dead",
                 "10.77.0.27:8888": "dead"}
EPHEMERAL = re.compile(r"read tcp [\d.:]+->[\d.:]+: read: connection reset by"
                       r" peer|EOF|malformed HTTP response .*")


def localised(text, targets):
    """A recorded text with the addresses that pods have here."""
    for address, name in POD_ADDRESSES.items():
        here = f"{targets[name].ip}:{targets[name].port}"
        text = text.replace(address, here).replace(
            address.replace(":", "%3A"), here.replace(":", "%3A"))
    return text


def settled(headers, body):
    """An answer without what no two answers have in common."""
    text = re.sub(r"chunk (\d) [\d.]+", r"chunk \1 T", body.decode("latin-1"))
    text = EPHEMERAL.sub("ephemeral", text.replace("\\u003e", ">"))
    values = [(name, "") if name in ("Audit-Id", "Date", "Content-Length")
              else (name, value) for name, value in headers]
    return values, text


def test_every_recording_has_its_place():
    """None of the recordings is left out without a word."""
    places = [*ECHO_REPLAYS, *JUPYTER_REPLAYS, *OWN_TESTS,
              *(name for names in BEFORE_THE_PROXY.values()
                for name in names)]
    found = [path.name for prefix in ("proxy", "ws", "portforward")
             for path in kube_pods.RECORDINGS.glob(f"{prefix}-*.txt")]
    assert sorted(places) == sorted(found)


@pytest.mark.parametrize("name", ECHO_REPLAYS)
def test_recorded_exchange(connect, targets, name):
    """The same request has the same answer, header by header."""
    recording = kube_pods.Recording(name)
    url = localised(recording.url, targets)
    with connect() as connection:
        connection.send(recording.request(url))
        code, headers, body = connection.answer(recording.method)
    if recording.answer_head[0].startswith("####"):
        assert code is None
        return
    assert code == int(recording.answer_head[0].split(" ")[1])
    want_headers = [(key, localised(value, targets))
                    for key, value in recording.answer_headers()]
    want = recording.answer_body
    length = dict(want_headers).get("Content-Length")
    if recording.method == "HEAD":
        want = b""
    elif length is not None:
        want = want[:int(length)]
    else:
        want = b"".join(re.findall(rb"(chunk .*\n)", want))
    want = localised(want.decode("latin-1"), targets).encode("latin-1")
    assert settled(headers, body) == settled(want_headers, want)
    if length is not None and recording.method != "HEAD":
        assert int(dict(headers)["Content-Length"]) == len(body)


def test_keep_alive(connect):
    """One connection carries many requests, errors among them."""
    with connect() as connection:
        for path in ("echo", "status/503", "html", "chunks?n=2&s=0", "blob"):
            connection.send(f"GET {ECHO}/{path} HTTP/1.1\r\n{HOST}\r\n"
                            .encode())
            code, headers, body = connection.answer()
            assert code == (503 if path == "status/503" else 200)
        assert body == kube_pods.PATTERN
        connection.send(f"PROPFIND {ECHO}/ HTTP/1.1\r\n{HOST}"
                        "Content-Length: 5\r\n\r\nhello".encode())
        assert connection.answer()[0] == 405
        connection.send(f"GET {NAMESPACE}/services/echo:82/proxy/ HTTP/1.1\r\n"
                        f"{HOST}Connection: close\r\n\r\n".encode())
        code, headers, body = connection.answer()
        assert code == 503
        assert json.loads(body)["reason"] == "ServiceUnavailable"
        assert connection.rest() == b""


def pod_answer(name, recording):
    """What the pod has sent, made of what the client was given."""
    prefix = re.match(r".*?/proxy", recording.url)[0]
    headers = recording.answer_headers()
    headers.remove(("Cache-Control", "no-cache, private"))
    lines = [recording.answer_head[0]]
    body = recording.answer_body
    length = dict(headers).get("Content-Length")
    if length is not None:
        body = body[:int(length)]
    if "text/html" in dict(headers).get("Content-Type", ""):
        body = ORIGINAL_PAGES.get(name) or body.replace(
            f'="{prefix}/'.encode(), b'="/')
    for key, value in headers:
        if key == "Content-Length":
            value = str(len(body))
        if key == "Location":
            value = value.removeprefix(prefix)
        if key not in ("Audit-Id", "Transfer-Encoding"):
            lines.append(f"{key}: {value}")
    if length is None and body.strip():
        lines.append(f"Content-Length: {len(body)}")
    else:
        body = body if length else b""
    return (kube_pods.CRLF.join(lines) + kube_pods.CRLF * 2).encode(
        "latin-1") + body


@pytest.mark.parametrize("name", JUPYTER_REPLAYS)
def test_recorded_jupyter(connect, canned, use_pod, name):
    """Jupyter's answers are changed as they were."""
    recording = kube_pods.Recording(name)
    use_pod(canned(pod_answer(name, recording)))
    with connect() as connection:
        connection.send(recording.request())
        code, headers, body = connection.answer()
    want_headers = recording.answer_headers()
    length = dict(want_headers).get("Content-Length")
    want = recording.answer_body[:int(length)] if length else \
        recording.answer_body
    if code == 204:
        want = b""
    assert code == int(recording.answer_head[0].split(" ")[1])
    assert settled(headers, body) == settled(want_headers, want)


def get(connection, path, *headers, method="GET", body=b""):
    """Send a request for a path of the pod's."""
    lines = [f"{method} {ECHO}/{path} HTTP/1.1", "Host: API:6443", *headers]
    connection.send((kube_pods.CRLF.join(lines) + kube_pods.CRLF * 2)
                    .encode() + body)


def test_pod_dies_later(connect):
    """What was there long enough has gone out; then the connection ends."""
    recording = kube_pods.Recording(
        "proxy-pod-dies-mid-body-headers-sent.txt")
    with connect() as connection:
        get(connection, "abort?1")
        code, headers, body = connection.answer()
        want = recording.answer_body.split(b"\n")[0]
        assert code == 200 and dict(headers)["Content-Length"] == "1000"
        assert body == want == b"x" * 100
        assert connection.rest() == b""


def test_pieces_arrive_at_once(connect, canned, use_pod):
    """A piece is seen while the pod has not sent the next one yet."""
    go_on = threading.Event()
    use_pod(canned(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                   b"Transfer-Encoding: chunked\r\n\r\n",
                   b"3\r\none\r\n", go_on, b"3\r\ntwo\r\n0\r\n\r\n"))
    with connect() as connection:
        get(connection, "x")
        lines = connection.head()
        assert "Transfer-Encoding: chunked" in lines
        assert connection.chunk() == b"one"
        assert not go_on.is_set()
        go_on.set()
        assert connection.chunk() == b"two"
        assert connection.chunk() == b""


def test_head_arrives_before_the_body(connect, canned, use_pod):
    """A known length does not keep the head back for ever."""
    go_on = threading.Event()
    use_pod(canned(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", go_on,
                   b"end"))
    with connect() as connection:
        get(connection, "x")
        assert "Content-Length: 3" in connection.head()
        go_on.set()
        assert connection.take(3) == b"end"


def test_body_until_the_end(connect, canned, use_pod):
    """A pod of HTTP/1.0 says with the end how long it was."""
    use_pod(canned(b"HTTP/1.0 200 OK\r\n\r\nold"))
    with connect() as connection:
        get(connection, "x")
        code, headers, body = connection.answer()
        assert (code, body) == (200, b"old")
        assert ("Transfer-Encoding", "chunked") in headers


@pytest.mark.parametrize("broken", [
    b"", b"\x15\x03\x01\x00\x02\x02\x46", b"HTTP/1.1 200", b"hello\r\n\r\n",
    b"HTTP/1.1 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nno header\r\n\r\n"])
def test_no_http_from_the_pod(connect, canned, use_pod, broken):
    """503 for what is no answer, and the connection lives on."""
    use_pod(canned(broken))
    with connect() as connection:
        for _ in range(2):
            get(connection, "x")
            code, _, body = connection.answer()
            status = json.loads(body)
            assert code == status["code"] == 503
            assert status["message"].startswith(
                "error trying to reach service: ")


@pytest.mark.parametrize("broken", [
    b"5\r\nhell", b"x\r\n", b"5\r\nhello\r\n"])
def test_broken_chunks(connect, canned, use_pod, broken):
    """A chunked body that breaks off ends the connection without its end."""
    use_pod(canned(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                   + broken))
    with connect() as connection:
        get(connection, "x")
        assert connection.head()[0] == "HTTP/1.1 200 OK"
        assert b"0\r\n\r\n" not in connection.rest()


GZIPPED = gzip.compress(b"plain text" * 10000, mtime=0)
GZIP_HEAD = (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
             b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n")


def test_gzip_is_undone(connect, canned, use_pod):
    """Whoever did not ask for gzip gets none, in any number of members."""
    use_pod(canned(GZIP_HEAD % (2 * len(GZIPPED)) + GZIPPED + GZIPPED))
    with connect() as connection:
        get(connection, "x")
        code, headers, body = connection.answer()
    assert code == 200 and body == b"plain text" * 20000
    assert not {"Content-Encoding", "Content-Length"} & dict(headers).keys()


def test_gzip_that_was_asked_for(connect, canned, use_pod):
    """It passes as it is."""
    use_pod(canned(GZIP_HEAD % len(GZIPPED) + GZIPPED))
    with connect() as connection:
        get(connection, "x", "Accept-Encoding: gzip")
        _, headers, body = connection.answer()
    assert body == GZIPPED
    assert dict(headers)["Content-Encoding"] == "gzip"
    assert dict(headers)["Content-Length"] == str(len(GZIPPED))


@pytest.mark.parametrize("data", [GZIPPED[:-9], b"no gzip at all"],
                         ids=["cut", "none"])
def test_gzip_that_is_none(connect, canned, use_pod, data):
    """It ends the connection without the end of a body."""
    use_pod(canned(GZIP_HEAD % len(data) + data))
    with connect() as connection:
        get(connection, "x")
        assert b"0\r\n\r\n" not in connection.rest()


@pytest.mark.parametrize("asks", [True, False])
def test_page_in_gzip(connect, canned, use_pod, asks):
    """Its links are rewritten, and it is gzip again for who asked for it."""
    page = gzip.compress(kube_pods.PAGE)
    use_pod(canned((GZIP_HEAD % len(page)).replace(b"plain", b"html") + page))
    with connect() as connection:
        get(connection, "x", *(["Accept-Encoding: gzip"] if asks else []))
        _, headers, body = connection.answer()
    if asks:
        body = gzip.decompress(body)
    assert ("Content-Encoding" in dict(headers)) == asks
    assert f'href="{ECHO}/abs/path"'.encode() in body


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_large_bodies_need_little_memory(connect, canned, use_pod, framing):
    """Both ways at once, 48 MiB each."""
    size = 48 << 20
    piece = b"u" * (1 << 20)
    got = []

    def take_all(sock):
        data = pod.requests[0].partition(b"\r\n\r\n")[2]
        while True:
            got.append(len(data))
            if data.endswith(b"0\r\n\r\n") or sum(got) == size:
                return
            data = sock.recv(1 << 16)

    pod = use_pod(canned(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                   b"Content-Length: %d\r\n\r\n" % size,
                   take_all, *[piece] * (size >> 20)))
    chunked = framing == "chunked"
    tracemalloc.start()
    with connect() as connection:
        get(connection, "x", "Transfer-Encoding: chunked" if chunked else
            f"Content-Length: {size}", method="PUT")
        for _ in range(size >> 20):
            connection.send(b"100000\r\n%s\r\n" % piece if chunked else piece)
        connection.send(b"0\r\n\r\n" if chunked else b"")
        assert connection.head()[0] == "HTTP/1.1 200 OK"
        left = size
        while left:
            data = connection.take(min(left, 1 << 16))
            assert data
            left -= len(data)
        peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 << 20
    assert sum(got) >= size


def test_answer_before_the_body(connect, canned, use_pod):
    """A pod that wants no more of a body is heard all the same."""
    pod = use_pod(canned(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n"
                         b"\r\nbig"))
    with connect() as connection:
        get(connection, "x", "Content-Length: 1000000000", method="PUT",
            body=b"x" * 1000)
        code, headers, body = connection.answer()
        assert (code, body) == (413, b"big")
        assert ("Connection", "close") in headers
        assert pod.ended.wait(kube_pods.LIMIT_S)


def test_answer_while_the_body_is_on_its_way(connect, canned, use_pod):
    """A pod may begin before it has all, and then still gets the rest."""
    got = []

    def take_end(sock):
        while not b"".join(got).endswith(b"end"):
            got.append(sock.recv(100))

    use_pod(canned(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                   b"5\r\nbegun\r\n", take_end, b"0\r\n\r\n"))
    with connect() as connection:
        get(connection, "x", "Content-Length: 8", method="PUT", body=b"begin")
        assert connection.head()[0] == "HTTP/1.1 200 OK"
        assert connection.chunk() == b"begun"
        connection.send(b"end")
        assert connection.chunk() == b""


def test_client_goes_away(connect, canned, use_pod):
    """The pod is not left alone with a request nobody waits for."""
    ended = threading.Event()

    def wait_for_end(sock):
        if sock.recv(1) == b"":
            ended.set()

    asked = threading.Event()
    use_pod(canned(lambda _sock: asked.set(), wait_for_end))
    with connect() as connection:
        get(connection, "x")
        assert asked.wait(kube_pods.LIMIT_S)
    assert ended.wait(kube_pods.LIMIT_S)


@pytest.mark.parametrize("line", [
    "Content-Length: x", "Content-Length: -1"])
def test_no_length(connect, line):
    """A request that is none ends the connection."""
    with connect() as connection:
        get(connection, "x", line, method="PUT")
        assert connection.rest() == b""


def test_body_breaks_off(connect, canned, use_pod):
    """The pod sees it, and nobody waits."""
    ended = threading.Event()

    def wait_for_end(sock):
        while sock.recv(100):
            pass
        ended.set()

    use_pod(canned(wait_for_end))
    with connect() as connection:
        get(connection, "x", "Transfer-Encoding: chunked", method="PUT",
            body=b"5\r\nhel")
    assert ended.wait(kube_pods.LIMIT_S)


def test_interim_answers_are_not_passed(connect, canned, use_pod):
    """A 100 or 103 of the pod's is no answer yet."""
    use_pod(canned(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints"
                   b"\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"))
    with connect() as connection:
        get(connection, "x")
        assert connection.answer()[0] == 204


def test_headers_of_one_connection(connect, canned, use_pod):
    """Neither way; nor does CORS pass, nor who the client says it is."""
    pod = use_pod(canned(
        b"HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
        b"Keep-Alive: 5\r\nAccess-Control-Allow-Origin: *\r\nX-End: 1\r\n"
        b"Content-Length: 0\r\n\r\n"))
    with connect() as connection:
        get(connection, "x", "Connection: keep-alive, x-own", "X-Own: 1",
            "TE: trailers", "x-remote-extra-scopes: all", "X-Remote-Group: g",
            "authorization: Basic eDp5", "x-kept: 1", "X-Forwarded-Uri: /lie")
        _, headers, _ = connection.answer()
    names = dict(headers).keys()
    assert "X-End" in names
    assert not names & {"X-Hop", "Keep-Alive", "Access-Control-Allow-Origin"}
    seen = pod.requests[0].decode().split(kube_pods.CRLF)
    assert seen[:6] == ["GET /x HTTP/1.1", "Host: API:6443",
                        "X-Forwarded-For: 127.0.0.1",
                        f"X-Forwarded-Uri: {ECHO}/x", "X-Kept: 1",
                        "Accept-Encoding: gzip"]


PLACES = rewrite.Places(proxy.Target("127.1.0.1", 80, "http"), "/p/proxy",
                        "/dir/page", "API:6443")


@pytest.mark.parametrize("page, want", [
    ("<A HREF=/x>", '<a href="/p/proxy/x">'),
    ("<a href='/x'  title = \"a'b\" >", '<a href="/p/proxy/x" '
     'title="a&#39;b">'),
    ("<a href=/p/proxy/x>", '<a href="/p/proxy/x">'),
    ("<a href=//API:6443/x>", '<a href="//API:6443/p/proxy/x">'),
    ("<a href=http://127.1.0.1:80/x>", '<a href="/p/proxy/x">'),
    ("<a href=https://other.example/x>",
     '<a href="https://other.example/x">'),
    ("<a href=x/y>", '<a href="x/y">'),
    ("<a href='#'>", '<a href="">'),
    ("<a href='#top'>", '<a href="#top">'),
    ("<a href='a b'>", '<a href="a%20b">'),
    ("<a href='/a b/?q=a b#f'>", '<a href="/p/proxy/a%20b/?q=a b#f">'),
    ("<a href='/a%2fb'>", '<a href="/p/proxy/a/b">'),
    ("<a href='/%zz'>", '<a href="/%zz">'),
    ("<a href='javascript:f(1)'>", '<a href="javascript:f(1)">'),
    ("<a href='mailto:a@b'>", '<a href="mailto:a@b">'),
    ("<a href='/?a=1&amp;b=2&copy=3'>",
     '<a href="/p/proxy/?a=1&amp;b=2&amp;copy=3">'),
    ("<br/><img src=/y/>z", '<br/><img src="/p/proxy/y/"/>z'),
    ("<input disabled src=/x>", '<input disabled="" src="/p/proxy/x">'),
    ("<p class=q href=/x>", '<p class="q" href="/x">'),
    ("<!-- <a href=/x> --><!DOCTYPE HTML></A HREF=/x><?x <a>?>",
     "<!-- <a href=/x> --><!DOCTYPE HTML></A HREF=/x><?x <a>?>"),
    ("<script src=/s>'<a href=/x>'</script ><a href=/x>",
     "<script src=\"/p/proxy/s\">'<a href=/x>'</script ><a "
     'href="/p/proxy/x">'),
    ("a < b <3 &amp; <a href=/x", "a < b <3 &amp; "),
    ("text<!-- no end <a href=/x>", "text<!-- no end <a href=/x>"),
    ("a<a href='/x>b</a>", "a"),
    ("<a href=\"/x\"title='y'>", '<a href="/p/proxy/x" title="y">'),
    ("<br / >", "<br>"),
    ("<title><a href=/x></title>", "<title><a href=/x></title>"),
    ("<a href=/\u00e9>\u00e9", '<a href="/p/proxy/%C3%A9">\u00e9')])
def test_page(page, want):
    """Pages are rewritten as Go's tokenizer would."""
    data = rewrite.rewrite_page(page.encode(), None, PLACES)
    assert data.decode() == want


def test_page_of_any_bytes():
    """What is no UTF-8 stays what it is."""
    page = b"<p title='\xff\xfe'>\x00\xff</p>"
    assert rewrite.rewrite_page(page, None, PLACES) == \
        b'<p title="\xff\xfe">\x00\xff</p>'
