"""Figures of matplotlib become frames of the record, and nothing else that a
script sees changes.
"""
import importlib.util
import json
import os

import pytest

from pod import FIGURE, STDERR, STDOUT, code, helper_child, run_to_end

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None,
    reason="matplotlib is not installed")
PNG = b"\x89PNG\r\n\x1a\n"
PLOT = "import matplotlib.pyplot as plt\n"


def names(client, run):
    figures = client.figures(run)
    assert all(data.startswith(PNG) for data in figures.values())
    return list(figures)


def album(client, text, **kw):
    """(names, output, end) of a script."""
    run, end = run_to_end(client, "-c", text, **kw)
    return names(client, run), client.output(run), end


@pytest.mark.parametrize("ending, exit_status", [
    ("", 0), ("import sys; sys.exit(3)", 3), ("1/0", 1),
    ("raise KeyboardInterrupt", None)])
def test_figures_left_open_are_saved_at_exit(client, ending, exit_status):
    found, _, end = album(client, PLOT + "plt.plot([1, 2])\nplt.figure()\n"
                          "plt.plot([2, 1])\n" + ending)
    assert found == ["figure-1.png", "figure-2.png"]
    assert exit_status in (end["exit"], None)


def test_show_saves_all_that_are_open_and_closes_them(client):
    text = PLOT + ("plt.plot([1]); plt.figure(); plt.plot([2])\nplt.show()\n"
                   "print(plt.get_fignums())\nplt.plot([3]); plt.show()\n")
    found, out, _ = album(client, text)
    assert found == ["figure-%d.png" % i for i in (1, 2, 3)]
    assert out == {STDOUT: b"[]\n"}


@pytest.mark.parametrize("first", [
    "import matplotlib; matplotlib.use('Agg')\n",
    "from pylab import *\nimport matplotlib\nmatplotlib.use('Agg')\n",
    "import warnings; warnings.simplefilter('error')\n"])
def test_show_prints_nothing(client, first):
    text = first + PLOT + "plt.plot([1, 2])\nplt.show()\n"
    found, out, end = album(client, text)
    assert (found, out, end["exit"]) == (["figure-1.png"], {}, 0)


@pytest.mark.parametrize("order", ["{use}{plot}", "{plot}{use}"])
def test_backend_that_needs_a_display_draws_files(client, order):
    use = "import matplotlib; matplotlib.use('TkAgg')\n"
    found, out, end = album(client, order.format(use=use, plot=PLOT)
                            + "plt.plot([1, 2])\nplt.show()\n")
    assert (found, out, end["exit"]) == (["figure-1.png"], {}, 0)


def test_show_of_pylab_is_the_same(client):
    found, out, _ = album(client, "from pylab import *\nplot([1])\nshow()\n"
                          "print(get_fignums())")
    assert (found, out) == (["figure-1.png"], {STDOUT: b"[]\n"})


def test_show_that_does_not_wait_leaves_figures_open(client):
    text = PLOT + ("plt.plot([1, 2])\nplt.show(block=False)\nplt.pause(.01)\n"
                   "print(plt.get_fignums())\n%s")
    found, out, _ = album(client, text % "")
    assert (found, out) == (["figure-1.png"], {STDOUT: b"[1]\n"})
    found, _, _ = album(client, text % "plt.plot([5, 1])")
    assert found == ["figure-1.png", "figure-2.png"]
    found, _, _ = album(client, text % "plt.close()")
    assert found == ["figure-1.png"]


def test_figure_comes_after_what_was_printed_before(client):
    run, _ = run_to_end(client, "-c", PLOT + "print('a')\nplt.plot([1])\n"
                        "plt.show()\nprint('b')")
    kinds = [(kind, data) for kind, data in client.frames(run)
             if kind in (STDOUT, FIGURE)]
    order = [data[:1] for kind, data in kinds if data != b"\n"]
    assert order[0] == b"a" and order[-1] == b"b"
    assert set(order[1:-1]) == {b"f"}


