"""A mixed load while the line to the server is cut, stalled and shortened and
answers with errors, all at random.

An operation may fail, in time; it never gives a wrong byte, and what was
acknowledged is on the server afterwards. PYCLOUD_STORM_SECONDS=600 for long,
PYCLOUD_STORM_SEED=N for another storm."""

import contextlib
import os
import random
import threading

import pytest

import harness
import load
from relay import Relay

SECONDS = float(os.environ.get("PYCLOUD_STORM_SECONDS", "12"))
SEED = os.environ.get("PYCLOUD_STORM_SEED", "1")
LIMITS = "timeout=3,stall=3,attr_timeout=1"
# Of one step of the load: several calls of several requests, each of which may
# be tried more than once.
DEADLINE = 60
WORKERS = 5
MIB = 1024 * 1024


class Storm:
    """Faults at random until it is over."""

    def __init__(self, relay, seed, over):
        self.relay = relay
        self.random = random.Random(f"storm {seed}")
        self.over = over
        self.met = {}

    def cut(self):
        """All connections are reset."""
        self.relay.tell("cut")

    def short_stall(self):
        """Nothing moves for a while."""
        self.relay.tell("stall")
        self.over.wait(self.random.uniform(0.05, 1.5))
        self.relay.tell("go")

    def long_stall(self):
        """Longer than anybody waits. What was on its way is lost: the server
        must not hear today what was given up yesterday."""
        self.relay.tell("stall")
        self.over.wait(self.random.uniform(3, 5))
        self.relay.tell("cut")
        self.relay.tell("go")

    def truncate(self):
        """An answer ends early, or never comes."""
        self.relay.tell(f"truncate {self.random.choice([0, 1, 100, 5000])}")

    def status(self):
        """Requests are answered by the line itself."""
        code = self.random.choice([500, 502, 503])
        times = self.random.choice([1, 1, 2, 5])
        self.relay.tell(f"status {code} - {times}")

    def refuse(self):
        """Nobody listens."""
        self.relay.tell("refuse")
        self.over.wait(self.random.uniform(0.05, 1))
        self.relay.tell("accept")

    def blow(self):
        """Until it is over; then the line is as good as new."""
        while not self.over.is_set():
            fault = self.random.choices(
                [self.cut, self.short_stall, self.long_stall, self.truncate,
                 self.status, self.refuse], [5, 3, 1, 5, 5, 2])[0]
            self.met[fault.__name__] = self.met.get(fault.__name__, 0) + 1
            fault()
            self.over.wait(self.random.uniform(0.02, 0.4))
        for command in ("clear", "accept", "go"):
            self.relay.tell(command)


class Reader(load.Worker):
    """Reads pieces of large files that nobody changes."""

    def __init__(self, number, seed, files, deadline):
        super().__init__(number, seed, 0, deadline)
        self.files = files

    def names(self):
        """The large files."""
        return sorted(self.files)

    def read(self, name):
        """A piece somewhere; read on where a call ends early, as an error in
        the middle of a long one makes it do."""
        offset = self.random.randrange(len(self.files[name]))
        size = self.random.choice([1000, 100_000, MIB])
        wanted = self.files[name][offset:offset + size]
        fd = os.open(self.path(name), os.O_RDONLY)
        try:
            while wanted:
                got = os.pread(fd, len(wanted), offset)
                if not got or not wanted.startswith(got):
                    raise load.Wrong(
                        f"{name} at {offset}: {load.name_of(got)}, not "
                        f"{load.name_of(wanted)}")
                offset += len(got)
                wanted = wanted[len(got):]
        finally:
            os.close(fd)

    save = save_synced = append = replace = remove = read


def endure(build, mounter, server, big_bytes):
    """Work through a storm, and look afterwards."""
    large = {"one": os.urandom(9 * MIB), "two": os.urandom(3 * MIB)}
    for name, content in large.items():
        server.write(name, content)
    relay = Relay(build, f"127.0.0.1:{server.port}")
    over = threading.Event()
    storm = Storm(relay, SEED, over)
    workers = [load.Worker(number, SEED, big_bytes, DEADLINE)
               for number in range(WORKERS)]
    workers.append(Reader(WORKERS, SEED, large, DEADLINE))
    try:
        mount = mounter(relay.url, options=LIMITS,
                        env={"PYCLOUD_TOKEN": server.token}).start()
        targets, wrong = load.work(workers, str(mount.path), over)
        threads = [threading.Thread(target=target, daemon=True)
                   for target in [storm.blow, *targets]]
        for thread in threads:
            thread.start()
        over.wait(SECONDS)
        over.set()
        for thread in threads:
            thread.join(2 * DEADLINE)
        done = [worker.done for worker in workers]
        print(storm.met, *done, max(worker.slowest for worker in workers),
              sep="\n")
        assert not wrong, wrong
        assert not any(thread.is_alive() for thread in threads), "it hangs"
        assert sum(counts["ok"] for counts in done) > len(workers)
        harness.wait_until(lambda: is_well(mount), "the line to be used again")
        for worker in workers:
            for name in worker.ledgers:
                worker.read(name)
        for name in ("pending", "conflicts"):
            print(name, (mount.path / ".pycloud" / name).read_text())
        mount.finish()
        print(*sorted((path.name, path.stat().st_size)
                      for path in server.root.iterdir()), sep="\n")
        for worker in workers:
            worker.check_server(server.root)
    finally:
        over.set()
        relay.stop()


def is_well(mount):
    """It writes again."""
    with contextlib.suppress(OSError):
        (mount.path / "after the storm").write_text("calm")
        return True
    return False


@pytest.mark.limit(SECONDS + 240)
def test_storm_loses_nothing(build, mounter, work_server):
    endure(build, mounter, work_server, 5 * MIB)


@pytest.mark.limit(SECONDS + 240)
def test_storm_loses_no_large_file(build, mounter, work_server):
    endure(build, mounter, work_server, 9 * MIB)


def test_beginning_that_a_cut_upload_left_is_no_conflict(
        build, mounter, work_server):
    relay = Relay(build, f"127.0.0.1:{work_server.port}")
    try:
        mount = mounter(relay.url, options=LIMITS,
                        env={"PYCLOUD_TOKEN": work_server.token}).start()
        (mount.path / "a").write_text("old")
        there = work_server.root / "a"
        failed = []

        def save_large():
            try:
                (mount.path / "a").write_bytes(b"large " * 10 * MIB)
            except OSError as error:
                failed.append(error)

        saver = threading.Thread(target=save_large)
        saver.start()
        harness.wait_until(lambda: there.stat().st_size > 8_000_000,
                           "the first chunk")
        relay.tell("refuse")
        relay.tell("cut")
        saver.join(DEADLINE)
        assert failed and there.stat().st_size < 60 * MIB
        relay.tell("accept")
        harness.wait_until(lambda: is_well(mount), "the server to be back")
        (mount.path / "a").write_text("other bytes")
        assert there.read_text() == "other bytes"
        assert (mount.path / ".pycloud" / "conflicts").read_text() == ""
        mount.finish()
    finally:
        relay.stop()
