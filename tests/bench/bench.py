"""How long people's work takes on pycloud, beside sshfs, in one table.

Both mount the same directory of this computer, one through a Jupyter server
(without the helper, and with it: assist=on), one through an sshd, each by way
of a relay (relay.c) that adds the round trip.
Each number is the median of some fresh mounts; pycloud's and sshfs's take
turns, so that what else this computer does falls on both.  The ratio is what
to look at.

The times are no test: the exit status is 1 when bytes were wrong or work
failed, and 0 when all of it was merely slow.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

import places
import trees
import works
from places import harness

GENERATIONS = {"n6": "notebook", "s1": "server"}
WIDTH = 44
DROP_CACHES = pathlib.Path("/proc/sys/vm/drop_caches")


class Timer:
    """A clock that can be held."""

    def __init__(self):
        self.seconds = 0.0
        self.began = time.monotonic()

    def pause(self):
        """What follows does not count."""
        self.seconds += time.monotonic() - self.began

    def go(self):
        """It counts again."""
        self.began = time.monotonic()

    def passed(self):
        """Seconds since it last began to count."""
        return time.monotonic() - self.began

    def extend(self):
        """All the time since it last began counts, whatever was measured."""
        self.seconds = self.passed()


class Session:
    """One scenario on one place: see works.py."""

    def __init__(self, world, place):
        self.place = place
        self.root = world.server.root
        self.small = world.small
        self.scratch = world.scratch
        self.row = None
        self.samples = {}

    def mount(self):
        """A fresh mount's directory; nothing of an old one is remembered."""
        with contextlib.suppress(OSError):
            DROP_CACHES.write_text("1\n")
            # The mount is to be cold, not the server's disk.
            trees.contents(self.root)
        return self.place.mount()

    @contextlib.contextmanager
    def timed(self, row):
        """What is inside is the row; checks belong after it."""
        self.row = row
        before = self.place.counts()
        timer = Timer()
        yield timer
        timer.pause()
        after = self.place.counts()
        sample = {key: after[key] - before[key] for key in after}
        sample["peak_kib"] = self.place.peak_kib()
        sample["timer"] = timer
        self.samples[row] = sample

    def measured(self):
        """What was measured, and believed to be right."""
        for sample in self.samples.values():
            if "timer" in sample:
                sample["seconds"] = sample.pop("timer").seconds
        return self.samples


class World:
    """The servers, the files they serve, and the two places."""

    def __init__(self, options):
        self.options = options
        self.places = []
        self.undo = contextlib.ExitStack()
        self.server = harness.Server(GENERATIONS[options.server],
                                     places.SERVER_ARGUMENTS)
        self.sshd = places.Sshd()
        self.scratch = harness.make_scratch()
        self.small = self.scratch / "small"

    def __enter__(self):
        """Lay out the files and start everything."""
        with self.undo:
            self.undo.callback(harness.remove_scratch, self.scratch)
            self.undo.callback(self.server.stop)
            self.undo.callback(self.sshd.stop)
            self.lay_out(self.server.root)
            self.server.start()
            self.sshd.start()
            for place in (places.Pycloud(self.options.build, self.server,
                                         self.options.options),
                          places.Assisted(self.options.build, self.server,
                                          self.options.options),
                          places.Sshfs(self.options.build, self.server,
                                       self.sshd)):
                self.places.append(place)
                self.undo.callback(place.relay.stop)
                self.undo.callback(place.unmount)
            self.undo = self.undo.pop_all()
        return self

    def __exit__(self, *reason):
        self.undo.close()

    def lay_out(self, root):
        """The same files in every run."""
        trees.make_tree(root / "tree", 1,
                        trees.DIRECTORIES * trees.FILES_EACH,
                        trees.FILES_EACH)
        trees.make_tree(self.small, 3, trees.SMALL_FILES, trees.SMALL_EACH)
        trees.make_repository(root / "repo")
        shutil.copy2(root / "repo/.git/index", root / "index")
        trees.make_big(root / "big")
        (root / "hello.py").write_text("print('hello')\n")
        (root / "flood.py").write_text(trees.FLOOD)
        (root / "ticks.py").write_text(trees.TICKER)

    def set_rtt(self, milliseconds):
        """How far away both servers are from now on."""
        for place in self.places:
            place.relay.tell(f"rtt {milliseconds}")


