"""The helper: what pycloud runs inside a kernel of the workspace.

It is sent over the kernel channel and executed there; nothing is written into
the user's tree. The client talks to it over a Jupyter comm (target "pycloud"):
a message's `data` says what, its first binary buffer carries bytes. Messages
to the client travel over the server's iopub channel, which drops them when it
is busy, and says nothing. So everything here can be asked again: a call that
is repeated (same id) gets its first answer again, output carries its offset in
the record, and `follow` starts sending from whatever offset the client has.

From the client; a verb with an `id` is answered {"reply": id, "error": name
or "", ...}, the name being errno's:

    start   id run directory [argv\\0argv...]   `python3 ARGV...`, and follows
    follow  id run offset     sends the record from there; answers its length
    ack     run offset        the client has everything up to there
    feed    id run offset eof [bytes]   standard input; offset: of its bytes
    signal  id run number     to the run's process group
    forget  run               stops sending; the run goes on

To the client:

    {"event": "hello", "version", "root", "python"}     answers comm_open
    {"event": "output", "run", "offset"} [bytes]   a piece of the record (see
                              supervisor.py; pieces end anywhere)
    {"event": "ended", "run", "length", "exit", "signal"}   after the last one
    {"event": "ended", "run", "error"}   it was lost, or cannot be followed

Never more than `window` bytes (comm_open's data) are sent beyond the last ack.

Threads: the kernel's own, which brings the client's messages; one per call
that starts something; and the pump, the only one that sends output. `lock`
guards what they share and is not held while sending.
"""
import errno
import os
import re
import shutil
import sys
import threading
import time

from helper_runs import (Bell, Run, Spare, check_script, child_environment,
                         make_room, runs_folder, workspace_root)

VERSION = 1
PIECE_BYTES = 512 * 1024
CALLS_KEEP = 1024
# The server drops iopub messages beyond 1000 in a second.
MESSAGES_PER_SECOND = 250.0
MESSAGES_AT_ONCE = 50.0
LOOK_SECONDS = 2.0


class Allowance:
    """How many messages may go out now: few at a time go at once, a flood is
    slowed down to what the server lets through."""

    def __init__(self) -> None:
        self.left = MESSAGES_AT_ONCE
        self.then = time.monotonic()

    def spend(self) -> None:
        now = time.monotonic()
        self.left = min(MESSAGES_AT_ONCE, self.left
                        + (now - self.then) * MESSAGES_PER_SECOND)
        self.then = now
        if self.left < 1:
            time.sleep((1 - self.left) / MESSAGES_PER_SECOND)
        self.left -= 1


