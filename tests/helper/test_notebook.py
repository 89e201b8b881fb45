"""Notebooks are executed: real kernels, by the helper's runs."""
import importlib
import json
import os
import pathlib
import re
import select
import signal
import stat
import sys

import pytest

from pod import DEADLINE, STDERR, STDOUT, Gate, run_to_end
from test_notebook_text import book, cell

pytest.importorskip("ipykernel", reason="ipykernel is not installed")
WAIT = Gate.wait_code[:-1] + ";\n"  # it shows nothing
notebook_run = importlib.import_module("notebook_run")
PYTHON = {"kernelspec": {"name": "python3", "language": "python",
                         "display_name": "Python 3"}}


def write(path, *cells, **more):
    more.setdefault("metadata", PYTHON)
    path.write_text(json.dumps(book(*cells, **more), indent=1) + "\n")


def outputs(path):
    """[[what each output of a cell shows]] of a file."""
    def show(output):
        if output["output_type"] == "stream":
            return "".join(output["text"])
        if output["output_type"] == "error":
            return output["ename"]
        return "".join(output["data"].get("text/plain", []))
    return [[show(o) for o in c.get("outputs", ())]
            for c in json.loads(path.read_text())["cells"]]


def run_notebook(client, root, *cells, argv=("nb.ipynb",), **more):
    write(root / "nb.ipynb", *cells, **more)
    run, end = run_to_end(client, *argv)
    out = client.output(run)
    return (out.get(STDOUT, b"").decode(), out.get(STDERR, b"").decode(),
            end)


