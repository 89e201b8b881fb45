"""Fixtures for the tests of the stand-in's proxy."""

import errno
import socket

import pytest

import kube_pods
from kube import ends, proxy


@pytest.fixture(scope="module")
def contexts(tmp_path_factory):
    """TLS for a server and its client."""
    return kube_pods.tls_contexts(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def dead_port():
    """A port nobody listens on, and nobody else gets."""
    sock = socket.socket()
    sock.bind(("127.1.0.1", 0))
    yield sock.getsockname()[1]
    sock.close()


@pytest.fixture(scope="module")
def targets(contexts, dead_port):
    """The recordings' pods."""
    echo = kube_pods.Server(kube_pods.EchoHandler, "127.1.0.1")
    secure = kube_pods.Server(kube_pods.EchoHandler, "127.1.0.1",
                              contexts[0])
    plain = proxy.Target("127.1.0.1", echo.port, "http")
    dead = proxy.Target("127.1.0.1", dead_port, "http")
    yield {"*": plain, "echo:82": dead, "echo": plain, "dead": dead,
           f"{kube_pods.WHO}:9999": dead,
           "notready-745fb46674-h2zdz:8888": dead,
           "https:echo:443": proxy.Target("127.1.0.1", secure.port, "https"),
           "echo:443": proxy.Target("127.1.0.1", secure.port, "http"),
           "https:echo:80": proxy.Target("127.1.0.1", echo.port, "https")}
    echo.stop()
    secure.stop()


@pytest.fixture(scope="module")
def forwards():
    """What listens in the pod, by port: targets. Nothing on the others."""
    return {}


def dial_inside(forwards, port):
    """A socket connected to a port of the pod's, or OSError."""
    if port not in forwards:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    return ends.dial(forwards[port].ip, forwards[port].port)


@pytest.fixture(scope="module", params=["plain", "tls"])
def connect(request, targets, forwards, contexts):
    """Makes connections to the front."""
    server, client = contexts if request.param == "tls" else (None, None)
    handler = kube_pods.front_handler(
        targets, lambda port: dial_inside(forwards, port))
    front = kube_pods.Server(handler, "127.0.0.1", server)
    yield lambda: kube_pods.Connection(front.port, client)
    front.stop()


@pytest.fixture
def canned():
    """Makes pods with an answer of the test's own; gives their targets."""
    made = []

    def make(*answer):
        made.append(kube_pods.CannedPod(answer))
        return made[-1]

    yield make
    for pod in made:
        pod.stop()


@pytest.fixture
def use_pod(targets):
    """Lets the front pass everything to this pod, for the test."""
    before = targets["*"]

    def use(pod):
        targets["*"] = proxy.Target(pod.ip, pod.port, "http")
        return pod

    yield use
    targets["*"] = before
