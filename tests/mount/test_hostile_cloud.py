"""A hub, and an API server, that lie: one sentence in time, no crash, and the
token goes nowhere else."""

import json
import time

import pytest

import liar
from liar import answer, endless_chunked, endless_declared, say

pytestmark = pytest.mark.direct("the liar is no cluster")

DEEP = b'{"items":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
# A sanitizer's slowness, and what a start may take (start_timeout).
DEADLINE = 60


@pytest.fixture
def server():
    """A liar that is asked for everything."""
    made = liar.Liar()
    yield made
    made.stop()


@pytest.fixture
def other():
    """Who must not hear of the token."""
    made = liar.Liar()
    yield made
    made.stop()


def refusal(mount, token):
    """The sentence that a mount ends in."""
    began = time.monotonic()
    result = mount.attempt()
    took = time.monotonic() - began
    assert took < DEADLINE, f"{took} s"
    assert result.returncode != 0
    last = result.stderr.splitlines()[-1]
    assert last.startswith("mount.pycloud: ")
    assert token not in result.stderr
    assert all(line.isprintable() for line in result.stderr.splitlines())
    assert len(last) < 2000
    assert not mount.sanitizer_reports()
    return last


# --- hubs --------------------------------------------------------------------

def user(url="/user/ann/", ready=True, pending=None, **more):
    """ann's model, with her server."""
    return {"name": "ann", "kind": "user", "servers": {"": {
        "name": "", "ready": ready, "pending": pending, "url": url,
        **more}}}


def hub_mount(mounter, server, spec="/user/ann"):
    """Of ann's server."""
    return mounter(f"hub+{server.url.rstrip('/')}{spec}",
                   options="timeout=2,stall=2,start_timeout=4",
                   env={"PYCLOUD_TOKEN": server.token})


MODELS = {
    "nothing": say(b""),
    "empty": say(answer(b"")),
    "another 2xx": say(answer(user(), "206 Partial Content")),
    "no content": say(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "a list": say(answer(b"[]")),
    "deep": say(answer(DEEP)),
    "servers are a list": say(answer({"name": "ann", "servers": []})),
    "a name that is none": say(answer({"name": 7, "servers": {}})),
    "ready nowhere": say(answer(user(url=None))),
    "a URL that is none": say(answer(user(url=["/user/ann"]))),
    "endless": endless_declared(),
    "endless, chunked": endless_chunked(),
    "header flood": liar.endless_headers,
    "an error in colours": say(answer(
        {"message": "\x1b[31mno\nmore\x07" + "x" * 10000}, "500 No")),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_that_are_none(mounter, server, name):
    server.lies["hub/api"] = MODELS[name]
    refusal(hub_mount(mounter, server), server.token)


@pytest.mark.parametrize("where", [
    "http://127.0.0.1:{port}/user/ann/", "//127.0.0.1:{port}/user/ann/",
    "/\\127.0.0.1:{port}/", "@127.0.0.1:{port}/", "/user/../../x",
    "/user/%2e%2e/admin", "/user/ann/?a=b", "/user/ann/#x", "/a\r\nX: y",
    "user/ann/", "", "\\\\x"])
def test_a_server_elsewhere_gets_nothing(mounter, server, other, where):
    url = where.format(port=other.port)
    server.lies["hub/api"] = say(answer(user(url=url)))
    sentence = refusal(hub_mount(mounter, server), server.token)
    assert "not the hub's own" in sentence
    assert not other.requests


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found",
                                    "307 Temporary Redirect",
                                    "308 Permanent Redirect"])
def test_redirects_are_not_followed(mounter, server, other, status):
    server.lies["hub/api"] = liar.redirect(f"{other.url}hub/api/user", status)
    refusal(hub_mount(mounter, server), server.token)
    refusal(hub_mount(mounter, server, ""), server.token)
    assert not other.requests


def event(**data):
    """Of a start's progress."""
    return b"data: " + json.dumps(data).encode() + b"\n\n"


