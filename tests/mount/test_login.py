"""What pycloud login and logout do to the tokens of a hub.

A real JupyterHub, and a real keyring on a private bus; nothing is mounted.
"""

import pathlib
import signal
import subprocess

import pytest

import harness
from harness import wait_until
from hub import Hub
from way import VIA

pytestmark = pytest.mark.skipif(
    bool(VIA), reason="a cluster's workspace has its token from the cluster")


@pytest.fixture(scope="module", name="hub")
def module_hub():
    """One hub for all tests."""
    made = Hub()
    try:
        yield made.start()
    finally:
        made.stop()


def test_a_login_revokes_the_token_that_it_replaces(hub, keyring, pycloud):
    """That login had made, of that user, and no sooner than it is kept."""
    spec = f"hub+{hub.url}/user/ann"
    run = pycloud(**keyring.env)
    before = set(hub.made_by_login())
    run.login("--password-stdin", spec, text="any")
    former, = set(hub.made_by_login()) - before
    said = run.login("--password-stdin", spec, text="any")
    assert "has revoked the former token of ann" in said
    kept, = set(hub.made_by_login()) - before
    assert kept != former
    assert keyring.search(server=hub.url, user="ann") == 1
    assert keyring.search(server=hub.url, token_id=kept) == 1
    said = run.login("--token-stdin", f"hub+{hub.url}", text=hub.token)
    assert "has revoked the former token of ann" in said
    assert set(hub.made_by_login()) == before
    said = run.login("--token-stdin", f"hub+{hub.url}", text=hub.token)
    assert "revoke" not in said and hub.api("user")["name"] == "ann"
    assert keyring.search(server=hub.url) == 1


def hears_ctrl_c(pid):
    """It has a handler for it."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    caught = status.split("SigCgt:")[1].split()[0]
    return int(caught, 16) & 1 << signal.SIGINT - 1


def interrupted(keyring, run, *words, text="", when=lambda: True):
    """What it says when the keyring hangs and Ctrl-C comes."""
    keyring.daemon.send_signal(signal.SIGSTOP)
    try:
        with subprocess.Popen(
                [run.program, *words], env=run.env, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE) as process:
            process.stdin.write(text)
            process.stdin.close()
            process.stdin = None
            wait_until(lambda: hears_ctrl_c(process.pid) and when(),
                       "that it is under way")
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=harness.LIMIT)[1]
            assert process.returncode == 130
            return said
    finally:
        keyring.daemon.send_signal(signal.SIGCONT)


def test_ctrl_c_leaves_no_token_at_the_hub(hub, keyring, pycloud):
    """Where login has made one; logout says what it does not know."""
    spec = f"hub+{hub.url}/user/ann"
    run = pycloud(**keyring.env)
    before = hub.made_by_login()

    def is_used():
        tokens = hub.api("users/ann/tokens")["api_tokens"]
        return any(token["last_activity"] for token in tokens
                   if token["id"] in set(hub.made_by_login()) - set(before))

    said = interrupted(keyring, run, "login", "--password-stdin", spec,
                       text="any", when=is_used)
    assert "interrupted" in said
    assert hub.made_by_login() == before
    said = interrupted(keyring, run, "logout", spec)
    assert "may be gone from it unrevoked" in said
    assert f"{hub.url}/hub/token" in said


def test_logout_warns_who_could_read_the_token(keyring, pycloud):
    """Of a hub, which is sent it; a server is not asked at all."""
    run = pycloud(**keyring.env)
    for spec, count in (("hub+https://127.0.0.1:9", 1),
                        ("https://127.0.0.1:9", 0)):
        result = run("logout", "--insecure", spec)
        assert result.returncode == 0
        said = "can read your token or password\n"
        assert result.stderr.count(said) == count
