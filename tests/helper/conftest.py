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
def another_helper(root):
    """Makes them; closed in the end, as a user has few of what they hold."""
    made = []

    def make(kind=helper_module.Helper):
        made.append(kind(TEXTS, str(root)))
        return made[-1]
    yield make
    for helper in made:
        helper.close()


@pytest.fixture
def helper(another_helper):
    return another_helper()


@pytest.fixture
def client(helper):
    return Client(helper)
