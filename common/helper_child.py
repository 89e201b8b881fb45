"""What the child of a run is: its command line, its environment, and the files
of ours that it needs in the pod.
"""
import errno
import hashlib
import importlib.util
import os
import re
import shutil
import stat
import sys
import tempfile

OURS = re.compile(r"JPY_|JUPYTER_TOKEN$")
NOTEBOOK = ("notebook_text", "notebook_outputs", "notebook_kernel",
            "notebook_run")


# --- the command line -------------------------------------------------------

def parse(argv: list) -> tuple:
    """What follows `python3`: where its script is, or None (-m, -c, -,
    nothing), and the letters of the options before it."""
    words = iter(enumerate(argv))
    letters = ""
    for at, word in words:
        if word == b"-":
            break
        if not word.startswith(b"-"):
            return at, letters
        if word.startswith(b"--"):
            if word == b"--check-hash-based-pycs":
                next(words, None)
            continue
        for i, letter in enumerate(word[1:].decode("latin-1"), 2):
            letters += letter
            if letter in "cm":
                return None, letters
            if letter in "WX":
                if i == len(word):
                    next(words, None)
                break
    return None, letters


def find_script(argv: list):
    return parse(argv)[0]


def is_notebook(argv: list) -> bool:
    at = find_script(argv)
    return at is not None and argv[at].endswith(b".ipynb")


def check_script(argv: list, directory: bytes) -> None:
    """OSError when what is to run is not there, or makes no sense."""
    at = find_script(argv)
    if at is None:
        return
    path = os.path.join(directory, argv[at])
    if stat.S_ISDIR(os.stat(path).st_mode):
        raise OSError(errno.EISDIR, "a directory")
    if is_notebook(argv) and argv[at + 1:]:
        raise OSError(errno.EINVAL, "a notebook takes no arguments")


def reads_site(argv: list) -> bool:
    """Will that Python read PYTHONPATH and sitecustomize?"""
    return not set("EIS") & set(parse(argv)[1])


# --- the environment --------------------------------------------------------

def child_environment() -> dict:
    """The environment the kernel was started with: ipykernel has since put
    colours and its own matplotlib backend into os.environ."""
    try:
        with open("/proc/self/environ", "rb") as f:
            pairs = [p.partition(b"=") for p in f.read().split(b"\0") if p]
        env = {k: v for k, _, v in pairs if k}
    except OSError:
        env = dict(os.environb)
    env = {k: v for k, v in env.items() if not OURS.match(os.fsdecode(k))}
    env[b"PYTHONUNBUFFERED"] = b"1"
    return env


def has_matplotlib() -> bool:
    try:
        spec = importlib.util.find_spec("matplotlib")
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin is not None


class Children:
    """Makes the commands of runs; the files they need are in folders beside
    the runs', each named after what is in it."""

    def __init__(self, texts: dict) -> None:
        self.texts = texts
        self.has_figures = None  # not asked yet

    def command(self, argv: list, folder: str) -> tuple:
        """(argv, env) of `python3 ARGV...`, recorded in that folder."""
        env = child_environment()
        python = os.fsencode(sys.executable)
        if is_notebook(argv):
            *options, notebook = argv
            files = install(folder, {n + ".py": self.texts[n]
                                     for n in NOTEBOOK})
            runner = os.path.join(os.fsencode(files), b"notebook_run.py")
            return [python, runner, notebook, *options], env
        if reads_site(argv):
            self._add_figures(env, folder)
        return [python, *argv], env

    def _add_figures(self, env: dict, folder: str) -> None:
        """Has the child save matplotlib's figures (figure_hook.py)."""
        if self.has_figures is None:
            self.has_figures = has_matplotlib()
        if not self.has_figures:
            return
        try:
            files = os.fsencode(install(
                folder, {"sitecustomize.py": self.texts["figure_hook"]}))
        except OSError:
            return  # a full disk: rather a run without figures than none
        if b":" in files:
            return  # PYTHONPATH cannot name it
        env[b"PYCLOUD_FIGURES"] = os.fsencode(folder)
        before = env.get(b"PYTHONPATH")
        if before is not None:
            env[b"PYCLOUD_PYTHONPATH"] = before
        env[b"PYTHONPATH"] = files + (b":" + before if before else b"")


def install(run_folder: str, files: dict) -> str:
    """A folder with those files, beside that of all runs; it appears whole."""
    place = os.path.dirname(os.path.dirname(run_folder))
    text = "".join(name + "\0" + files[name] for name in sorted(files))
    folder = os.path.join(place, "lib-" + hashlib.sha256(
        text.encode()).hexdigest()[:16])
    if is_whole(folder, files):
        return folder
    new = tempfile.mkdtemp(prefix="new-", dir=place)
    try:
        for name, source in files.items():
            with open(os.path.join(new, name), "w") as f:
                f.write(source)
        if os.path.isdir(folder):  # whoever cleans /tmp left some of it
            os.rename(folder, os.path.join(new, "old"))
        os.rename(new, folder)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        if not is_whole(folder, files):  # nobody else made it meanwhile
            raise
    return folder


def is_whole(folder: str, files: dict) -> bool:
    return all(os.path.exists(os.path.join(folder, name)) for name in files)
