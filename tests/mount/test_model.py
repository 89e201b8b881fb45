"""The model test, briefly; tests/model/model.py plays it for longer.

PYCLOUD_MODEL_SEED=N begins with another seed, PYCLOUD_MODEL_SECONDS=N goes on
for longer."""

import os
import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "model"))
import play  # noqa: E402
from way import VIA  # noqa: E402

pytestmark = pytest.mark.each_server

if VIA == "proxy":
    # See test_names_of_api_routes_are_refused_through_the_proxy.
    play.NAMES[:] = [name for name in play.NAMES
                     if name not in ("checkpoints", "trust")]
SEED = int(os.environ.get("PYCLOUD_MODEL_SEED", "1000"))
SECONDS = float(os.environ.get("PYCLOUD_MODEL_SECONDS", "15"))
STEPS = 150


@pytest.mark.limit(SECONDS + 120)
def test_mount_does_as_a_local_disk_does(work_server, work_mount, scratch):
    reference = scratch / "reference"
    reference.mkdir()
    game = play.Game(work_mount.path, work_server.root, reference)
    end = time.monotonic() + SECONDS
    seed = SEED
    while game.rounds == 0 or time.monotonic() < end:
        print(f"seed {seed}")
        try:
            game.play(seed, STEPS)
        except play.Difference as difference:
            pytest.fail(str(difference), pytrace=False)
        seed += 1
    assert game.steps >= STEPS