def kernels(root):
    """Those that execute a notebook of the workspace."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            if os.readlink(process / "cwd").startswith(str(root)) \
                    and b"ipykernel_launcher" in command:
                found.append(int(process.name))
        except OSError:
            pass
    return found


@pytest.fixture(autouse=True)
def no_kernel_is_left(root):
    yield
    assert kernels(root) == []


def test_cells_are_executed_and_outputs_are_put_in(client, root):
    (root / "sub").mkdir()
    write(root / "sub" / "nb.ipynb",
          cell("import sys, os\nprint('hello', os.getcwd())\n1 + 1"),
          dict(cell_type="markdown", metadata={}, source="# text"),
          cell("print('e', file=sys.stderr); display({'a': 1})"),
          cell("  \n", outputs=[], execution_count=None),
          cell("%%bash\necho from bash"),
          cell("%%python\nprint('from python')"))
    run, end = run_to_end(client, "-W", "default", "sub/nb.ipynb")
    out = client.output(run)
    assert out == {STDERR: b"e\n", STDOUT: (
        "hello %s\n2\n{'a': 1}\nfrom bash\nfrom python\n"
        % (root / "sub")).encode()}
    assert end["exit"] == 0
    path = root / "sub" / "nb.ipynb"
    assert outputs(path) == [
        ["hello %s\n" % (root / "sub"), "2"], [], ["e\n", "{'a': 1}"], [],
        ["from bash\n"], ["from python\n"]]
    made = json.loads(path.read_text())["cells"]
    assert [c.get("execution_count") for c in made] == [
        1, None, 2, None, 3, 4]
    assert os.listdir(path.parent) == ["nb.ipynb"]


def test_text_comes_while_a_cell_goes_on(client, root, gate):
    write(root / "nb.ipynb", cell("print('first')\n" + WAIT))
    run, _ = client.start("nb.ipynb")
    client.await_output(run, {STDOUT: b"first\n"})
    gate.open()
    assert client.finish(run)["exit"] == 0


def test_failing_cell_stops_the_run(client, root):
    old = [{"name": "stdout", "output_type": "stream", "text": ["old"]}]
    out, err, end = run_notebook(
        client, root, cell("print(1)"), cell("print(2)\n1/0", outputs=old),
        cell("print(3)", outputs=old, execution_count=9))
    assert (out, end["exit"]) == ("1\n2\n", 1)
    assert "ZeroDivisionError: division by zero" in err
    assert "\x1b" not in err
    assert outputs(root / "nb.ipynb") == [
        ["1\n"], ["2\n", "ZeroDivisionError"], ["old"]]
    last = json.loads((root / "nb.ipynb").read_text())["cells"][-1]
    assert last["execution_count"] == 9


def test_cell_that_may_fail_does_not_stop_it(client, root):
    tags = {"tags": ["raises-exception"]}
    out, err, end = run_notebook(
        client, root, cell("1/0", metadata=tags), cell("print(3)"),
        cell("never", metadata={"tags": ["skip-execution"]}))
    assert (out, end["exit"]) == ("3\n", 0)
    assert "ZeroDivisionError" in err


def test_exit_ends_the_notebook(client, root):
    out, _, end = run_notebook(client, root, cell("print(1)\nexit()"),
                               cell("print(2)"))
    assert (out, end["exit"]) == ("1\n", 0)
    assert outputs(root / "nb.ipynb") == [["1\n"], []]


def test_images_displays_and_clearing(client, root):
    out, _, _ = run_notebook(
        client, root,
        cell("from IPython.display import clear_output, Image, display\n"
             "h = display('one', display_id=True)"),
        cell("h.update('two')\nprint('a')\nclear_output(wait=True)\n"
             "print('b')"),
        cell("Image(data=b'\\x89PNG\\r\\n\\x1a\\n', format='png')"),
        cell("display({'application/json': {'x': [1.5, None]}}, raw=True)"))
    assert out.startswith("'one'\na\nb\n<")
    seen = outputs(root / "nb.ipynb")
    assert seen[:2] == [["'two'"], ["b\n"]]
    made = json.loads((root / "nb.ipynb").read_text())["cells"]
    assert made[2]["outputs"][0]["data"]["image/png"].startswith("iVBORw0K")
    assert made[3]["outputs"][0]["data"] == {
        "application/json": {"x": [1.5, None]}}


def test_figures_are_put_into_the_notebook(client, root):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    pytest.importorskip("matplotlib_inline", reason="no inline backend")
    _, err, end = run_notebook(
        client, root, cell("import matplotlib.pyplot as plt\nplt.plot([1])\n"
                           "plt.show()"))
    made = json.loads((root / "nb.ipynb").read_text())["cells"]
    assert "image/png" in made[0]["outputs"][-1]["data"]
    assert (err, end["exit"]) == ("", 0)


def test_input_is_answered_line_by_line(client, root):
    write(root / "nb.ipynb",
          cell("import getpass\na = input('name? ')\nb = getpass.getpass()"),
          cell("print(a, b)\ninput()"), cell("print(input())"),
          cell("try:\n    input()\nexcept EOFError:\n    print('end')"))
    run, _ = client.start("nb.ipynb")
    client.await_output(run, {STDOUT: b"name? "})
    client.call("feed", "Zoë\nsecret\n\nla".encode(), run=run, offset=0,
                eof=False)
    client.call("feed", b"st", run=run, offset=15, eof=True)
    assert client.finish(run)["exit"] == 0
    # getpass() asks with the prompt it is given: none.
    assert client.output(run) == {
        STDOUT: "name? Zoë secret\n''\nlast\nend\n".encode()}


def test_flood_of_messages_loses_none(client, root):
    """Not even while the runner stands still."""
    out, _, end = run_notebook(
        client, root,
        cell("import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)\n"
             "for i in range(5000): display(i)\n"
             "os.kill(os.getppid(), signal.SIGCONT)"),
        cell("for i in range(20000): print(i)"))
    assert end["exit"] == 0
    assert out.split() == [str(i) for n in (5000, 20000) for i in range(n)]
    made = outputs(root / "nb.ipynb")
    assert made[0] == [str(i) for i in range(5000)]
    assert "".join(made[1]).split() == out.split()[5000:]


def test_interrupt_ends_it_as_a_script(client, root):
    write(root / "nb.ipynb", cell("import signal\nprint(1)\nsignal.pause()"),
          cell("print(2)"))
    run, _ = client.start("nb.ipynb")
    client.await_output(run, {STDOUT: b"1\n"})
    client.call("signal", run=run, number=signal.SIGINT)
    end = client.finish(run)
    assert (end["exit"], end["signal"]) == (0, signal.SIGINT)
    assert b"KeyboardInterrupt" in client.output(run)[STDERR]
    assert outputs(root / "nb.ipynb") == [["1\n", "KeyboardInterrupt"], []]


def test_interrupt_that_a_cell_takes_goes_on(client, root):
    write(root / "nb.ipynb", cell(
        "import signal\nprint(1)\ntry:\n    signal.pause()\n"
        "except KeyboardInterrupt:\n    print('taken')"), cell("print(2)"))
    run, _ = client.start("nb.ipynb")
    client.await_output(run, {STDOUT: b"1\n"})
    client.call("signal", run=run, number=signal.SIGINT)
    assert client.finish(run)["exit"] == 0
    assert client.output(run)[STDOUT] == b"1\ntaken\n2\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_kernel_outlives_its_runner(client, root, number):
    write(root / "nb.ipynb", cell("import os, signal\nprint(os.getpid())\n"
                                  "signal.pause()"))
    run, _ = client.start("nb.ipynb")
    client.wait(lambda d: b"\n" in client.output(run).get(STDOUT, b""))
    kernel = os.pidfd_open(int(client.output(run)[STDOUT]))
    client.call("signal", run=run, number=number)
    assert client.finish(run)["signal"] == number
    assert select.select([kernel], [], [], DEADLINE)[0]
    os.close(kernel)
    if number == signal.SIGTERM:
        assert len(outputs(root / "nb.ipynb")[0]) == 1


def test_kernel_that_dies_is_said(client, root):
    out, err, end = run_notebook(
        client, root, cell("print(1)"),
        cell("import os, sys\nprint(2)\nsys.stdout.flush()\nos._exit(3)"),
        cell("print(3)"))
    assert end["exit"] == 1
    assert "the kernel died" in err
    assert outputs(root / "nb.ipynb")[0] == ["1\n"]
    assert outputs(root / "nb.ipynb")[2] == []


@pytest.mark.parametrize("data, message", [
    ("{\n 'a'", "nb.ipynb: not JSON: line 2"),
    ('{"nbformat": 3}', "nb.ipynb: its nbformat is 3"),
    (json.dumps(book(metadata={"kernelspec": {
        "name": "no-such", "language": "R"}})),
     "nb.ipynb: there is no kernel no-such, for R"),
    (json.dumps(book(metadata={"language_info": {"name": "julia"}})),
     "nb.ipynb: the notebook names no kernel, for julia")])
def test_what_cannot_be_executed_says_why(client, root, data, message):
    (root / "nb.ipynb").write_text(data)
    run, end = run_to_end(client, "nb.ipynb")
    assert message in client.output(run)[STDERR].decode()
    assert (end["exit"], end["signal"]) == (1, 0)
    assert (root / "nb.ipynb").read_text() == data


def test_unknown_python_kernel_is_replaced_by_ours(client, root):
    out, err, end = run_notebook(
        client, root, cell("import sys; print(sys.executable)"),
        metadata={"kernelspec": {"name": "my-env", "language": "python"}})
    assert (out, end["exit"]) == (sys.executable + "\n", 0)
    assert "no kernel my-env" in err


def test_options_are_for_the_kernel(client, root):
    out, _, _ = run_notebook(
        client, root, cell("import sys; print(sys.warnoptions, "
                           "sys.flags.optimize)"), metadata={},
        argv=("-OO", "-W", "ignore::UserWarning", "nb.ipynb"))
    assert out == "['ignore::UserWarning'] 2\n"


def test_file_keeps_its_mode_and_symlink(client, root):
    write(root / "real.ipynb", cell("print(1)"))
    os.chmod(root / "real.ipynb", 0o640)
    (root / "nb.ipynb").symlink_to("real.ipynb")
    _, end = run_to_end(client, "nb.ipynb")
    assert end["exit"] == 0
    assert (root / "nb.ipynb").is_symlink()
    assert stat.S_IMODE(os.stat(root / "real.ipynb").st_mode) == 0o640
    assert outputs(root / "real.ipynb") == [["1\n"]]


def test_file_that_somebody_changed_is_left_alone(client, root, gate):
    (root / "nb.executed.ipynb").write_text("taken")
    write(root / "nb.ipynb", cell("print(1)\n" + WAIT))
    run, _ = client.start("nb.ipynb")
    client.await_output(run, {STDOUT: b"1\n"})
    write(root / "nb.ipynb", cell("other"))
    os.chmod(root / "nb.ipynb", 0o600)
    gate.open()
    assert client.finish(run)["exit"] == 0
    assert outputs(root / "nb.ipynb") == [[]]
    assert outputs(root / "nb.executed-2.ipynb") == [["1\n"]]
    mode = os.stat(root / "nb.executed-2.ipynb").st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert b"nb.executed-2.ipynb" in client.output(run)[STDERR]
    assert (root / "nb.executed.ipynb").read_text() == "taken"


def test_outputs_are_put_in_while_it_goes_on(client, root, gate, helper):
    texts = helper.children.texts
    helper.children.texts = dict(texts, notebook_run=texts[
        "notebook_run"].replace("SAVE_SECONDS = 5.0", "SAVE_SECONDS = 0.0"))
    write(root / "nb.ipynb", cell("print(1)"),
          cell("print(2)\n" + WAIT), cell("print(3)"))
    run, _ = client.start("nb.ipynb")
    client.await_output(run, {STDOUT: b"1\n2\n"})
    assert outputs(root / "nb.ipynb") == [["1\n"], [], []]
    gate.open()
    client.finish(run)
    assert outputs(root / "nb.ipynb") == [["1\n"], ["2\n"], ["3\n"]]


def test_runner_is_kept_out_of_the_workspace(client, root, helper):
    write(root / "nb.ipynb", cell("import sys; print(sys.path)"))
    run, _ = run_to_end(client, "nb.ipynb")
    place = os.path.dirname(helper.runs_folder)
    assert place not in str(client.output(run))
    assert set(os.listdir(root)) == {"nb.ipynb"}


def test_several_notebooks_at_once(client, root):
    runs = []
    for i in range(4):
        write(root / ("%d.ipynb" % i), cell("print(%d)" % i))
        runs.append(client.start("%d.ipynb" % i)[0])
    for i, run in enumerate(runs):
        assert client.finish(run)["exit"] == 0
        assert client.output(run) == {STDOUT: b"%d\n" % i}


def test_saving_that_fails_is_said(root):
    """At once, or by a run: what counts is the last attempt."""
    path = root / "nb.ipynb"
    path.write_text("old")
    file = notebook_run.File(str(path))
    path.unlink()
    file.save(b"new")
    assert not path.exists()
    assert (root / "nb.executed.ipynb").read_bytes() == b"new"
    file.save(b"newer")
    assert (root / "nb.executed.ipynb").read_bytes() == b"newer"
    os.unlink(root / "nb.executed.ipynb")
    root.rename(root.parent / "gone")
    with pytest.raises(OSError):
        file.save(b"newest")
    (root.parent / "gone").rename(root)
    assert os.listdir(root) == []


def test_notebook_whose_folder_goes_away_fails(client, root, gate):
    (root / "sub").mkdir()
    write(root / "sub" / "nb.ipynb", cell("import os\nos.rename(os.getcwd(), "
                                          "os.getcwd() + '-moved')"))
    run, end = run_to_end(client, "sub/nb.ipynb")
    assert end["exit"] == 1
    assert b"could not be written" in client.output(run)[STDERR]
    assert os.listdir(root / "sub-moved") == ["nb.ipynb"]


def test_interrupt_before_the_kernel_is_there(client, root):
    write(root / "nb.ipynb", cell("print(1)"))
    run, reply = client.start("nb.ipynb")
    status = pathlib.Path("/proc/%d/status" % reply["pid"])
    caught = 0
    while not caught & 1 << signal.SIGTERM - 1:  # it is ready for signals
        caught = int(re.search(r"SigCgt:\s*(\w+)", status.read_text())[1], 16)
    client.call("signal", run=run, number=signal.SIGINT)
    end = client.finish(run)
    assert end["signal"] == signal.SIGINT
    assert STDOUT not in client.output(run)


def test_endless_flood_is_interrupted(client, root):
    write(root / "nb.ipynb", cell("while True: display(1)"))
    run, _ = client.start("nb.ipynb")
    client.wait(lambda d: len(client.output(run).get(STDOUT, b"")) > 5000)
    client.call("signal", run=run, number=signal.SIGINT)
    assert client.finish(run)["signal"] == signal.SIGINT
    seen = outputs(root / "nb.ipynb")[0]
    assert seen[-1] == "KeyboardInterrupt" and len(seen) > 2500
