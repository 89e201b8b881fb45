"""What a run leaves: files, notebooks, figures, and much output.

PYCLOUD_RESULTS=200 for that many of the first."""

import hashlib
import importlib.util
import json
import os
import subprocess

import pytest

from harness import wait_until

RESULTS = int(os.environ.get("PYCLOUD_RESULTS", "20"))
MIB = 1024 * 1024
# 105 MB; each line is unlike the others.
MANY_LINES = """
import sys
out = sys.stdout
for start in range(0, 5_000_000, 50_000):
    out.write("".join(f"line {n:>14}\\n"
                      for n in range(start, start + 50_000)))
"""


def test_result_file_is_right_at_the_end_of_the_run(server, tree):
    server.write("make.py", "import sys\nwith open('out.csv', 'w') as out:\n"
                 "    out.write(sys.argv[1] * 1000)\nprint('made')\n")
    for number in range(RESULTS):
        shown = subprocess.run(
            f"echo make.py {number:04} > .run; cat .run; cat out.csv",
            shell=True, cwd=tree, check=True, capture_output=True, text=True,
            timeout=60).stdout
        assert shown == "made\n" + f"{number:04}" * 1000


def test_results_appear_while_the_run_goes_on(server, tree, scratch):
    gate = scratch / "gate"
    os.mkfifo(gate)
    server.write("result.txt", "before")
    server.write("make.py", "import sys\n"
                 "open('result.txt', 'w').write('new')\n"
                 "open('other.txt', 'w').write('new')\n"
                 "print('made', flush=True)\nopen(sys.argv[1]).read()\n")
    assert (tree / "result.txt").read_text() == "before"
    assert not (tree / "other.txt").exists()
    (tree / ".run").write_text(f"make.py {gate}\n")
    with open(tree / ".run", "rb", buffering=0) as output:
        assert output.read(1) == b"m"
        wait_until(lambda: (tree / "result.txt").read_text() == "new"
                   and (tree / "other.txt").exists(), "the results", 4)
        with open(gate, "w"):
            pass
        while output.read(100):
            pass


@pytest.mark.parametrize("command", [
    ["tail", "-f", ".run"], ["cat", ".run"],
    ["cat", ".pycloud/runs/last/output"]])
def test_followers_show_the_output_as_it_comes(server, tree, scratch, command):
    gate = scratch / "gate"
    os.mkfifo(gate)
    server.write("slow.py", "import sys\nprint('first', flush=True)\n"
                 "open(sys.argv[1]).read()\nprint('second', flush=True)\n"
                 "open(sys.argv[1]).read()\n")
    (tree / ".run").write_text(f"slow.py {gate}\n")
    wait_until(lambda: (tree / ".run").stat().st_size >= 6, "the first line")
    with subprocess.Popen(command, cwd=tree, stdout=subprocess.PIPE) as show:
        assert show.stdout.readline() == b"first\n"
        with open(gate, "w"):
            pass
        assert show.stdout.readline() == b"second\n"
        with open(gate, "w"):
            pass
        show.terminate()


def test_much_output_is_the_scripts_to_the_byte_in_little_memory(
        mount, server):
    server.write("much.py", MANY_LINES)
    there = subprocess.run(["/usr/bin/python3", "much.py"], cwd=server.root,
                           check=True, capture_output=True).stdout
    (mount.path / ".run").write_text("much.py\n")
    seen, size = hashlib.sha256(), 0
    with open(mount.path / ".run", "rb") as output:
        while piece := output.read(MIB):
            seen.update(piece)
            size += len(piece)
    assert size == len(there)
    assert seen.digest() == hashlib.sha256(there).digest()
    if not mount.is_sanitized():
        assert mount.memory_kib("VmHWM") < 64 * 1024


def cell(source, **more):
    """A code cell."""
    return dict({"cell_type": "code", "metadata": {}, "outputs": [],
                 "execution_count": None, "source": source}, **more)


def write_notebook(server, name, *cells):
    """A notebook with a number and a key that nobody knows."""
    text = json.dumps({
        "cells": list(cells), "nbformat": 4, "nbformat_minor": 4,
        "metadata": {"kernelspec": {"name": "python3", "language": "python",
                                    "display_name": "Python 3"},
                     "strange": 0.1}}, indent=1).replace("0.1", "1.10e0")
    server.write(name, text + "\n")


def run(tree, line):
    """The output and the exit status of a run."""
    (tree / ".run").write_text(line + "\n")
    output = (tree / ".run").read_text()
    return output, (tree / ".pycloud/runs/last/exit").read_text().strip()


def test_notebook_is_executed_and_keeps_its_outputs(server, tree):
    write_notebook(server, "analysis.ipynb", cell("x = 6\nprint('text')"),
                   cell("x * 7"))
    assert (tree / "analysis.ipynb").read_text()
    output, status = run(tree, "analysis.ipynb")
    assert status == "0", output
    assert output == "text\n42\n"
    text = (tree / "analysis.ipynb").read_text()
    assert text == (server.root / "analysis.ipynb").read_text()
    assert '"strange": 1.10e0' in text
    first, second = json.loads(text)["cells"]
    assert "".join(first["outputs"][0]["text"]) == "text\n"
    assert "".join(second["outputs"][0]["data"]["text/plain"]) == "42"


def test_notebook_stops_at_the_first_error(server, tree):
    write_notebook(server, "broken.ipynb", cell("print('one')"),
                   cell("1 / 0"), cell("print('three')"))
    output, status = run(tree, "broken.ipynb")
    assert status == "1"
    assert "one\n" in output and "ZeroDivisionError" in output
    assert "three" not in output
    cells = json.loads((tree / "broken.ipynb").read_text())["cells"]
    assert cells[1]["outputs"][0]["ename"] == "ZeroDivisionError"
    assert cells[2]["outputs"] == []


def test_notebook_that_is_not_there_is_enoent(tree):
    with pytest.raises(FileNotFoundError):
        (tree / ".run").write_text("none.ipynb\n")


@pytest.mark.skipif(
    not importlib.util.find_spec("matplotlib"),
    reason="matplotlib is not installed (package python3-matplotlib)")
def test_figures_of_a_script_are_files_of_its_run(server, tree):
    server.write("plot.py", "import matplotlib.pyplot as plt\n"
                 "plt.plot([1, 2])\nplt.show()\n"
                 "plt.figure()\nplt.plot([2, 1])\nprint('done')\n")
    output, status = run(tree, "plot.py")
    assert (output, status) == ("done\n", "0")
    figures = tree / ".pycloud/runs/last/figures"
    names = sorted(os.listdir(figures))
    assert names == ["figure-1.png", "figure-2.png"]
    for name in names:
        picture = (figures / name).read_bytes()
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        assert picture.endswith(b"IEND\xaeB`\x82")
        assert (figures / name).stat().st_size == len(picture)
    assert os.listdir(server.root) == ["plot.py"]