class Helper:
    """The runs of this kernel and the one client that follows them."""

    def __init__(self, supervisor_source: str, root: str) -> None:
        self.root = root
        self.runs_folder = runs_folder(root)
        self.spare = Spare(supervisor_source)
        self.bell = Bell()
        self.allowance = Allowance()
        self.send_lock = threading.Lock()
        self.lock = threading.Lock()
        # Guarded by lock: the client, its window, its calls, and the runs.
        self.comm = None
        self.window = 4 << 20
        self.replies = {}
        self.runs = {}
        threading.Thread(target=self._pump, name="pycloud-pump",
                         daemon=True).start()
        self.in_background(self.spare.prepare)

    @staticmethod
    def in_background(function, *args) -> None:
        threading.Thread(target=function, args=args, daemon=True).start()

    def open(self, comm, message: dict) -> None:
        """A client has come; it replaces the one before it."""
        data = message["content"]["data"]
        with self.lock:
            self.comm = comm
            self.window = int(data.get("window", self.window))
            self.replies.clear()
            for run in self.runs.values():
                run.is_followed = False
        comm.on_msg(self.receive)
        self.send({"event": "hello", "version": VERSION, "root": self.root,
                   "python": sys.version.split()[0]})

    def send(self, data: dict, buffers=None) -> None:
        with self.send_lock:
            if self.comm is not None:
                self.comm.send(data, buffers=buffers)

    # -- calls

    def receive(self, message: dict) -> None:
        call = message["content"]["data"]
        buffers = [bytes(b) for b in message.get("buffers", [])]
        verb = getattr(self, "call_" + str(call.get("call")), None)
        if verb is None:
            self._reply(call, {"error": "ENOSYS"})
        elif not self._is_repeated(call):
            if call["call"] in ("start", "feed"):
                self.in_background(self._answer, verb, call, buffers)
            else:
                self._answer(verb, call, buffers)

    def _is_repeated(self, call: dict) -> bool:
        """A call that came before is not done again; its answer, if there is
        one by now, is sent again."""
        number = call.get("id")
        if number is None:
            return False
        with self.lock:
            is_repeated = number in self.replies
            reply = self.replies.setdefault(number, None)
            while len(self.replies) > CALLS_KEEP:
                del self.replies[next(iter(self.replies))]
        if reply is not None:
            self.send(reply)
        return is_repeated

    def _answer(self, verb, call: dict, buffers: list) -> None:
        try:
            reply = verb(call, *buffers) or {}
            reply["error"] = ""
        except OSError as e:
            reply = {"error": errno.errorcode.get(e.errno, "EIO")}
        except (KeyError, TypeError, ValueError):
            reply = {"error": "EINVAL"}
        if call["call"] == "follow" and reply["error"]:
            reply.update(event="ended", run=call.get("run", ""))
        self._reply(call, reply)

    def _reply(self, call: dict, reply: dict) -> None:
        if "id" in call:
            reply["reply"] = call["id"]
            with self.lock:
                self.replies[call["id"]] = reply
        if "id" in call or "event" in reply:
            self.send(reply)

    def _run(self, call: dict) -> Run:
        with self.lock:
            run = self.runs.get(call["run"])
        if run is not None:
            return run
        folder = self._folder(call["run"])
        if not os.path.isdir(folder):
            raise OSError(errno.ESRCH, "no such run")
        return Run(folder)

    def _folder(self, name: str) -> str:
        if not re.match(r"[0-9a-f-]{32,36}$", name):
            raise ValueError("not a run's name")
        return os.path.join(self.runs_folder, name)

    def call_start(self, call: dict, line: bytes) -> dict:
        argv = line.split(b"\0")
        cwd = os.fsencode(os.path.join(self.root, call["directory"]))
        run = Run(self._folder(call["run"]))
        reply = {}
        # It exists when the start was carried out and the answer was lost
        # together with a kernel.
        if not os.path.isdir(run.folder):
            os.stat(cwd)
            check_script(argv, cwd)
            with self.lock:
                in_use = set(self.runs)
            make_room(self.runs_folder, in_use)
            reply = self._start(run, argv, cwd)
        self._follow(call["run"], run, 0)
        self.in_background(self.spare.prepare)
        return reply

    def _start(self, run: Run, argv: list, cwd: bytes) -> dict:
        run.create()
        env = child_environment()
        try:
            return self.spare.give({
                "folder": to_text(os.fsencode(run.folder)),
                "cwd": to_text(cwd),
                "argv": [to_text(os.fsencode(sys.executable)),
                         *map(to_text, argv)],
                "env": {to_text(k): to_text(v) for k, v in env.items()}})
        except OSError:
            shutil.rmtree(run.folder, ignore_errors=True)
            raise

    def call_follow(self, call: dict) -> dict:
        run = self._run(call)
        self._follow(call["run"], run, int(call["offset"]))
        return {"length": os.stat(run.path("log")).st_size}

    def _follow(self, name: str, run: Run, offset: int) -> None:
        with self.lock:
            self.runs[name] = run
            run.sent = run.acked = offset
            run.is_followed = True
            run.is_told = False
        self.bell.ring()

    def call_ack(self, call: dict) -> None:
        run = self._run(call)
        with self.lock:
            run.acked = max(run.acked, int(call["offset"]))
        self.bell.ring()

    def call_feed(self, call: dict, data: bytes = b"") -> None:
        self._run(call).feed(int(call["offset"]), data, bool(call["eof"]))

    def call_signal(self, call: dict) -> None:
        self._run(call).signal(int(call["number"]))

    def call_forget(self, call: dict) -> None:
        with self.lock:
            run = self.runs.get(call["run"])
            if run is not None:
                run.is_followed = False
        self.bell.ring()

    # -- output

    def _pump(self) -> None:
        look_at = 0.0
        while True:
            is_look = time.monotonic() >= look_at
            if is_look:
                look_at = time.monotonic() + LOOK_SECONDS
            followed = self._drop_unfollowed()
            for name, run in followed:
                self.bell.watch(run.folder)
                try:
                    self._send_output(name, run, is_look)
                except OSError:  # its folder was taken away
                    self._send_end(name, run, None, 0, False)
                except Exception:  # zmq's; the client will ask again
                    pass
            self.bell.wait(LOOK_SECONDS if followed else None)

    def _drop_unfollowed(self) -> list:
        """The runs to send for; the others need no memory."""
        with self.lock:
            gone = [n for n, r in self.runs.items() if not r.is_followed]
            gone = [self.runs.pop(n) for n in gone]
            followed = [(n, r) for n, r in self.runs.items() if not r.is_told]
        for run in gone:
            self.bell.unwatch(run.folder)
            run.close()
        return followed

    def _send_output(self, name: str, run: Run, is_look: bool) -> None:
        # In this order: a record with a status beside it is complete.
        is_alive = not is_look or run.is_alive()
        status = run.status()
        length = run.length()
        while True:
            with self.lock:
                offset = run.sent
                size = min(PIECE_BYTES, length - offset,
                           run.acked + self.window - offset)
                if size > 0:
                    run.sent += size
            if size <= 0:
                break
            self.allowance.spend()
            self.send({"event": "output", "run": name, "offset": offset},
                      [os.pread(run.log, size, offset)])
        self._send_end(name, run, status, length, is_alive)

    def _send_end(self, name, run, status, length, is_alive) -> None:
        if status is None and is_alive:
            return
        with self.lock:
            if run.sent < length or run.is_told or not run.is_followed:
                return
            run.is_told = True
        end = {"event": "ended", "run": name, "length": length}
        end.update(status or {"error": "EIO"})
        self.send(end)
        self.spare.reap()


def to_text(data: bytes) -> str:
    return data.decode("latin-1")


def main(kernel, supervisor_source: str) -> None:
    try:
        from ipykernel.connect import get_connection_file
        connection_file = get_connection_file()
    except (ImportError, RuntimeError):
        connection_file = ""
    helper = Helper(supervisor_source, workspace_root(connection_file))
    kernel.comm_manager.register_target("pycloud", helper.open)