class Results:
    """What was measured, and what failed, by (round trip, place, row)."""

    def __init__(self):
        self.samples = {}
        self.failures = {}

    def add(self, rtt, place, samples):
        """Take what one mount measured."""
        for row, sample in samples.items():
            self.samples.setdefault((rtt, place, row), []).append(sample)

    def fail(self, rtt, place, row, why):
        """Work that was done wrong, or not at all."""
        self.failures.setdefault((rtt, place, row), str(why))
        print(f"FAILED {row} on {place} at {rtt:g} ms: {why}", file=sys.stderr)

    def median(self, rtt, place, row, key="seconds"):
        """None where there is nothing that could be believed."""
        if (rtt, place, row) in self.failures:
            return None
        taken = [sample[key] for sample
                 in self.samples.get((rtt, place, row), ()) if key in sample]
        return statistics.median(taken) if taken else None

    def ratio(self, rtt, row, place="pycloud"):
        """pycloud's time as a multiple of sshfs's."""
        ours = self.median(rtt, place, row)
        theirs = self.median(rtt, "sshfs", row)
        return ours / theirs if ours is not None and theirs else None


def attempt(world, place, rtt, scenario, results):
    """One scenario on one fresh mount; returns what it measured."""
    function, rows = scenario
    session = Session(world, place)
    try:
        function(session)
        place.unmount()
    except (Exception, subprocess.SubprocessError) as failure:
        done = rows.index(session.row) if session.row else 0
        for row in rows[done:]:
            session.samples.pop(row, None)
            results.fail(rtt, place.name, row,
                         f"{type(failure).__name__}: {failure}")
        with contextlib.suppress(Exception):
            place.unmount()
    results.add(rtt, place.name, session.measured())
    return session.samples


def measure(world, options, chosen, results):
    """All of it: places take turns, so that noise falls on both."""
    for rtt in options.rtt:
        world.set_rtt(rtt)
        for scenario in chosen:
            for number in range(options.n):
                for place in world.places:
                    samples = attempt(world, place, rtt, scenario, results)
                    for row, sample in samples.items():
                        print(f"{rtt:g} ms {number + 1}/{options.n} "
                              f"{place.name:8} {row:12} "
                              f"{sample['seconds']:.3f} s", file=sys.stderr)


# --- what is shown ----------------------------------------------------------

def in_seconds(value):
    """Three digits that matter."""
    if value is None:
        return "-"
    if value < 10:
        return f"{value:.3f}" if value < 1 else f"{value:.2f}"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def is_late(results, rtt, row, place):
    """True where a goal is missed."""
    for value, goal in ((results.ratio(rtt, row, place),
                         works.ROWS[row].goal(rtt, place)),
                        (results.median(rtt, place, row),
                         works.ROWS[row].seconds)):
        if None not in (value, goal) and value > goal:
            return True
    return False


def cells_of(results, rtt, row, place):
    """Seconds (requests), ratio to sshfs; ! where a goal is missed."""
    if (rtt, place, row) in results.failures:
        ours = "FAILED"
    else:
        ours = in_seconds(results.median(rtt, place, row))
    requests = results.median(rtt, place, row, "requests")
    count = "" if requests is None else f"({requests:.0f})"
    ratio = results.ratio(rtt, row, place)
    shown = "-" if ratio is None else f"{ratio:.3f}"
    late = "!" if is_late(results, rtt, row, place) else " "
    return f"{ours:>6} {count:>6} {shown:>6}{late}"


def cells(results, rtt, row):
    """Without the helper, with it, and sshfs."""
    theirs = in_seconds(results.median(rtt, "sshfs", row))
    return (f"{cells_of(results, rtt, row, 'pycloud')}"
            f"{cells_of(results, rtt, row, 'assist')}{theirs:>6} ")


