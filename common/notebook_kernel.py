"""A fresh kernel for a notebook, by jupyter_client, and its channels.

The sockets are our own: a queue that is bounded drops what the kernel says,
and what jupyter_client offers differs from version to version. A kernel does
not outlive this process, however that ends.
"""
import ctypes
import os
import shutil
import signal
import sys
import tempfile
import time

import zmq
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, \
    NoSuchKernel

START_SECONDS = 120.0
ASK_SECONDS = 0.5
RECONNECT_MS = 10
PR_SET_PDEATHSIG = 1
IPC_PATH_MAX = 90  # a socket's may have 107 bytes
# A kernel's queue is bounded too, and what is too much is dropped.
KEEP_ALL = """\
try:
    (lambda iopub: iopub.schedule(
        lambda: setattr(iopub.socket, "sndhwm", 0)))(
            get_ipython().kernel.iopub_thread)
except Exception:
    pass
"""


# The kernel's debugger, which nobody uses, begins with a warning, and is
# loaded here too when ipykernel is asked which kernel it is.
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")


class KernelError(Exception):
    """Why there is no kernel (any more)."""


class OwnKernel(KernelSpecManager):
    """Has one kernel: the Python that executes this."""

    def get_kernel_spec(self, kernel_name):
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f",
                  "{connection_file}"], display_name="Python",
            language="python")


def choose(metadata: dict, say) -> dict:
    """Which kernel a notebook wants: arguments of KernelManager."""
    spec = metadata.get("kernelspec")
    spec = spec if isinstance(spec, dict) else {}
    info = metadata.get("language_info")
    info = info if isinstance(info, dict) else {}
    name = spec.get("name")
    language = spec.get("language") or info.get("name") or "python"
    if isinstance(name, str) and name:
        try:
            KernelSpecManager().get_kernel_spec(name)
            return {"kernel_name": name}
        except (NoSuchKernel, OSError, ValueError):
            pass
        if str(language).lower() not in ("python", "ipython"):
            raise KernelError("there is no kernel %s, for %s, here"
                              % (name, language))
        say("there is no kernel %s here; this is Python %s"
            % (name, sys.version.split()[0]))
    elif str(language).lower() not in ("python", "ipython"):
        raise KernelError("the notebook names no kernel, for %s" % language)
    return {"kernel_name": "python3", "kernel_spec_manager": OwnKernel()}


def die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Kernel:
    """Its process, and the sockets shell, iopub and stdin."""

    def __init__(self, chosen: dict, options: list, directory: str) -> None:
        # Files and sockets of our own: ports could be taken by others between
        # being chosen and being used.
        self.folder = tempfile.mkdtemp(prefix="pycloud-")
        where = os.path.join(self.folder, "kernel.json")
        if len(where) < IPC_PATH_MAX:
            chosen = dict(chosen, transport="ipc",
                          ip=os.path.join(self.folder, "ipc"))
        self.manager = KernelManager(connection_file=where, **chosen)
        self.context = zmq.Context()
        self.sockets = {}
        self.poller = zmq.Poller()
        self.stdin_monitor = None
        self._add_options(options)
        self.directory = directory

    def start(self) -> None:
        try:
            self.manager.start_kernel(cwd=self.directory,
                                      preexec_fn=die_with_parent)
        except Exception as e:
            raise KernelError("the kernel cannot be started: %s" % e)
        self.session = self.manager.session
        info = self.manager.get_connection_info()
        form = "ipc://%s-%s" if info["transport"] == "ipc" else "tcp://%s:%s"
        for name, kind in (("iopub", zmq.SUB), ("shell", zmq.DEALER),
                           ("stdin", zmq.DEALER)):
            made = self.sockets[name] = self.context.socket(kind)
            made.set_hwm(0)
            made.reconnect_ivl = RECONNECT_MS
            if kind == zmq.SUB:
                made.setsockopt(zmq.SUBSCRIBE, b"")
            else:  # the kernel asks for input whoever sent the code
                made.setsockopt(zmq.IDENTITY, self.session.bsession)
            if name == "stdin":  # where the kernel says nothing by itself
                self.stdin_monitor = made.get_monitor_socket(
                    zmq.EVENT_HANDSHAKE_SUCCEEDED)
                self.poller.register(self.stdin_monitor, zmq.POLLIN)
            made.connect(form % (info["ip"], info[name + "_port"]))
            self.poller.register(made, zmq.POLLIN)

    def is_alive(self) -> bool:
        return self.manager.is_alive()

    def send(self, channel: str, kind: str, content: dict) -> str:
        """Sends a message; its id."""
        sent = self.session.send(self.sockets[channel], kind, content)
        return sent["header"]["msg_id"]

    def receive(self, channel: str):
        """The next message that has come, or None."""
        while True:
            try:
                return self.session.recv(self.sockets[channel], zmq.NOBLOCK)[1]
            except (ValueError, KeyError, TypeError):
                pass  # none that we understand

    def watch(self, fd: int, is_watched: bool = True) -> None:
        """Has wait() look at a descriptor too, or not."""
        if is_watched and fd not in self.poller:
            self.poller.register(fd, zmq.POLLIN)
        elif not is_watched and fd in self.poller:
            self.poller.unregister(fd)

    def wait(self, seconds: float) -> set:
        """For messages or a descriptor; which are ready."""
        return {ready for ready, _ in self.poller.poll(seconds * 1000)}

    def await_ready(self, wait) -> None:
        """Until all channels are there; wait(seconds) passes the time."""
        end = time.monotonic() + START_SECONDS
        ask_at = 0.0
        silent = {"iopub", "shell", "stdin"}
        while silent:
            if not self.is_alive():
                raise KernelError("the kernel died while it started")
            now = time.monotonic()
            if now > end:
                raise KernelError("the kernel does not answer")
            if now >= ask_at:
                ask_at = now + ASK_SECONDS
                self.send("shell", "kernel_info_request", {})
            wait(ASK_SECONDS)
            silent -= {c for c in ("iopub", "shell")
                       if self.receive(c) is not None}
            if self.stdin_monitor.poll(0):
                silent.discard("stdin")
                self.stdin_monitor.recv_multipart()
        self.poller.unregister(self.stdin_monitor)
        if self._is_python():
            self.send("shell", "execute_request", {
                "code": KEEP_ALL, "silent": True, "store_history": False,
                "user_expressions": {}, "allow_stdin": False})

    def interrupt(self) -> None:
        self.manager.interrupt_kernel()

    def stop(self, is_hurry: bool) -> None:
        """Ends it, kindly unless in a hurry."""
        try:
            if self.manager.has_kernel:
                self.manager.shutdown_kernel(now=is_hurry)
        except Exception:
            pass  # it dies with us
        if self.stdin_monitor is not None:
            self.sockets["stdin"].disable_monitor()
            self.stdin_monitor.close(0)
        for made in self.sockets.values():
            made.close(0)
        self.context.term()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _add_options(self, options: list) -> None:
        """Options of Python, for a kernel that is Python."""
        if not options:
            return
        if not self._is_python():
            raise KernelError("that kernel takes no options of python3")
        spec = self.manager.kernel_spec
        spec.argv = [spec.argv[0], *options, *spec.argv[1:]]

    def _is_python(self) -> bool:
        spec = self.manager.kernel_spec
        return spec is not None and "ipykernel_launcher" in spec.argv
