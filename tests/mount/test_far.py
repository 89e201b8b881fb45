"""A server that is far away: what is read ahead, and what is not."""

import os
import random

import pytest

from relay import Relay

MIB = 1024 * 1024
READS = 60


@pytest.fixture
def far_mount(build, mounter, server):
    """The session's server, 40 ms away."""
    relay = Relay(build, f"127.0.0.1:{server.port}", rtt_ms=40)
    yield mounter(relay.url, env={"PYCLOUD_TOKEN": server.token})
    relay.stop()


def read_at_random(mount, content):
    """Reads 4 KiB here and there; returns the requests that it cost."""
    rng = random.Random(1)
    offsets = [rng.randrange(len(content) - 4096) for _ in range(READS)]
    with mount.counting() as counted:
        with open(mount.path / "big", "rb", 0) as file:
            for offset in offsets:
                assert (os.pread(file.fileno(), 4096, offset)
                        == content[offset:offset + 4096])
    return counted[0]


def test_patient_random_reader_gets_the_rest_of_the_file(server, far_mount):
    content = random.Random(2).randbytes(12 * MIB)
    server.write("big", content)
    far_mount.start()
    assert read_at_random(far_mount, content) < READS * 3 / 4


@pytest.mark.options("prefetch=off")
def test_random_reads_alone_when_prefetch_is_off(server, far_mount):
    content = random.Random(2).randbytes(12 * MIB)
    server.write("big", content)
    far_mount.start()
    assert read_at_random(far_mount, content) > READS * 3 / 4


def test_sequential_reader_needs_few_requests(server, far_mount):
    content = random.Random(2).randbytes(64 * MIB)
    server.write("big", content)
    far_mount.start()
    with far_mount.counting() as counted:
        with open(far_mount.path / "big", "rb", 0) as file:
            read = b"".join(iter(lambda: file.read(MIB), b""))
    assert read == content
    assert counted[0] <= 40
