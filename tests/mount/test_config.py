"""mount.pycloud with configuration files: pycloud.conf(5)."""

import pathlib
import subprocess

import pytest

from harness import is_mounted

USAGE = 1


def configure(mount, text):
    """Write the user's file; returns its path."""
    path = mount.scratch / "home" / ".config" / "pycloud" / "config"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_a_name_is_what_the_users_file_says(mounter, server):
    mount = mounter("lab", env={"PYCLOUD_TOKEN": server.token})
    configure(mount, f'[defaults]\nro=true\n[workspace "lab"]\n'
              f"url={server.url}\numask=077\n")
    server.write("file", "text")
    mount.start()
    assert (mount.path / "file").read_text() == "text"
    with pytest.raises(OSError):
        (mount.path / "file").write_text("x")
    assert (mount.path / "file").stat().st_mode & 0o777 == 0o600
    table = pathlib.Path("/proc/self/mounts").read_text().splitlines()
    [line] = [line for line in table if line.split()[1] == str(mount.path)]
    assert line.split()[0] == "pycloud:lab"
    mount.finish()


@pytest.mark.parametrize("line, words", [
    ("colour=red", ["config:2:", "colour"]),
    ("timeout=soon", ["config:2:", "timeout", "soon"]),
    ("opensesame", ["config:2:", "key=value"]),
])
def test_a_wrong_line_refuses_the_mount(mounter, server, line, words):
    mount = mounter(server.url, env={"PYCLOUD_TOKEN": server.token})
    configure(mount, f"[defaults]\n{line}\n")
    result = mount.attempt()
    assert result.returncode == USAGE
    assert len(result.stderr.splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr
    assert "opensesame" not in result.stderr
    assert not is_mounted(mount.path)


def test_sloppy_mount_says_and_ignores_it(mounter, server):
    mount = mounter(server.url, env={"PYCLOUD_TOKEN": server.token},
                    arguments=["-s"])
    configure(mount, "[defaults]\ncolour=red\n")
    mount.start()
    assert "config:2:" in mount.result.stderr
    mount.finish()


def test_a_home_is_not_needed(mounter, build):
    mount = mounter("demo")
    mount.directory.mkdir()
    environment = {"PATH": mount.env["PATH"]}
    program = pathlib.Path(build, "fs", "mount.pycloud")
    subprocess.run([program, "-f", "demo", mount.directory], check=True,
                   env=environment, timeout=60)
