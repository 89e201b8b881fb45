"""The files that the work is done on: the same bytes in every run."""

import os
import pathlib
import random
import shutil
import subprocess

DIRECTORIES = 100
FILES_EACH = 10
BIG_BYTES = 128 << 20
FLOOD_BYTES = 100_000_000
SMALL_FILES = 300
SMALL_EACH = 30
NEEDLE = "a needle in the haystack"
WORDS = ("def return import self value list name path data index print open "
         "while for in range not None True False class lambda yield").split()

# A million lines of a hundred bytes.
FLOOD = f"""for number in range({FLOOD_BYTES // 100}):
    print(f"{{number:08}} {{'and so on ' * 9}}")
"""
TICKS = 20
# Far enough apart that none is waited for while another is under way.
TICKER = f"""import os, time
for _ in range({TICKS}):
    time.sleep(0.15)
    os.write(1, b"%.6f\\n" % time.time())
"""


def text(rng, size):
    """Something like source code, of about that size."""
    lines = []
    while size > 0:
        line = " " * rng.choice((0, 4, 8)) + " ".join(
            rng.choice(WORDS) for _ in range(rng.randint(1, 9)))
        lines.append(line)
        size -= len(line) + 1
    return "\n".join(lines) + "\n"


def make_tree(root, seed, count, each):
    """`count` small text files, `each` to a directory; a tenth of them hold
    the needle."""
    rng = random.Random(seed)
    for number in range(count):
        path = root / f"package{number // each:02}" / f"module{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = text(rng, rng.choice((200, 500, 1000, 2000, 4000, 8000)))
        if number % 10 == 3:
            content += f"# {NEEDLE} {number}\n"
        path.write_text(content)


def make_big(path):
    """A big file of bytes that cannot be compressed."""
    path.write_bytes(random.Random(4).randbytes(BIG_BYTES))


def make_repository(root):
    """A clean git repository, packed as a clone is."""
    make_tree(root, 2, DIRECTORIES * FILES_EACH, FILES_EACH)
    for command in (["init", "-q", "-b", "main"], ["add", "."],
                    ["commit", "-q", "-m", "All there is"], ["gc", "-q"]):
        git(root, *command)


def git(root, *arguments):
    """What git says, without the user's settings."""
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, timeout=900,
        capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent",
             "GIT_CONFIG_NOSYSTEM": "1", "LANG": "C.UTF-8",
             "GIT_AUTHOR_NAME": "Bench", "GIT_AUTHOR_EMAIL": "bench@invalid",
             "GIT_COMMITTER_NAME": "Bench",
             "GIT_COMMITTER_EMAIL": "bench@invalid"}).stdout


def contents(root):
    """relative name -> bytes, of every file below root."""
    root = pathlib.Path(root)
    return {str(path.relative_to(root)): path.read_bytes()
            for path in root.rglob("*") if path.is_file()}


def remake(path):
    """An empty directory there, whatever was there before."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
