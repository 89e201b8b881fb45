#!/usr/bin/python3
"""Plays the model test by hand, for as long as you like.

    PYCLOUD_BUILD=build/dev tests/model/model.py [--seed N] [--steps N]
        [--rounds N] [--seconds N] [--generation server|notebook]

Without --seed every round has a new seed, which is printed.  A round that
differs is made short and printed, and the exit status is 1.
"""

import argparse
import os
import pathlib
import random
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "mount"))
import harness  # noqa: E402
import play  # noqa: E402


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--generation", default="server",
                        choices=sorted(harness.PROGRAMS))
    parser.add_argument("--options", default="")
    return parser.parse_args()


def play_rounds(game, args):
    """Rounds until the time or their number is up."""
    rounds = args.rounds
    if rounds is None:
        rounds = 1 if args.seconds is None else sys.maxsize
    end = time.monotonic() + (args.seconds or float("inf"))
    seed = args.seed
    for _ in range(rounds):
        if args.seed is None:
            seed = random.SystemRandom().randrange(1 << 32)
        print(f"seed {seed}", flush=True)
        game.play(seed, args.steps)
        seed += 1
        if time.monotonic() > end:
            break


def main():
    """One server, one mount, many rounds."""
    args = arguments()
    build = pathlib.Path(os.environ.get("PYCLOUD_BUILD", "build")).resolve()
    harness.become_subreaper()
    scratch = harness.make_scratch()
    server = harness.Server(args.generation, harness.WORKSPACE_ARGUMENTS)
    mount = None
    try:
        server.start()
        mount = harness.Mount(build, scratch, server.url, args.options,
                              {"PYCLOUD_TOKEN": server.token}).start()
        reference = scratch / "reference"
        reference.mkdir()
        game = play.Game(mount.path, server.root, reference)
        play_rounds(game, args)
        print(f"{game.steps} steps, no difference")
        mount.finish()
    except play.Difference as difference:
        print(difference)
        return 1
    finally:
        if mount is not None:
            mount.kill()
        server.stop()
        harness.remove_scratch(scratch)
    return 0


if __name__ == "__main__":
    sys.exit(main())