PROGRESS = {
    "endless lines": liar.endless(
        b"HTTP/1.1 200 OK\r\nServer: T\r\n\r\n",
        event(progress=1, message="wait")),
    "one endless line": liar.endless(
        b"HTTP/1.1 200 OK\r\nServer: T\r\n\r\ndata: ", b"x"),
    "slow": liar.dribble(b"HTTP/1.1 200 OK\r\nServer: T\r\n\r\ndata: "),
    "nonsense": say(answer(b"data: {\ndata: [[[\n\x00\xff\nid: 7\n\n")),
    "in colours": say(answer(event(message="\x1b[31m\x07\nx" * 1000))),
    "ready, and is not": say(answer(event(ready=True))),
}


@pytest.mark.parametrize("name", PROGRESS)
def test_a_start_without_end_ends(mounter, server, name):
    server.lies["hub/api/user"] = say(answer(user()))
    server.lies["hub/api/users/ann"] = say(answer(
        user(ready=False, pending="spawn")))
    server.lies["hub/api/users/ann/server/progress"] = PROGRESS[name]
    sentence = refusal(hub_mount(mounter, server), server.token)
    assert "not ready" in sentence or "does not answer" in sentence


# --- API servers -------------------------------------------------------------

def cluster_mount(mounter, server, tmp_path, name="lab"):
    """Of a workspace in a cluster, whose API server it is."""
    config = tmp_path / "kubeconfig"
    config.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {
            "cluster": "k", "user": "u", "namespace": "n"}}],
        "clusters": [{"name": "k", "cluster": {
            "server": server.url.rstrip("/")}}],
        "users": [{"name": "u", "user": {"token": server.token}}]}))
    config.chmod(0o600)
    return mounter(f"kube:{name}", options=f"kubeconfig={config},timeout=2,"
                   "stall=2,start_timeout=4")


def listed(*items):
    """A list of objects."""
    return {"kind": "List", "items": list(items)}


SERVICE = {"kind": "Service", "metadata": {"name": "lab"},
           "spec": {"selector": {"app": "lab"}, "ports": [
               {"name": "http", "port": 80, "targetPort": 8888}]}}


def pod(name="lab-1", **more):
    """One that runs."""
    return {"metadata": {"name": name, "uid": "u1"},
            "spec": {"containers": [{"name": "jupyter"}]},
            "status": {"phase": "Running", "conditions": [
                {"type": "Ready", "status": "True"}]}, **more}


ANSWERS = {
    "nothing": say(b""),
    "empty": say(answer(b"")),
    "a list": say(answer(b"[]")),
    "deep": say(answer(DEEP)),
    "another kind": say(answer({"kind": 7, "items": {"a": []}})),
    "endless": endless_declared(),
    "endless, chunked": endless_chunked(),
    "endless error": endless_declared(status="403 Forbidden"),
    "header flood": liar.endless_headers,
    "a Status in colours": say(answer(
        {"kind": "Status", "reason": "Forbidden", "message":
         "\x1b[31m\x07\n" + "x" * 10000}, "403 Forbidden")),
    "unauthorized for ever": say(answer(
        {"kind": "Status", "code": 401}, "401 Unauthorized")),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_that_are_none(mounter, server, tmp_path, name):
    server.lies["api"] = ANSWERS[name]
    refusal(cluster_mount(mounter, server, tmp_path), server.token)
    assert len(server.requests) < 100


@pytest.mark.parametrize("name", ["../../x", "a/b", "a?b", "a%2fb", "..",
                                  "A", "x" * 300, "", "a\r\nX: y"])
def test_pods_that_have_no_name(mounter, server, tmp_path, name):
    server.lies["apis"] = say(answer(
        {"kind": "Status", "reason": "NotFound", "details": {}},
        "404 Not Found"))
    server.lies["api/v1/namespaces/n/services"] = say(answer(SERVICE))
    server.lies["api/v1/namespaces/n/persistent"] = say(answer(
        {"kind": "Status", "reason": "NotFound"}, "404 Not Found"))
    server.lies["api/v1/namespaces/n/pods"] = say(answer(listed(pod(name))))
    refusal(cluster_mount(mounter, server, tmp_path), server.token)
    targets = [request.target for request in server.requests]
    assert targets
    assert not [target for target in targets
                if ".." in target or "X:" in target or "/proxy" in target]


@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect"])
def test_an_api_server_sends_nobody_elsewhere(mounter, server, other, tmp_path,
                                              status):
    server.lies["api"] = liar.redirect(f"{other.url}api/v1", status)
    refusal(cluster_mount(mounter, server, tmp_path), server.token)
    assert not other.requests
