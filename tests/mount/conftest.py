"""Fixtures of the mount tests; see harness.py for what they are made of."""

import os
import pathlib
import subprocess
import threading
import zlib

import pytest

import harness
import tls
from keyring import Keyring
from machine import Machine
from way import VIA

TEST_LIMIT = 240


def pytest_configure(config):
    """Markers, and where the build to test is."""
    config.addinivalue_line("markers", "options(text): the mount's -o options")
    config.addinivalue_line("markers", "limit(seconds): the test may take")
    config.addinivalue_line("markers", "direct(reason): not through a "
                            "cluster's proxy or port-forward")
    config.addinivalue_line("markers", "each_server: with each generation of "
                            "Jupyter's server, as it is about how it answers")
    config.addinivalue_line("markers",
                            "plain: also with a build without sanitizers")
    harness.become_subreaper()
    harness.hide_mounts()


def other_turn(item):
    """Is it the test's turn with the other server, or by the other way through
    the cluster? Unless told which server, each test takes one of them, always
    the same one: they differ in how they answer (each_server). By the cluster
    it takes the other one, and the way that goes with it (tests/run)."""
    if CHOSEN and not VIA or item.get_closest_marker("each_server"):
        return False
    parameters = dict(item.callspec.indices) \
        if hasattr(item, "callspec") else {}
    mine = parameters.pop("generation", None)
    if mine is None:
        return False
    name = f"{item.originalname} {sorted(parameters.items())}"
    turn = zlib.crc32(name.encode()) % 2
    if VIA:
        return turn != (0 if VIA == "proxy" else 1)
    return len(GENERATIONS) == 2 and turn != mine


def pytest_collection_modifyitems(config, items):
    """What cannot be tested here says why, once per test."""
    left = [item for item in items if other_turn(item)]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in set(left)]
    for item in items:
        direct = item.get_closest_marker("direct")
        if direct and VIA:
            item.add_marker(pytest.mark.skip(reason=direct.args[0]))
    if os.access("/dev/fuse", os.R_OK | os.W_OK):
        return
    reason = pytest.mark.skip(reason="/dev/fuse is missing or not accessible")
    for item in items:
        item.add_marker(reason)


def pytest_sessionfinish():
    """The cluster, if the tests went through one."""
    harness.WAY.stop()


@pytest.fixture(scope="session")
def build():
    """The build directory whose daemon is tested."""
    path = pathlib.Path(os.environ.get("PYCLOUD_BUILD", "build")).resolve()
    if not (path / "fs" / "mount.pycloud").exists():
        pytest.exit(f"{path}/fs/mount.pycloud does not exist; "
                    "set PYCLOUD_BUILD to a build directory", 2)
    return path


CHOSEN = os.environ.get("PYCLOUD_GENERATIONS", "").split()
GENERATIONS = CHOSEN or sorted(harness.PROGRAMS)


@pytest.fixture(scope="session", params=GENERATIONS)
def generation(request):
    """Both generations of Jupyter's server that Debian has."""
    return request.param


@pytest.fixture(scope="session")
def session_server(generation):
    """One server per generation for all tests that leave it running."""
    server = harness.Server(generation).start()
    yield server
    server.stop()


@pytest.fixture
def server(session_server):
    """The session's server with an empty root."""
    session_server.empty()
    return session_server


@pytest.fixture(scope="session")
def session_work_server(generation):
    """The same, set up as a local workspace's server is."""
    server = harness.Server(generation, harness.WORKSPACE_ARGUMENTS).start()
    yield server
    server.stop()


@pytest.fixture
def work_server(session_work_server):
    """A workspace's server with an empty root: hidden files are allowed and
    what is deleted is deleted."""
    session_work_server.empty()
    return session_work_server


@pytest.fixture
def own_server(generation):
    """A server that the test may stop, kill and start again."""
    server = harness.Server(generation).start()
    yield server
    server.stop()


@pytest.fixture
def make_server(generation):
    """Makes servers of the test's own with these arguments."""
    made = []

    def make(arguments):
        made.append(harness.Server(generation, arguments).start())
        return made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def plain_user_server(generation):
    """A server whose user is not root, so that permissions count."""
    server = harness.Server(generation, unprivileged=True).start()
    yield server
    server.stop()