SIGHT = r"""
import json, os, subprocess, sys
def sight():
    return [sys.path, dict(os.environ), sys.argv, sorted(sys.modules),
            sorted(sys.path_importer_cache), getattr(sys.modules.get(
            'sitecustomize'), '__file__', None), sys.flags[:]]
seen = sight()
child = subprocess.run([sys.executable, '-c', 'import sys, os; print('
    'sys.path[1:], dict(os.environ), sorted(sys.modules))'],
    stdout=subprocess.PIPE)
print(json.dumps([seen, child.stdout.decode()]))
"""


def sights(client, root, *options, **kw):
    (root / "sight.py").write_text(SIGHT)
    run, end = run_to_end(client, *options, "sight.py", "an argument", **kw)
    assert end["exit"] == 0, client.output(run)
    return json.loads(client.output(run)[STDOUT].decode())


@pytest.mark.parametrize("path", [None, "", "more", "more:other"])
@pytest.mark.parametrize("options", [[], ["-E"], ["-I"], ["-S"], ["-s"]])
def test_script_sees_nothing_of_it(helper, client, root, monkeypatch, path,
                                   options):
    (root / "more").mkdir()
    real = helper_child.child_environment

    def environment():
        env = real()
        env.pop(b"PYTHONPATH", None)
        if path is not None:
            env[b"PYTHONPATH"] = path.encode()
        return env

    monkeypatch.setattr(helper_child, "child_environment", environment)
    helper.children.has_figures = True
    hooked = sights(client, root, *options)
    helper.children.has_figures = False
    assert hooked == sights(client, root, *options)


def test_sitecustomize_of_others_is_executed(helper, client, root,
                                             monkeypatch):
    (root / "sitecustomize.py").write_text(
        "import sys; print(__name__, sys.modules[__name__].__file__)")
    monkeypatch.setattr(
        helper_child, "child_environment",
        lambda: {**os.environb, b"PYTHONPATH": os.fsencode(root)})
    _, out, _ = album(client, PLOT + "plt.plot([1])")
    assert out[STDOUT].split() == [
        b"sitecustomize", os.fsencode(root / "sitecustomize.py")]
    (root / "sitecustomize.py").write_text("1/0")
    helper.children.has_figures = True
    hooked = code(client, "0")
    helper.children.has_figures = False
    assert hooked[0][STDERR] == code(client, "0")[0][STDERR] != b""


def test_failing_import_has_its_own_traceback(helper, client, root):
    (root / "matplotlib").mkdir()
    (root / "matplotlib" / "__init__.py").write_text("")
    (root / "matplotlib" / "pyplot.py").write_text(
        "def f():\n    raise ValueError('no')\nf()\n")
    (root / "s.py").write_text("import matplotlib.pyplot\n")
    seen = []
    for helper.children.has_figures in (True, False):
        run, end = run_to_end(client, "s.py")
        seen.append((client.output(run)[STDERR], end["exit"]))
    assert seen[0] == seen[1]
    assert b"ValueError: no" in seen[0][0]


def test_unknown_matplotlib_is_left_alone(helper, client, root):
    (root / "matplotlib").mkdir()
    (root / "matplotlib" / "__init__.py").write_text("")
    (root / "matplotlib" / "pyplot.py").write_text("def show(): print(7)\n")
    (root / "s.py").write_text("import matplotlib.pyplot as p\np.show()\n")
    helper.children.has_figures = True
    run, end = run_to_end(client, "s.py")
    assert (client.output(run)[STDOUT], end["exit"]) == (b"7\n", 0)
    assert b"figures are not saved" in client.output(run)[STDERR]


def test_matplotlib_is_not_imported_for_a_script_that_does_not(client):
    _, out, _ = album(client, "import sys; print('matplotlib' in sys.modules,"
                      "'atexit' in sys.modules)")
    assert out[STDOUT].startswith(b"False")


@pytest.mark.parametrize("fork", [
    "import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)\n",
    "import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)\n"
    "else: plt.show()\n",
    "import multiprocessing\nm = multiprocessing.get_context('fork')\n"
    "p = m.Process(target=plt.show)\np.start(); p.join()\n"
    "with m.Pool(2) as pool: pool.map(abs, range(9))\n"])
