"""What POSIX has and the contents API has not, with the helper beside the
mount (assist=on): each is real in the pod."""

import ctypes
import errno
import os
import subprocess
import threading

import pytest

from harness import wait_until, watch_for
from test_assist import assisted

pytestmark = pytest.mark.options("assist=on")
NOREPLACE, EXCHANGE = 1, 2

libc = ctypes.CDLL(None, use_errno=True)


def renameat2(old, new, flags):
    """Raises as os.rename does."""
    if libc.renameat2(-100, os.fsencode(old), -100, os.fsencode(new),
                      flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def fails(number, function, *args):
    with pytest.raises(OSError) as caught:
        function(*args)
    assert caught.value.errno == number, caught.value


@pytest.fixture
def mount(mounter, own_server):
    return assisted(mounter, own_server)


@pytest.fixture
def there(own_server):
    """The pod's own directory."""
    return own_server.root


# --- the volume --------------------------------------------------------------

def test_df_is_the_pods(mount, there):
    seen, real = os.statvfs(mount.path), os.statvfs(there)
    assert seen.f_frsize * seen.f_blocks == real.f_frsize * real.f_blocks
    assert seen.f_bavail <= seen.f_bfree < seen.f_blocks
    assert seen.f_files == real.f_files
    subprocess.run(["df", mount.path], check=True, capture_output=True)
    before = mount.requests()
    for _ in range(20):
        assert os.statvfs(mount.path).f_blocks == seen.f_blocks
    assert mount.requests() == before


def test_df_is_told_without_the_helper_too(mount, own_server):
    os.statvfs(mount.path)
    for kernel in own_server.api("kernels"):
        own_server.api(f"kernels/{kernel['id']}", "DELETE")
    watch_for(1.5)
    assert os.statvfs(mount.path).f_blocks > 0


# --- names -------------------------------------------------------------------

def test_a_rename_onto_a_file_is_one_step(mount, there):
    (mount.path / "old").write_text("old")
    (mount.path / "new").write_text("new")
    inode = (there / "new").stat().st_ino
    before = mount.requests()
    os.rename(mount.path / "new", mount.path / "old")
    assert mount.requests() == before  # of the contents API
    assert (there / "old").stat().st_ino == inode
    assert (mount.path / "old").read_text() == "new"
    assert sorted(os.listdir(there)) == ["old"]


def test_nobody_in_the_pod_misses_the_name(mount, there):
    """Neither its absence nor half of its bytes."""
    (mount.path / "f").write_text("0" * 1000)
    stop, odd = threading.Event(), []

    def look():
        while not stop.is_set():
            try:
                text = (there / "f").read_text()
            except OSError as e:
                odd.append(e)
                return
            if len(text) != 1000 or len(set(text)) != 1:
                odd.append(text)

    thread = threading.Thread(target=look)
    thread.start()
    for i in range(1, 10):
        (mount.path / "t").write_text(str(i) * 1000)
        os.rename(mount.path / "t", mount.path / "f")
    stop.set()
    thread.join()
    assert odd == []
    assert (there / "f").read_text() == "9" * 1000


def test_a_directory_onto_an_empty_one(mount, there):
    (mount.path / "d").mkdir()
    (mount.path / "d" / "a").write_text("1")
    (mount.path / "e").mkdir()
    os.rename(mount.path / "d", mount.path / "e")
    assert (there / "e" / "a").read_text() == "1"
    assert (mount.path / "e" / "a").read_text() == "1"
    (mount.path / "d").mkdir()
    fails(errno.ENOTEMPTY, os.rename, mount.path / "d", mount.path / "e")


def test_what_the_pod_has_meanwhile_is_not_replaced(mount, there):
    (mount.path / "a").write_text("ours")
    assert not (mount.path / "b").exists()
    (there / "b").write_text("theirs")
    fails(errno.EEXIST, renameat2, mount.path / "a", mount.path / "b",
          NOREPLACE)
    assert (there / "b").read_text() == "theirs"
    assert (there / "a").read_text() == "ours"


def test_two_names_are_exchanged(mount, there):
    (mount.path / "a").write_text("1")
    (mount.path / "d").mkdir()
    (mount.path / "d" / "b").write_text("22")
    with open(mount.path / "a", "r+", encoding="utf-8") as file:
        file.write("unsaved")
        file.flush()
        renameat2(mount.path / "a", mount.path / "d", EXCHANGE)
        assert (mount.path / "a" / "b").read_text() == "22"
        assert (mount.path / "d").read_text() == "unsaved"
    assert (there / "d").read_text() == "unsaved"
    assert (there / "a" / "b").read_text() == "22"
    fails(errno.ENOENT, renameat2, mount.path / "a", mount.path / "no",
          EXCHANGE)
    fails(errno.EINVAL, renameat2, mount.path / "a", mount.path / "a" / "b",
          EXCHANGE)


def test_nothing_is_exchanged_without_the_helper(mounter, own_server):
    mount = mounter(own_server.url, options="assist=off",
                    env={"PYCLOUD_TOKEN": own_server.token}).start()
    (mount.path / "a").write_text("1")
    (mount.path / "b").write_text("2")
    fails(errno.EINVAL, renameat2, mount.path / "a", mount.path / "b",
          EXCHANGE)
    os.rename(mount.path / "a", mount.path / "b")
    assert (own_server.root / "b").read_text() == "1"


# --- extended attributes -----------------------------------------------------

@pytest.fixture
def attributed(mount, there):
    """A file in the pod that has one, where its disk knows such things."""
    (mount.path / "f").write_text("1")
    try:
        os.setxattr(there / "f", "user.pods", b"\0\xff")
    except OSError as e:
        pytest.skip(f"no extended attributes here: {e.strerror}")
    return mount.path / "f"


def test_attributes_are_the_pods(attributed, mount, there):
    os.setxattr(attributed, "user.ours", b"2")
    assert os.getxattr(there / "f", "user.ours") == b"2"
    assert sorted(os.listxattr(attributed)) == ["user.ours", "user.pods"]
    assert os.getxattr(attributed, "user.pods") == b"\0\xff"
    fails(errno.EEXIST, os.setxattr, attributed, "user.ours", b"3",
          os.XATTR_CREATE)
    fails(errno.ENODATA, os.setxattr, attributed, "user.no", b"3",
          os.XATTR_REPLACE)
    attributed.write_text("saved again")
    assert os.getxattr(there / "f", "user.ours") == b"2"
    os.removexattr(attributed, "user.ours")
    assert os.listxattr(there / "f") == ["user.pods"]
    fails(errno.ENODATA, os.getxattr, attributed, "user.ours")
    (mount.path / "d").mkdir()
    os.setxattr(mount.path / "d", "user.d", b"")
    assert os.getxattr(there / "d", "user.d") == b""
    os.setxattr(mount.path, "user.root", b"1")
    assert os.getxattr(there, "user.root") == b"1"


def test_cp_a_keeps_attributes(attributed, mount, there, tmp_path):
    subprocess.run(["cp", "-a", attributed, mount.path / "g"], check=True)
    assert os.getxattr(there / "g", "user.pods") == b"\0\xff"


def test_those_of_others_are_refused(attributed):
    for name in ("user.pycloud.exit", "trusted.x"):
        fails(errno.EOPNOTSUPP, os.setxattr, attributed, name, b"1")
    fails(errno.ENODATA, os.getxattr, attributed, "user.pycloud.exit")


# --- hard links --------------------------------------------------------------

def test_a_file_gets_another_name(mount, there):
    with open(mount.path / "a", "w", encoding="utf-8") as file:
        file.write("unsaved")
        file.flush()
        os.link(mount.path / "a", mount.path / "b")
    assert os.path.samefile(there / "a", there / "b")
    assert (mount.path / "b").read_text() == "unsaved"
    fails(errno.EEXIST, os.link, mount.path / "a", mount.path / "b")
    (mount.path / "b").write_text("by the other name")
    assert os.path.samefile(there / "a", there / "b")
    wait_until(lambda: (mount.path / "a").read_text() == "by the other name",
               "what the other name has")
    (mount.path / "d").mkdir()
    fails(errno.EPERM, os.link, mount.path / "d", mount.path / "e")
    fails(errno.EPERM, os.mkfifo, mount.path / "p")
    os.unlink(mount.path / "a")
    assert (mount.path / "b").read_text() == "by the other name"


def test_git_commits_with_links(mount, there):
    """It links its objects where it can."""
    repository = mount.path / "repository"
    repository.mkdir()

    def git(*words):
        subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@b",
                        "-C", repository, *words], check=True,
                       capture_output=True)

    git("init", "-q")
    (repository / "f").write_text("1")
    git("add", "f")
    git("commit", "-qm", "first")
    git("fsck", "--strict")
    assert (there / "repository" / "f").read_text() == "1"
