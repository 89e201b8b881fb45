"""kill -9 of the daemon at random moments of a write load, and a new mount.

PYCLOUD_KILLS=100 for more of them, PYCLOUD_KILL_SEED=N for others."""

import contextlib
import os
import random
import re
import threading

import pytest

import harness
import load

KILLS = int(os.environ.get("PYCLOUD_KILLS", "8"))
SEED = os.environ.get("PYCLOUD_KILL_SEED", "1")
WORKERS = 4
DEADLINE = 60
MIB = 1024 * 1024
PENDING = ".pycloud/pending"
CONFLICTS = ".pycloud/conflicts"


def mount_again(build, scratch, server):
    """A mount with the state directories of those before."""
    return harness.Mount(build, scratch, server.url,
                         env={"PYCLOUD_TOKEN": server.token}).start()


def work_and_kill(mount, workers, seconds):
    """The load, until the daemon is killed amid it."""
    stop = threading.Event()
    targets, wrong = load.work(workers, str(mount.path), stop)
    threads = [threading.Thread(target=target, daemon=True)
               for target in targets]
    for thread in threads:
        thread.start()
    stop.wait(seconds)
    mount.crash()
    stop.set()
    for thread in threads:
        thread.join(2 * DEADLINE)
    assert not any(thread.is_alive() for thread in threads), "it hangs"
    assert not wrong, wrong
    mount.clear_away()


def conflict_copies(directory, name):
    """The bytes that stand beside a file because of a conflict."""
    stem, dot, ending = name.rpartition(".")
    base = stem if dot else name
    pattern = re.compile(rf"{re.escape(base)}\.conflict-.*"
                         + (rf"\.{re.escape(ending)}" if dot else ""))
    return [load.read_or_none(os.path.join(directory, other))
            for other in os.listdir(directory) if pattern.fullmatch(other)]


def check_taken(worker, directory):
    """What write took is in the mount: in the file, or beside it."""
    for name, ledger in worker.ledgers.items():
        found = [load.read_or_none(os.path.join(directory, name)),
                 *conflict_copies(directory, name)]
        accepted, attempts = ledger.accepted()
        # An emptied file has no bytes to lose: the old ones may be back.
        if not accepted and found[0] in ledger.possible():
            continue
        if not any(ledger.keeps(content) for content in found):
            raise load.Wrong(
                f"{name} is {'; '.join(load.name_of(x) for x in found)}, "
                f"write took {load.name_of(accepted)}, then tried "
                f"{[load.name_of(x) for x in attempts]}")


def check_server(worker, root):
    """What was acknowledged, or something newer. A save that came whole when
    the daemon died goes on, and the server writes in place."""
    def agrees():
        try:
            worker.check_server(root)
        except load.Wrong as error:
            wrong.append(str(error))
            return False
        return True

    wrong = []
    try:
        harness.wait_until(agrees, "the server to have it", 5)
    except AssertionError:
        raise load.Wrong(wrong[-1]) from None


def settle(worker, directory):
    """What the file is now is what the next round begins from."""
    for name, ledger in worker.ledgers.items():
        content = load.read_or_none(os.path.join(directory, name))
        ledger.since = [(content, True)]
        ledger.acknowledge()


def rounds(build, scratch, server, big_bytes, check_dead):
    """Work, kill, mount again, check; and once more."""
    random_ = random.Random(f"kill {SEED}")
    workers = [load.Worker(number, SEED, big_bytes, DEADLINE)
               for number in range(WORKERS)]
    mount = mount_again(build, scratch, server)
    try:
        for _ in range(KILLS):
            work_and_kill(mount, workers, random_.uniform(0.05, 0.6))
            for worker in workers:
                check_dead(worker, server.root)
            mount = mount_again(build, scratch, server)
            for worker in workers:
                check_taken(worker, str(mount.path))
                settle(worker, str(mount.path))
        assert sum(worker.done["ok"] for worker in workers) > KILLS
        mount.finish()
        for worker in workers:
            worker.check_server(server.root)
    finally:
        mount.kill()


@pytest.mark.limit(KILLS * 15 + 120)
def test_killed_daemon_loses_nothing(build, work_server, scratch):
    """While it is dead the server has what was acknowledged, or newer bytes;
    the next mount has what write took, too."""
    rounds(build, scratch, work_server, 5 * MIB, check_server)


@pytest.mark.limit(KILLS * 15 + 120)
def test_killed_daemon_loses_no_large_file(build, work_server, scratch):
    """Such a file goes to the server in chunks: between them the server has
    a part of it, which the next mount completes."""
    rounds(build, scratch, work_server, 20 * MIB, lambda worker, root: None)


def test_killed_daemons_bytes_are_found_by_the_next_mount(
        build, work_server, scratch):
    work_server.write("old", "old content")
    mount = mount_again(build, scratch, work_server)
    new = os.open(mount.path / "new", os.O_CREAT | os.O_WRONLY)
    os.write(new, b"never closed")
    old = os.open(mount.path / "old", os.O_RDWR)
    os.pwrite(old, b"OLD", 0)
    mount.crash()
    for fd in (new, old):
        with contextlib.suppress(OSError):
            os.close(fd)
    mount.clear_away()
    assert (work_server.root / "old").read_text() == "old content"
    mount = mount_again(build, scratch, work_server)
    try:
        assert (mount.path / "new").read_bytes() == b"never closed"
        assert (mount.path / "old").read_bytes() == b"OLD content"
        harness.wait_until(
            lambda: (mount.path / PENDING).read_text() == "",
            "what was pending to be on the server")
        assert (work_server.root / "new").read_bytes() == b"never closed"
        assert (work_server.root / "old").read_bytes() == b"OLD content"
        mount.finish()
    finally:
        mount.kill()


def test_killed_daemons_bytes_give_way_to_a_change_of_others(
        build, work_server, scratch):
    work_server.write("a.txt", "old content")
    mount = mount_again(build, scratch, work_server)
    fd = os.open(mount.path / "a.txt", os.O_RDWR)
    os.pwrite(fd, b"OLD", 0)
    mount.crash()
    with contextlib.suppress(OSError):
        os.close(fd)
    mount.clear_away()
    work_server.write("a.txt", "somebody else's")
    mount = mount_again(build, scratch, work_server)
    try:
        copies = harness.wait_until(
            lambda: conflict_copies(work_server.root, "a.txt"),
            "a copy beside the file")
        assert copies == [b"OLD content"]
        assert (work_server.root / "a.txt").read_text() == "somebody else's"
        harness.wait_until(
            lambda: "a.txt" in (mount.path / CONFLICTS).read_text(),
            "the conflict's line")
        mount.finish()
    finally:
        mount.kill()