def test_forks_do_not_save_figures_again(client, fork):
    found, _, end = album(client, PLOT + "plt.plot([1])\n" + fork)
    assert (found, end["exit"]) == (["figure-1.png"], 0)


def test_spawned_children_have_none(client, root):
    (root / "s.py").write_text(
        "import multiprocessing, subprocess, sys\n" + PLOT +
        "def draw():\n    plt.plot([1]); plt.show()\n"
        "if __name__ == '__main__':\n"
        "    p = multiprocessing.get_context('spawn').Process(target=draw)\n"
        "    p.start(); p.join()\n"
        "    subprocess.run([sys.executable, '-c', 'import matplotlib.pyplot"
        " as p; p.plot([1])'])\n    draw()\n")
    run, _ = run_to_end(client, "s.py")
    assert names(client, run) == ["figure-1.png"]


def test_number_of_figures_is_bounded_and_said_once(client):
    text = PLOT + ("fig = plt.figure(figsize=(1, 1),"
                   "dpi=10)\nfor i in range(130):\n    plt.show(block=False)\n"
                   "    fig.set_facecolor((i / 200, 0, 0))\n")
    found, out, end = album(client, text)
    assert len(found) == 100 and found[-1] == "figure-100.png"
    assert out[STDERR].count(b"\n") == 1 and b"100" in out[STDERR]
    assert end["exit"] == 0


def test_size_of_figures_is_bounded(client, helper):
    texts = helper.children.texts
    helper.children.texts = dict(texts, figure_hook=texts[
        "figure_hook"].replace("64 << 20", "1 << 20"))
    text = PLOT + ("import numpy\nfor n in (900, 10, 900):\n"
                   "    plt.figure(figsize=(n / 100, n / 100))\n"
                   "    plt.figimage(numpy.random.rand(n, n))\nplt.show()\n")
    found, out, _ = album(client, text)
    assert found == ["figure-1.png"]
    assert out[STDERR].count(b"MiB") == 1


def test_figure_that_cannot_be_drawn_is_said(client):
    found, out, end = album(client, PLOT + "plt.title('$\\\\frac$')\n"
                            "plt.figure(); plt.plot([1])\nplt.show()")
    assert found == ["figure-1.png"]
    assert b"was not saved" in out[STDERR]
    assert end["exit"] == 0


def test_figure_of_a_child_that_is_gone_at_once(client, root, helper):
    found, _, end = album(client, PLOT + "import os\nplt.plot([1])\n"
                          "plt.show()\nos._exit(7)")
    assert (found, end["exit"]) == (["figure-1.png"], 7)


def test_untold_figures_are_found_in_order(client, helper):
    text = ("import os, glob\nfolder = max(glob.glob(%r + '/*'),"
            "key=os.path.getmtime)\nfor i in (10, 9, 2):\n"
            "    with open(folder + '/figure-%%d.png' %% i, 'w') as f:\n"
            "        f.write(str(i))\n"
            "os.symlink('/etc/passwd', folder + '/figure-3.png')\n"
            "os.mkfifo(folder + '/figure-4.png')\n" % helper.runs_folder)
    run, end = run_to_end(client, "-c", text)
    assert list(client.figures(run).items()) == [
        ("figure-2.png", b"2"), ("figure-9.png", b"9"),
        ("figure-10.png", b"10")]
    assert end["exit"] == 0


def test_without_matplotlib_nothing_is_set(client, helper, monkeypatch):
    monkeypatch.setattr(helper_child, "has_matplotlib", lambda: False)
    code(client, "0")
    assert os.listdir(os.path.dirname(helper.runs_folder)) == ["runs"]
    assert helper.children.has_figures is False


@pytest.mark.parametrize("argv, reads", [
    (["s.py", "-E"], True), (["-E", "s.py"], False), (["-uI", "s.py"], False),
    (["-W", "-S", "s.py"], True), (["-WE", "s.py"], True), (["-S"], False),
    (["-m", "x", "-I"], True), (["-c", "x", "-I"], True), ([], True)])
def test_options_that_make_python_ignore_it(argv, reads):
    assert helper_child.reads_site([a.encode() for a in argv]) is reads
