"""Fixtures of the pod's side: a workspace, its helper, a client, a gate."""
import pytest

from pod import TEXTS, Client, Gate, helper_module


@pytest.fixture
def gate(root):
    made = Gate(root)
    yield made
    made.close()


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "ws").mkdir()
    return tmp_path / "ws"


@pytest.fixture
def helper(root):
    return helper_module.Helper(TEXTS, str(root))


@pytest.fixture
def client(helper):
    return Client(helper)
