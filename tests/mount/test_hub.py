"""Mounting a user's server through a real JupyterHub, which stops servers."""

import os
import subprocess

import pytest

import harness
from hub import Hub

pytestmark = [
    pytest.mark.options("attr_timeout=0"),
    pytest.mark.xdist_group("hub"),
    pytest.mark.direct("a hub is no cluster"),
    pytest.mark.skipif(not os.access("/usr/bin/jupyterhub", os.X_OK),
                       reason="jupyterhub is not installed")]


@pytest.fixture(scope="module")
def session_hub():
    """One hub for all tests."""
    hub = Hub()
    try:
        yield hub.start()
    finally:
        hub.stop()


@pytest.fixture
def hub(session_hub):
    """The hub, with ann's servers stopped."""
    for name in session_hub.servers():
        session_hub.stop_server(name)
    return session_hub


def make(mounter, hub, path="/user/ann", token=None, **kwargs):
    """A mount that is still to be made."""
    return mounter(f"hub+{hub.url}{path}",
                   env={"PYCLOUD_TOKEN": token or hub.token}, **kwargs)


def refusal(mounter, hub, *args, **kwargs):
    """What is said about a mount that must not come to be."""
    mount = make(mounter, hub, *args, **kwargs)
    result = mount.attempt()
    assert result.returncode != 0
    for token in (hub.token, hub.narrow, hub.starter):
        assert token not in result.stderr
    return result.stderr


def test_starts_stopped_server_and_starts_it_again(mounter, hub):
    """The whole life: started, used, stopped by the hub, started when it is
    used again; and what is written then is in the server's files."""
    mount = make(mounter, hub)
    mount.start()
    assert "Spawning server" in mount.result.stderr
    assert "Server ready" in mount.result.stderr
    assert "" in hub.servers()
    status = mount.status()
    assert status["state"] == "online"
    assert status["hub"] == hub.url
    assert status["hub_starts"] == "0"
    (mount.path / "a.txt").write_bytes(b"one\n")
    assert (hub.root / "a.txt").read_bytes() == b"one\n"
    (hub.root / "b.txt").write_bytes(b"behind\n")
    assert (mount.path / "b.txt").read_bytes() == b"behind\n"
    pycloud = mount.program.with_name("pycloud")
    (mount.path / "s.py").write_text("print('out')\nraise SystemExit(3)\n")
    run = subprocess.run(
        [pycloud, "run", "s.py"], cwd=mount.path, timeout=60,
        env=mount.env, capture_output=True, text=True, check=False)
    assert (run.stdout, run.returncode) == ("out\n", 3), run.stderr

    hub.stop_server()
    (hub.root / "c.txt").write_bytes(b"later\n")
    assert (mount.path / "c.txt").read_bytes() == b"later\n"
    assert mount.status()["hub_starts"] == "1"
    assert hub.servers() == {""}
    (mount.path / "a.txt").write_bytes(b"two\n")
    assert (hub.root / "a.txt").read_bytes() == b"two\n"


def wait_offline(mount):
    """It has noticed that the server is out of reach."""
    def is_offline():
        try:
            (mount.path / "not-known").stat()
        except OSError:
            pass
        return mount.status()["state"] == "offline"

    harness.wait_until(is_offline, "the mount's notice")


@pytest.mark.options("start=never,attr_timeout=0")
def test_start_never(mounter, hub):
    """Neither a mount nor an access starts what is stopped; whoever else
    starts it brings the files back."""
    assert "is stopped" in refusal(mounter, hub, name="refused")
    assert hub.servers() == set()
    hub.start_server()
    (hub.root / "d.txt").write_bytes(b"there\n")
    mount = make(mounter, hub, "").start()
    assert (mount.path / "d.txt").read_bytes() == b"there\n"

    hub.stop_server()

    wait_offline(mount)
    assert "ann's server is stopped" in mount.status()["why"]
    assert hub.servers() == set()
    hub.start_server()
    (hub.root / "e.txt").write_bytes(b"back\n")
    harness.wait_until((mount.path / "e.txt").exists, "the files' return")
    assert (mount.path / "e.txt").read_bytes() == b"back\n"


def test_named_server(mounter, hub):
    """A name with a blank in it, as the browser's URL has it."""
    mount = make(mounter, hub, "/user/ann/big%20one/lab").start()
    assert hub.servers() == {"big one"}
    (mount.path / "named.txt").write_bytes(b"x")
    assert (hub.root / "named.txt").read_bytes() == b"x"


def test_refusals(mounter, hub):
    """Each says which of the token, its scopes and the user is wrong."""
    assert "refuses the token that PYCLOUD_TOKEN has" in refusal(
        mounter, hub, token="f" * 32)
    assert "read:servers" in refusal(mounter, hub, token=hub.narrow)
    assert "no user 'eve'" in refusal(mounter, hub, "/user/eve")
    assert "is no user's" in refusal(mounter, hub, "", token=hub.narrow)
    assert "access:servers" in refusal(mounter, hub, token=hub.starter)


def test_hub_goes_and_comes_back(mounter, hub):
    """Offline with a reason while there is no hub; then the files return."""
    mount = make(mounter, hub).start()
    (mount.path / "f.txt").write_bytes(b"kept\n")
    hub.end()

    wait_offline(mount)
    assert "cannot reach the hub" in mount.status()["why"]
    hub.start()
    (hub.root / "g.txt").write_bytes(b"new\n")
    harness.wait_until((mount.path / "g.txt").exists, "the files' return")
    assert (mount.path / "f.txt").read_bytes() == b"kept\n"
    assert (mount.path / "g.txt").read_bytes() == b"new\n"