@pytest.fixture
def scratch():
    """A directory for the test's mount points and files."""
    path = harness.make_scratch()
    yield path
    harness.remove_scratch(path)


@pytest.fixture
def machine(build, scratch):
    """Users, fstab and helpers of the test's own; see machine.py."""
    problem = Machine.problem()
    if problem:
        pytest.skip(problem)
    made = None
    try:
        made = Machine(build, scratch)
    except (OSError, subprocess.CalledProcessError) as failure:
        pytest.skip(f"a machine of our own cannot be had: {failure}")
    yield made
    made.close()


@pytest.fixture
def mounter(request, build, scratch):
    """Makes mounts; afterwards every one of them must have ended cleanly."""
    made = []
    marker = request.node.get_closest_marker("options")
    options = marker.args[0] if marker else ""

    def make(spec, **kwargs):
        kwargs.setdefault("options", options)
        kwargs.setdefault("name", f"mnt{len(made)}" if made else "mnt")
        made.append(harness.Mount(build, scratch, spec, **kwargs))
        return made[-1]

    def give_up():
        # What blocks in a dead daemon's mount comes back with an error.
        for mount in made:
            mount.kill()

    limit = request.node.get_closest_marker("limit")
    timer = threading.Timer(limit.args[0] if limit else TEST_LIMIT, give_up)
    timer.daemon = True
    timer.start()
    yield make
    timer.cancel()
    failures = []
    for mount in made:
        try:
            mount.finish()
        except AssertionError as failure:
            failures.append(str(failure))
            mount.kill()
    assert not failures, "\n".join(failures)


def mount_server(mounter, server, **kwargs):
    """A started mount of a server, with the token in the environment."""
    return mounter(server.url, env={"PYCLOUD_TOKEN": server.token},
                   **kwargs).start()


@pytest.fixture
def mount(mounter, server):
    """The session's server, mounted when the test first uses it."""
    made = mounter(server.url, env={"PYCLOUD_TOKEN": server.token})
    made.is_lazy = True
    return made


@pytest.fixture
def work_mount(mounter, work_server):
    """The workspace's server, mounted when the test first uses it."""
    made = mounter(work_server.url, env={"PYCLOUD_TOKEN": work_server.token})
    made.is_lazy = True
    return made


@pytest.fixture
def work(work_mount):
    """Its directory, mounted when the test first uses it."""
    return harness.Tree(work_mount)


@pytest.fixture
def tree(mount):
    """The mounted directory, mounted when the test first uses it."""
    return harness.Tree(mount)


@pytest.fixture(name="tls_url")
def tls_url_fixture(server, tmp_path):
    """The server's URL with a certificate that only its cert.pem proves."""
    with tls.front(server.port, tmp_path) as url:
        yield url


@pytest.fixture
def keyring(scratch):
    """An unlocked keyring on a bus of its own."""
    made = Keyring(scratch)
    try:
        yield made.start()
    finally:
        made.stop()


class Pycloud:
    """The front end, with the environment that a mount would have."""

    def __init__(self, build, scratch, env):
        self.program = build / "fs" / "pycloud"
        self.reports = scratch / "pycloud.report"
        home = scratch / "home"
        home.mkdir(exist_ok=True)
        self.env = {"PATH": harness.SYSTEM_PATH, "LANG": "C.UTF-8",
                    "HOME": str(home), "XDG_RUNTIME_DIR": str(scratch),
                    "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent",
                    "ASAN_OPTIONS": f"log_path={self.reports}", **env}

    def __call__(self, *words, text="", **kwargs):
        """Run it to its end; `text` is its standard input."""
        return subprocess.run(
            [self.program, *words], input=text, env=self.env, text=True,
            capture_output=True, timeout=harness.LIMIT, check=False, **kwargs)

    def login(self, *words, text=""):
        """Log in, and insist that it worked."""
        result = self("login", *words, text=text)
        assert result.returncode == 0, result.stderr
        return result.stdout


@pytest.fixture
def pycloud(build, scratch):
    """Makes front ends."""
    made = []

    def make(**env):
        made.append(Pycloud(build, scratch, env))
        return made[-1]

    yield make
    reports = list(scratch.glob("pycloud.report*"))
    assert not reports, reports[0].read_text()
