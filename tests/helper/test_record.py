"""The record of a run: its frames, marks and segments, a disk that is full,
and followers that come late.
"""
import os
import queue
import random
import re
import signal
import subprocess

import pytest

from pod import (DEADLINE, FIGURE, MARK, STDERR, STDOUT, Client,
                 await_status, code, helper_module, helper_runs,
                 run_to_end, split, supervisor_log)

KEPT = 64 * 1024  # the least output_max


def segments(folder):
    """[(start, bytes)] of a run's folder."""
    found = [n for n in os.listdir(folder) if re.match(r"log\.\d+$", n)]
    return sorted((int(n[4:]), open(os.path.join(folder, n), "rb").read())
                  for n in found)


def read_back(folder):
    """Checks a record against itself; ({stream: kept bytes}, {stream: count of
    lost bytes between kept ones}, {stream: all bytes ever})."""
    kept, lost, seen = {1: bytearray(), 2: bytearray()}, {1: 0, 2: 0}, None
    expected = None
    for start, data in segments(folder):
        assert expected in (None, start), "a hole between segments"
        frames, end = split(data)
        assert end == len(data), "a torn frame"
        assert frames[0][0] == MARK
        at = start
        for kind, piece in frames:
            at += 5 + len(piece)
            if kind == MARK:
                offset, *counts = map(int, piece.split())
                assert offset == at
                counts = dict(zip((STDOUT, STDERR), counts))
                for stream in (STDOUT, STDERR) if seen else ():
                    assert counts[stream] >= seen[stream]
                    lost[stream] += counts[stream] - seen[stream]
                seen = counts
            elif kind != FIGURE:
                kept[kind] += piece
                seen[kind] += len(piece)
        expected = at
    return {k: bytes(v) for k, v in kept.items()}, lost, seen


def make_log(tmp_path, output_max=KEPT):
    return supervisor_log.Log(os.fsencode(tmp_path), output_max)


class Disk:
    """Stands in for the module os: a disk with so many bytes left."""

    def __init__(self, monkeypatch, left):
        self.left = left
        monkeypatch.setattr(supervisor_log, "os", self)

    def __getattr__(self, name):
        return getattr(os, name)

    def write(self, fd, data):
        data = data[:self.left]
        if not data:
            raise OSError(28, "full")
        self.left -= len(data)
        return os.write(fd, data)

    def unlink(self, path):
        self.left += os.stat(path).st_size
        os.unlink(path)


def test_record_begins_with_a_mark(tmp_path):
    assert make_log(tmp_path).close() == 11
    assert segments(tmp_path) == [(0, b"\x03\0\0\0\x06" b"11 0 0")]


def test_tail_is_kept_and_every_byte_counted(tmp_path):
    chance = random.Random(7)
    log = make_log(tmp_path)
    written = {STDOUT: b"", STDERR: b""}
    for _ in range(400):
        stream = chance.choice((STDOUT, STDERR))
        data = chance.randbytes(chance.randrange(1, 3000))
        written[stream] += data
        log.write(stream, data)
        kept = sum(len(d) for _, d in segments(tmp_path))
        assert kept <= KEPT
    length = log.close()
    kept, lost, seen = read_back(tmp_path)
    assert lost == {1: 0, 2: 0}
    for stream, data in written.items():
        assert seen[stream] == len(data)
        assert data.endswith(kept[stream])
    assert len(kept[1]) + len(kept[2]) > KEPT * 3 // 4
    start, data = segments(tmp_path)[-1]
    assert start + len(data) == length


def test_full_disk_loses_what_the_next_mark_counts(tmp_path, monkeypatch):
    log = make_log(tmp_path, 1 << 20)
    disk = Disk(monkeypatch, 1000)
    written = b""
    for i in range(200):
        data = b"%05d" % i * 20
        written += data
        log.write(STDOUT, data)
        if i == 150:
            disk.left = 1 << 20
    log.close()
    kept, lost, seen = read_back(tmp_path)
    assert seen[STDOUT] == len(written)
    assert lost[STDOUT] > 10000
    assert len(kept[STDOUT]) == len(written) - lost[STDOUT]
    # A frame that was half on the disk is whole by now.
    head = os.path.commonprefix([kept[STDOUT], written])
    assert len(head) >= 900
    assert written.endswith(kept[STDOUT][len(head):])


def test_full_disk_is_told_at_the_end(tmp_path, monkeypatch):
    log = make_log(tmp_path, 1 << 20)
    Disk(monkeypatch, 100)
    for _ in range(10):
        log.write(STDERR, b"x" * 500)
    length = log.close()
    kept, lost, seen = read_back(tmp_path)
    assert seen == {STDOUT: 0, STDERR: 5000}
    assert lost[STDERR] == 5000 - len(kept[STDERR])
    assert sum(len(d) for _, d in segments(tmp_path)) == length


