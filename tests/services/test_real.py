"""The executor against real Jupyter servers: both that Debian has, each
started for one program, with a HOME, a port and a token of its own.

The programs beside this file do the work, and each of their cmocka tests is a
test here.  What they print, measurements too, is kept in the build directory,
which PYCLOUD_BUILD names: tests/services/PROGRAM-SERVER.log.
"""

import contextlib
import os
import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "mount"))
import harness  # noqa: E402 (it is found where the line above says)

LIMIT = 240
# As the programs of make check have it; see AM_TESTS_ENVIRONMENT.
ENVIRONMENT = {"MALLOC_PERTURB_": "165", "G_SLICE": "always-malloc",
               "TSAN_OPTIONS": "ignore_noninstrumented_modules=1"}
NO_PYTHON = ["--KernelSpecManager.ensure_native_kernel=False",
             "--KernelSpecManager.allowed_kernelspecs=none"]


def names_in(program):
    """The names of a program's tests, in their order."""
    return re.findall(r"cmocka_unit_test\((\w+)\)",
                      (HERE / f"{program}.c").read_text())


class Outcome:
    """What a program said about its tests."""

    def __init__(self, code, text):
        self.code = code
        self.text = text

    def expect(self, name):
        """Insist that this test passed."""
        if f"[       OK ] {name}\n" not in self.text:
            _, began, rest = self.text.partition(f"[ RUN      ] {name}\n")
            said = rest.partition("[ RUN      ]")[0]
            pytest.fail(said if began else f"it never began:\n{self.text}",
                        pytrace=False)

    def expect_end(self):
        """Insist that nothing went wrong after the last test: a leak, say."""
        if self.code != 0:
            pytest.fail(f"exit status {self.code}:\n{self.text[-4000:]}",
                        pytrace=False)


def run(program, generation, arguments=()):
    """Run a program beside a fresh server."""
    build = pathlib.Path(os.environ.get("PYCLOUD_BUILD", "build")).resolve()
    folder = build / "tests" / "services"
    log = folder / f"{program}-{generation}.log"
    server = harness.Server(generation, arguments)
    try:
        server.start()
        env = {**os.environ, **ENVIRONMENT, "PYCLOUD_TEST_URL": server.url,
               "PYCLOUD_TOKEN": server.token}
        with open(log, "wb") as out, \
                subprocess.Popen([folder / program], env=env, stdout=out,
                                 stderr=out, stdin=subprocess.DEVNULL) as p:
            with contextlib.suppress(subprocess.TimeoutExpired):
                p.wait(LIMIT)
            p.kill()
    finally:
        server.stop()
    return Outcome(p.returncode, log.read_text(errors="replace"))


@pytest.fixture(scope="module", params=sorted(harness.PROGRAMS))
def generation(request):
    """Both generations of Jupyter's server that Debian has."""
    return request.param


@pytest.fixture(scope="module")
def run_remote(generation):
    """test_run_remote beside a usual server."""
    return run("test_run_remote", generation)


@pytest.fixture(scope="module")
def assist(generation):
    """test_assist beside a usual server."""
    return run("test_assist", generation)


@pytest.fixture(scope="module")
def no_python(generation):
    """test_no_python beside a server without Python kernels."""
    return run("test_no_python", generation, NO_PYTHON)


@pytest.mark.parametrize("name", names_in("test_run_remote"))
def test_run_remote(run_remote, name):
    run_remote.expect(name)


def test_run_remote_ends_well(run_remote):
    run_remote.expect_end()


@pytest.mark.parametrize("name", names_in("test_assist"))
def test_assist(assist, name):
    assist.expect(name)


def test_assist_ends_well(assist):
    assist.expect_end()


@pytest.mark.parametrize("name", names_in("test_no_python"))
def test_no_python(no_python, name):
    no_python.expect(name)


def test_no_python_ends_well(no_python):
    no_python.expect_end()