def about(options):
    """What a number means nothing without."""
    said = subprocess.run(["sshfs", "--version"], capture_output=True,
                          text=True, check=True)
    sshfs = re.search(r"SSHFS version (\S+)", said.stdout).group(1)
    load = " ".join(f"{x:.1f}" for x in os.getloadavg())
    return (f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} processors, "
            f"Linux {platform.release()}, {GENERATIONS[options.server]}, "
            f"sshfs {sshfs}; medians of {options.n}; load {load}")


def table(options, results, rows):
    """The table as text."""
    head = (f"{'pyc. s':>6} {'(req.)':>6} {'ratio':>6} "
            f"{'ass. s':>6} {'(req.)':>6} {'ratio':>6} {'sshfs':>5} ")
    lines = [about(options), ""]
    lines += [f"{text:{WIDTH}}" + " |".join(columns).rstrip()
              for text, columns in [
                  ("round trip", [f"{f'{rtt:g} ms':>{len(head) - 1}} "
                                  for rtt in options.rtt]),
                  ("work", [head] * len(options.rtt))]]
    lines.append("-" * (WIDTH + (len(head) + 2) * len(options.rtt) - 2))
    lines += [f"{works.ROWS[row].text:{WIDTH}}" + " |".join(
        cells(results, rtt, row) for rtt in options.rtt).rstrip()
              for row in rows]
    if "!" in "".join(lines[5:]):
        lines += ["", "! slower than we want to be"]
    for (rtt, place, row), why in results.failures.items():
        lines.append(f"FAILED {row} on {place} at {rtt:g} ms: {why}")
    return "\n".join(lines)


def as_json(options, results, rows):
    """Everything that was measured."""
    return json.dumps({
        "about": about(options),
        "rows": [{"row": row, "work": works.ROWS[row].text, "rtt_ms": rtt,
                  "goal": works.ROWS[row].goal(rtt),
                  "goal_seconds": works.ROWS[row].seconds,
                  "ratio": results.ratio(rtt, row),
                  "assist_ratio": results.ratio(rtt, row, "assist"),
                  "pycloud": results.samples.get((rtt, "pycloud", row)),
                  "assist": results.samples.get((rtt, "assist", row)),
                  "sshfs": results.samples.get((rtt, "sshfs", row))}
                 for row in rows for rtt in options.rtt],
        "failures": [{"row": row, "place": place, "rtt_ms": rtt, "why": why}
                     for (rtt, place, row), why in results.failures.items()],
    }, indent=1)


def parse():
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="tests/bench/run", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="rows: " + " ".join(works.ROWS))
    parser.add_argument("-n", type=int, default=3, metavar="N",
                        help="mounts for each number (3)")
    parser.add_argument("-k", metavar="REGEX", default="",
                        help="only rows whose name it is found in")
    parser.add_argument("--rtt", metavar="MS,...", default=[20, 0],
                        help="the round trips (20,0)",
                        type=lambda text: [float(x) for x in text.split(",")])
    parser.add_argument("--server", choices=sorted(GENERATIONS), default="n6",
                        help="n6: notebook 6 (default); s1: jupyter-server")
    parser.add_argument("-o", dest="options", metavar="OPTIONS", default="",
                        help="mount options for pycloud")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path,
                        help="write all samples there, too")
    parser.add_argument("--build", type=pathlib.Path, default="build/bench",
                        help="the build directory (build/bench)")
    return parser.parse_args()


def main():
    """Run what was asked for; print the table."""
    options = parse()
    options.build = options.build.resolve()
    chosen = [(function, rows) for function, rows in works.SCENARIOS
              if any(re.search(options.k, row) for row in rows)]
    rows = [row for row in works.ROWS if re.search(options.k, row)
            and any(row in of_one for _, of_one in chosen)]
    if not rows:
        sys.exit(f"bench: no row matches {options.k}")
    harness.become_subreaper()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    results = Results()
    with World(options) as world:
        try:
            measure(world, options, chosen, results)
        except KeyboardInterrupt:
            results.fail(0, "all", "the rest", "interrupted")
    print(table(options, results, rows))
    if options.json:
        options.json.write_text(as_json(options, results, rows) + "\n")
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