def test_readers_see_no_byte_change_on_a_full_disk(tmp_path, monkeypatch):
    chance = random.Random(3)
    log = make_log(tmp_path, 1 << 30)
    disk = Disk(monkeypatch, 0)
    seen = open(tmp_path / "log.0", "rb").read()
    for _ in range(300):
        disk.left = chance.choice((0, 0, 3, 50, 700))
        log.write(STDOUT, chance.randbytes(chance.randrange(1, 200)))
        now = open(tmp_path / "log.0", "rb").read()
        assert now.startswith(seen)
        seen = now
    log.close()
    read_back(tmp_path)


def test_figure_is_never_in_two_segments(tmp_path):
    log = make_log(tmp_path)
    png = bytes(range(256)) * 150  # more than four segments
    (tmp_path / "p").write_bytes(png)
    log.write(STDOUT, b"x" * 5000)
    fd = os.open(tmp_path / "p", os.O_RDONLY)
    assert log.has_space(len(png))
    assert log.write_figure(b"figure-1.png", fd, len(png))
    os.close(fd)
    log.write(STDOUT, b"y" * 5000)
    log.close()
    whole = [[f[1] for f in split(data)[0] if f[0] == FIGURE]
             for _, data in segments(tmp_path)]
    whole = [found for found in whole if found]
    assert len(whole) == 1
    assert b"".join(p.partition(b"\0")[2] for p in whole[0]) == png
    assert whole[0][-1] == b"figure-1.png\0"
    assert read_back(tmp_path)[2][STDOUT] == 10000


def test_pieces_are_of_one_segment(tmp_path):
    log = make_log(tmp_path)
    log.write(STDOUT, b"z" * 40000)
    log.close()
    reader = helper_runs.Record(str(tmp_path))
    length, at = reader.look(), 0
    starts = [start for start, _ in segments(tmp_path)]
    while at < length:
        begin, data, is_skipped = reader.read(at, 1 << 20)
        assert (begin, is_skipped) == (at, False)
        assert not any(at < s < at + len(data) for s in starts)
        at += len(data)
    assert at == length and len(starts) > 3


LINES = "import sys\nfor i in range(%d): print('%%09d' %% i)\n"


def test_child_that_prints_much_keeps_the_tail(client, helper):
    run, end = run_to_end(client, "-c", LINES % 300000, output_max=1 << 20)
    kept, lost, seen = read_back(os.path.join(helper.runs_folder, run))
    assert seen == {STDOUT: 3000000, STDERR: 0}
    assert lost == {STDOUT: 0, STDERR: 0}
    expected = b"".join(b"%09d\n" % i for i in range(300000))
    assert expected.endswith(kept[STDOUT])
    assert (1 << 20) * 3 // 4 < len(kept[STDOUT]) < 1 << 20
    assert end["length"] > 3000000
    assert expected.endswith(client.output(run)[STDOUT])


def late_follower(helper, gate):
    """A client that takes nothing while its run loses its beginning, which
    it does not before the client's window is full."""
    client = Client(helper, window=10000)
    client.acks = False
    run, _ = client.start(
        "-c", "import sys\nfor i in range(30000):\n"
        " print('%09d' % i)\n"
        " if i == 2000: sys.stdout.flush(); " + gate.wait_code,
        output_max=KEPT)
    client.wait(lambda d: d.get("event") == "output" and
                len(client.records[run]) == 10000)
    gate.open()
    await_status(helper, run)
    return client, run


def test_late_follower_skips_to_the_oldest_that_is_kept(helper, gate):
    client, run = late_follower(helper, gate)
    client.acks = True
    client.post("ack", run=run, offset=10000)
    end = client.finish(run)
    (start, _), *_ = segments(os.path.join(helper.runs_folder, run))
    assert client.begins[run] == start > 10000
    assert start + len(client.records[run]) == end["length"]
    assert client.frames(run)[0][0] == MARK
    assert client.output(run)[STDOUT].endswith(b"000029999\n")


def test_lost_skip_is_said_again(helper, gate):
    client, run = late_follower(helper, gate)
    skips = queue.Queue()

    def drop(data):
        """All until a second skip."""
        if data.get("skipped"):
            skips.put(data["offset"])
            count.append(1)
        return data.get("event") == "output" and len(count) < 2
    count = []
    client.drop = drop
    client.post("ack", run=run, offset=10000)
    first = skips.get(timeout=DEADLINE)
    assert first > 10000
    client.acks = True
    assert client.call("follow", run=run, offset=10000)["error"] == ""
    client.finish(run)
    assert client.begins[run] == first == skips.get(timeout=DEADLINE)


