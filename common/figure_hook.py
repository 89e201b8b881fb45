"""The sitecustomize of a run whose Python has matplotlib: saves its figures.

What plt.show() shows, and what is open when the script ends, becomes a PNG in
the run's folder, figure-1.png and so on, of which the supervisor is told over
the FIFO `ctl`. Until the script imports matplotlib.pyplot nothing happens but
this: the helper's traces are removed (PYTHONPATH, PYCLOUD_*, sys.path), and
the sitecustomize that Python would have found is executed as if by Python.
"""
import os
import sys

FIGURES_MAX = 100
FIGURE_BYTES_MAX = 64 << 20
TAKEN_LOOKS = 1000  # a millisecond each


class PyplotFinder:
    """Notices that matplotlib.pyplot is imported, once."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def find_spec(self, name, path=None, target=None):
        if name != "matplotlib.pyplot":
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            find_spec = getattr(finder, "find_spec", None)
            spec = find_spec and find_spec(name, path, target)
            if spec is not None:
                self._watch(spec.loader)
                return spec
        return None

    def _watch(self, loader) -> None:
        scope = {"loader": loader, "done": self._loaded}
        # The interpreter leaves frames of this name out of tracebacks.
        exec(compile("def _call_with_frames_removed(module):\n"
                     "    del loader.exec_module\n"
                     "    loader.exec_module(module)\n"
                     "    done(module)\n",
                     "<frozen importlib._bootstrap>", "exec"), scope)
        try:
            loader.exec_module = scope["_call_with_frames_removed"]
        except AttributeError:
            pass

    def _loaded(self, pyplot) -> None:
        try:
            self._patch(pyplot)
        except Exception as e:  # a matplotlib unlike those we know
            print("pycloud: figures are not saved: %s" % e, file=sys.stderr)

    def _patch(self, pyplot) -> None:
        import atexit
        import functools

        album = Album(self.folder, pyplot)
        original = pyplot.show

        @functools.wraps(original)
        def show(*args, **kwargs):
            if not album.is_ours():
                return original(*args, **kwargs)
            if sys._getframe(1).f_globals is not vars(pyplot):  # pause()
                album.show(kwargs.get("block", args[0] if args else None))
            return None

        self._replace_switch(pyplot, album)
        pyplot.show = show
        atexit.register(album.save_all)

    @staticmethod
    def _replace_switch(pyplot, album) -> None:
        """A backend that needs a display becomes one that draws files."""
        import functools

        original = pyplot.switch_backend

        @functools.wraps(original)
        def switch_backend(*args, **kwargs):
            try:
                original(*args, **kwargs)
            except ImportError:
                if not album.is_ours():
                    raise
                original("agg")

        pyplot.switch_backend = switch_backend


class Album:
    """The figures of this process; its forks have none."""

    def __init__(self, folder: str, pyplot) -> None:
        from weakref import WeakKeyDictionary
        self.folder = folder
        self.pyplot = pyplot
        self.managers = pyplot._pylab_helpers.Gcf.figs
        self.pid = os.getpid()
        self.count = 0
        self.is_full = False
        self.saved = WeakKeyDictionary()  # what each looked like

    def is_ours(self) -> bool:
        return os.getpid() == self.pid

    def show(self, block) -> None:
        """As if windows were shown and, if show() waits for that, closed."""
        self.save_all()
        if block or (block is None and not self.pyplot.isinteractive()):
            self.pyplot.close("all")

    def save_all(self) -> None:
        if not self.is_ours():
            return
        for number in sorted(self.managers):
            if self.count == FIGURES_MAX:
                self._say_full("more than %d figures" % FIGURES_MAX)
                return
            try:
                self._save(self.managers[number].canvas.figure)
            except Exception as e:
                print("pycloud: figure %s was not saved: %s" % (number, e),
                      file=sys.stderr)

    def _save(self, figure) -> None:
        import zlib

        new = os.path.join(self.folder, "figure.new")
        try:
            figure.savefig(new, format="png")
            if os.path.getsize(new) > FIGURE_BYTES_MAX:
                self._say_full("a figure of more than %d MiB"
                               % (FIGURE_BYTES_MAX >> 20))
                return
            with open(new, "rb") as f:
                look = zlib.crc32(f.read())
            if self.saved.get(figure) == look:
                return
            name = "figure-%d.png" % (self.count + 1)
            os.rename(new, os.path.join(self.folder, name))
        finally:
            if os.path.exists(new):
                os.unlink(new)
        self.saved[figure] = look
        self.count += 1
        self._tell(name)

    def _tell(self, name: str) -> None:
        """And waits until it is taken, or what is printed next comes first."""
        import time

        path = os.path.join(self.folder, name)
        try:
            fd = os.open(os.path.join(self.folder, "ctl"),
                         os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.write(fd, b"figure %s\n" % name.encode())
            finally:
                os.close(fd)
        except OSError:
            return  # the supervisor looks for it at the end
        for _ in range(TAKEN_LOOKS):
            if not os.path.exists(path):
                break
            time.sleep(0.001)

    def _say_full(self, what: str) -> None:
        if not self.is_full:
            print("pycloud: %s; not all are saved" % what, file=sys.stderr)
        self.is_full = True


def take_over() -> None:
    """Leaves everything as if the helper had set nothing."""
    ours = os.path.dirname(os.path.abspath(__file__))
    folder = os.environ.pop("PYCLOUD_FIGURES", None)
    before = os.environ.pop("PYCLOUD_PYTHONPATH", None)
    if folder is not None:
        if before is None:
            os.environ.pop("PYTHONPATH", None)
        else:
            os.environ["PYTHONPATH"] = before
    if ours in sys.path:
        sys.path.remove(ours)
    sys.path_importer_cache.pop(ours, None)
    # Only the run's own process, which is the leader of its session.
    if folder is not None and os.getsid(0) == os.getpid():
        sys.meta_path.insert(0, PyplotFinder(folder))
    del sys.modules["sitecustomize"]


take_over()
# Not there: Python is told so, as it would have been.
__import__("sitecustomize")