def test_two_helpers_follow_one_run(client, another_helper, gate):
    run, _ = client.start("-c", "print(1)\n" + gate.wait_code + "print(2)")
    other = Client(another_helper())
    assert other.call("follow", run=run, offset=0)["error"] == ""
    for each in (client, other):
        each.await_output(run, {STDOUT: b"1\n"})
    gate.open()
    for each in (client, other):
        assert each.finish(run)["exit"] == 0
        assert each.output(run) == {STDOUT: b"1\n2\n"}


def test_run_whose_folder_is_gone_is_esrch(helper, client):
    run, end = run_to_end(client, "-c", "print(1)")
    folder = os.path.join(helper.runs_folder, run)
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    os.rmdir(folder)
    for _ in range(2):
        reply = client.call("follow", run=run, offset=0)
        assert (reply["error"], reply["event"]) == ("ESRCH", "ended")
        client.post("forget", run=run)


@pytest.mark.parametrize("more", [
    {"output_max": 0}, {"output_max": -5}, {"runs_keep": 0},
    {"output_max": "much"}, {"runs_keep": None}])
def test_limits_that_make_no_sense_are_refused(client, more):
    assert client.start("-c", "0", **more)[1]["error"] == "EINVAL"


def test_active_and_young_runs_are_never_removed(helper, client, gate,
                                                 monkeypatch):
    active, _ = client.start("-c", gate.wait_code)
    client.post("forget", run=active)
    young = [run_to_end(client, "-c", "0", runs_keep=1)[0] for _ in range(3)]
    assert set(os.listdir(helper.runs_folder)) == {active, *young}
    for run in young:
        client.post("forget", run=run)
    for process in list(helper.spare.children)[1:]:
        process.wait(DEADLINE)
    monkeypatch.setattr(helper_runs, "STARTING_SECONDS", -1)
    last, _ = run_to_end(client, "-c", "0", runs_keep=1)
    assert set(os.listdir(helper.runs_folder)) == {active, last}
    gate.open()
    await_status(helper, active)


def test_alive_is_said_while_a_run_goes_on_and_not_longer(
        another_helper, gate, monkeypatch):
    looks = queue.Queue()

    class Watched(helper_module.Helper):
        def _send_alive(self):
            super()._send_alive()
            looks.put(set(self.kept_alive))

    monkeypatch.setattr(helper_module, "ALIVE_SECONDS", 0.05)
    helper = another_helper(Watched)
    client = Client(helper)
    run, _ = client.start("-c", gate.wait_code)
    client.post("forget", run=run)
    for _ in range(3):
        client.wait(lambda d: d == {"event": "alive"})
    gate.open()
    await_status(helper, run)
    for process in list(helper.spare.children):
        process.wait(DEADLINE)
    count = 0
    while looks.get(timeout=DEADLINE):
        count += 1
    while not client.events.empty():
        client.seen.append(client.take(DEADLINE))
    assert 3 + client.seen.count({"event": "alive"}) == count
    assert client.seen.count({"event": "alive"}) < count


def test_grandchild_that_goes_on_printing_ends_with_the_child(client):
    text = ("import subprocess, sys\n"
            "p = subprocess.Popen([sys.executable, '-c', 'while 1: print(7)'],"
            " start_new_session=True)\n"
            "print(p.pid, file=sys.stderr)\nraise SystemExit(5)")
    out, end = code(client, text, output_max=KEPT)
    os.kill(int(out[STDERR]), signal.SIGKILL)
    assert end["exit"] == 5


@pytest.fixture
def small_disk(root, tmp_path, monkeypatch):
    """The state lies on a disk of 2 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(place)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip("no disk can be mounted: " + made.stderr.strip())
    monkeypatch.setenv("XDG_STATE_HOME", str(place))
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_full_disk_stops_neither_child_nor_status(small_disk, another_helper,
                                                  root, gate):
    helper = another_helper()
    client = Client(helper)
    run, _ = client.start(
        "-c", "import sys\n" + (LINES % 400000) +
        "print('full', file=sys.stderr, flush=True)\n" + gate.wait_code +
        "print('after')\nopen('done', 'w')\n" + gate.wait_code +
        "raise SystemExit(9)")
    gate.open(2)
    end = client.finish(run)
    assert end["exit"] == 9
    kept, lost, seen = read_back(os.path.join(helper.runs_folder, run))
    assert seen == {STDOUT: 4000006, STDERR: 5}
    assert lost[STDOUT] + len(kept[STDOUT]) == 4000006
    assert lost[STDOUT] > 1000000
    assert end["length"] == len(client.records[run])
