"""The helper: what pycloud runs inside a kernel of the workspace.

It is sent over the kernel channel and executed there; nothing is written into
the user's tree. The client talks to it over a Jupyter comm (target "pycloud"):
a message's `data` says what, its first binary buffer carries bytes. Messages
to the client travel over the server's iopub channel, which drops them when it
is busy, and says nothing. So everything here can be asked again: a call that
is repeated (same id) gets its first answer again, with "again" (and without
the call's bytes) nothing else than that, output carries its offset in
the record, and `follow` starts sending from whatever offset the client has.

From the client; a verb with an `id` is answered {"reply": id, "error": name
or "", ...}, the name being errno's:

    start   id run directory [output_max] [runs_keep] [argv\\0argv...]
                              `python3 ARGV...`, and follows it; how many bytes
                              of its record and how many runs are kept
    follow  id run offset     sends the record from there; answers its length
    ack     run offset        the client has everything up to there
    feed    id run offset eof [bytes]   standard input; offset: of its bytes
    signal  id run number     to the run's process group
    forget  run               stops sending; the run goes on
    abandon run               of a start that was given up before its answer
                              came: it is killed, or will not be started.
                              Answered by `ended`; no answer: ask again

To the client:

    {"event": "hello", "version", "root", "python"}     answers comm_open
    {"event": "output", "run", "offset"} [bytes]   a piece of the record (see
                              supervisor_log.py; pieces end anywhere, but are
                              of one segment). With "skipped": true, what lay
                              between the client's offset and this is gone
    {"event": "ended", "run", "length", "exit", "signal", "ago_ms"}
                              after the last one; how long ago that was
    {"event": "ended", "run", "error"}   it was lost, or cannot be followed;
                              ESRCH: its folder is gone
    {"event": "alive"}        now and then while a run goes on that was started
                              or followed here, for those who look for activity
                              before they stop a server

The verbs and events of files are helper_files.py's.

Never more than `window` bytes of output (comm_open's data) are sent beyond the
last ack.

Threads: the kernel's own, which brings the client's messages; one per call
that starts something; the pump, the only one that sends output; and those of
helper_files.py. `lock` guards what they share and is not held while sending.
"""
import errno
import os
import re
import shutil
import signal
import sys
import threading
import time

from helper_child import Children, check_script
from helper_files import Files
from helper_record import Record
from helper_runs import (Bell, Run, Spare, bundle, make_room, runs_folder,
                         workspace_root)

VERSION = 7
PIECE_BYTES = 512 * 1024
CALLS_KEEP = 1024
# The server drops iopub messages beyond 1000 in a second.
MESSAGES_PER_SECOND = 250.0
MESSAGES_AT_ONCE = 50.0
LOOK_SECONDS = 2.0
ALIVE_SECONDS = 60.0
RUNS_KEEP = 20
OUTPUT_MAX = 1 << 30


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

    def __init__(self, texts: dict, root: str) -> None:
        self.root = root
        self.runs_folder = runs_folder(root)
        self.children = Children(texts)
        self.spare = Spare(bundle(texts, "supervisor_log", "supervisor"))
        self.bell = Bell()
        self.files = Files(root, self._answer, self.send)
        self.allowance = Allowance()
        self.send_lock = threading.Lock()
        self.lock = threading.Lock()
        # Guarded by lock: the client, its window, its calls, and the runs.
        self.comm = None
        self.window = 4 << 20
        self.replies = {}
        self.runs = {}
        self.kept_alive = set()  # names of runs that may go on
        self.abandoned = {}  # the same of those that may not; a set in order
        self.is_closed = False
        self.pump = threading.Thread(target=self._pump, name="pycloud-pump",
                                     daemon=True)
        self.pump.start()
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
        self.files.open()
        comm.on_msg(self.receive)
        self.send({"event": "hello", "version": VERSION, "root": self.root,
                   "python": sys.version.split()[0]})

    def close(self) -> None:
        """Ends its threads, and gives back what a user has few of. A kernel
        need not: it takes all that with it."""
        self.is_closed = True
        self.bell.ring()
        self.pump.join()
        self.files.close()

    def send(self, data: dict, buffers=None, comm=None) -> None:
        """To the client; not if it is another one than `comm` by now."""
        with self.send_lock:
            if self.comm is not None and comm in (None, self.comm):
                self.comm.send(data, buffers=buffers)

    # -- calls

    def receive(self, message: dict) -> None:
        call = message["content"]["data"]
        buffers = [bytes(b) for b in message.get("buffers", [])]
        name = str(call.get("call"))
        if call.get("again"):
            self._send_reply_again(call)
            return
        verb = getattr(self, "call_" + name, None)
        of_files = self.files.verb(name)
        if verb is None and of_files is None:
            self._reply(call, {"error": "ENOSYS"})
        elif not self._is_repeated(call):
            if of_files is not None:
                self.files.post(of_files, call, buffers, self.comm)
            elif name in ("start", "feed"):
                self.in_background(self._answer, verb, call, buffers)
            else:
                self._answer(verb, call, buffers)

    def _send_reply_again(self, call: dict) -> None:
        with self.lock:
            reply = self.replies.get(call.get("id"))
        if reply is not None:
            self.send(reply)

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

    def _answer(self, verb, call: dict, buffers: list, comm=None) -> None:
        """Verbs return the answer, or that and its buffers."""
        answers = None
        try:
            reply = verb(call, *buffers) or {}
            if isinstance(reply, tuple):
                reply, answers = reply
            reply["error"] = ""
        except OSError as e:
            reply = dict(getattr(e, "more", {}),
                         error=errno.errorcode.get(e.errno, "EIO"))
        except (KeyError, TypeError, ValueError):
            reply = {"error": "EINVAL"}
        except Exception:  # no answer would be worse
            reply = {"error": "EIO"}
        if call["call"] == "follow" and reply["error"]:
            reply.update(event="ended", run=call.get("run", ""))
        self._reply(call, reply, answers, comm)

    def _reply(self, call: dict, reply: dict, buffers=None, comm=None) -> None:
        if "id" in call:
            reply["reply"] = call["id"]
            self._remember(call["id"], reply, buffers, comm)
        if "id" in call or "event" in reply:
            self.send(reply, buffers, comm)

    def _remember(self, number, reply: dict, buffers, comm) -> None:
        """For when the call is repeated. What brought bytes is done again."""
        with self.lock:
            if comm not in (None, self.comm):
                return
            if buffers is None:
                self.replies[number] = reply
            else:
                self.replies.pop(number, None)

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
        if self._is_abandoned(call):
            raise OSError(errno.ECANCELED, "nobody waits for it any more")
        argv = line.split(b"\0")
        cwd = os.fsencode(os.path.join(self.root, call["directory"]))
        if not os.path.isdir(self.runs_folder):  # /tmp is cleaned at times
            self.runs_folder = runs_folder(self.root)
        run = Run(self._folder(call["run"]))
        output_max = int(call.get("output_max", OUTPUT_MAX))
        runs_keep = int(call.get("runs_keep", RUNS_KEEP))
        if output_max <= 0 or runs_keep <= 0:
            raise ValueError("nothing to be kept")
        reply = {}
        # It exists when the start was carried out and the answer was lost
        # together with a kernel.
        if not os.path.isdir(run.folder):
            os.stat(cwd)
            check_script(argv, cwd)
            with self.lock:
                in_use = {n for n, r in self.runs.items() if r.is_followed}
            make_room(self.runs_folder, in_use, runs_keep)
            reply = self._start(run, argv, cwd, output_max)
        self._follow(call["run"], run, 0)
        if self._is_abandoned(call):  # while it was being started
            self.call_abandon(call)
        self.in_background(self.spare.prepare)
        return reply

    def _start(self, run: Run, argv: list, cwd: bytes, output_max: int):
        command, env = self.children.command(argv, run.folder)
        run.create()
        try:
            return self.spare.give({
                "folder": to_text(os.fsencode(run.folder)),
                "output_max": output_max,
                "cwd": to_text(cwd),
                "argv": [to_text(a) for a in command],
                "env": {to_text(k): to_text(v) for k, v in env.items()}})
        except OSError:
            shutil.rmtree(run.folder, ignore_errors=True)
            raise

    def call_follow(self, call: dict) -> dict:
        run = self._run(call)
        try:
            length = Record(run.folder).look()
        except FileNotFoundError:
            raise OSError(errno.ESRCH, "no such run") from None
        self._follow(call["run"], run, int(call["offset"]))
        return {"length": length}

    def _follow(self, name: str, run: Run, offset: int) -> None:
        with self.lock:
            self.runs[name] = run
            self.kept_alive.add(name)
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

    def call_abandon(self, call: dict):
        run = Run(self._folder(call["run"]))
        with self.lock:
            self.abandoned[call["run"]] = True
            while len(self.abandoned) > CALLS_KEEP:
                del self.abandoned[next(iter(self.abandoned))]
        self.call_forget(call)
        try:
            run.signal(signal.SIGKILL)
        except OSError:
            if run.is_starting():
                return None
        return {"event": "ended", "run": call["run"]}

    def _is_abandoned(self, call: dict) -> bool:
        with self.lock:
            return call["run"] in self.abandoned

    # -- output

    def _pump(self) -> None:
        look_at = 0.0
        alive_at = time.monotonic() + ALIVE_SECONDS
        while not self.is_closed:
            now = time.monotonic()
            is_look = now >= look_at
            if is_look:
                look_at = now + LOOK_SECONDS
            if now >= alive_at:
                alive_at = now + ALIVE_SECONDS
                self._attempt(self._send_alive)
            followed = self._drop_unfollowed()
            for name, run in followed:
                self.bell.watch(run.folder)
                self._attempt(self._serve, name, run, is_look)
            with self.lock:
                is_kept = bool(self.kept_alive)
            self.bell.wait(LOOK_SECONDS if followed else
                           max(0.0, alive_at - now) if is_kept else None)
            if not is_kept:
                alive_at = time.monotonic() + ALIVE_SECONDS
        self.bell.close()

    @staticmethod
    def _attempt(send, *args) -> None:
        try:
            send(*args)
        except Exception:  # zmq's; the client will ask again
            pass

    def _serve(self, name: str, run: Run, is_look: bool) -> None:
        try:
            self._send_output(name, run, is_look)
        except OSError:
            why = "EIO" if os.path.isdir(run.folder) else "ESRCH"
            self._send_end(name, run, {"error": why}, 0, False)

    def _send_alive(self) -> None:
        with self.lock:
            names = list(self.kept_alive)
        over = {n for n in names if not Run(self._folder(n)).is_alive()}
        with self.lock:
            self.kept_alive -= over
        if len(over) < len(names):
            self.send({"event": "alive"})

    def _drop_unfollowed(self) -> list:
        """The runs to send for; the others need no memory."""
        with self.lock:
            gone = [n for n, r in self.runs.items() if not r.is_followed]
            gone = [self.runs.pop(n) for n in gone]
            followed = [(n, r) for n, r in self.runs.items() if not r.is_told]
        for run in gone:
            self.bell.unwatch(run.folder)
            run.record.close()
        return followed

    def _send_output(self, name: str, run: Run, is_look: bool) -> None:
        # In this order: a record with a status beside it is complete.
        is_alive = not is_look or run.is_alive() or run.is_starting()
        status = run.status()
        length = run.record.look()
        while self._send_piece(name, run, length):
            pass
        self._send_end(name, run, status, length, is_alive)

    def _send_piece(self, name: str, run: Run, length: int) -> bool:
        with self.lock:
            offset = run.sent
            size = min(PIECE_BYTES, length - offset,
                       run.acked + self.window - offset)
        if size <= 0:
            return False
        begin, data, is_skipped = run.record.read(offset, size)
        event = {"event": "output", "run": name, "offset": begin}
        if is_skipped:
            event["skipped"] = True
        with self.lock:
            if run.sent != offset:
                return True  # the client asked for another offset meanwhile
            run.sent = begin + len(data)
            if is_skipped:
                run.acked = begin
        self.allowance.spend()
        self.send(event, [data])
        return True

    def _send_end(self, name, run, status, length, is_alive) -> None:
        if status is None and is_alive:
            return
        with self.lock:
            if run.sent < length or run.is_told or not run.is_followed:
                return
            run.is_told = True
        end = {"event": "ended", "run": name, "length": length}
        end.update(status or {"error": "EIO"})
        if "ended" in end:  # both by this clock; the client's is another
            end["ago_ms"] = max(0, int(1000 * (time.time() - end["ended"])))
        self.send(end)
        self.spare.reap()


def to_text(data: bytes) -> str:
    return data.decode("latin-1")


def main(kernel, texts: dict) -> None:
    try:
        from ipykernel.connect import get_connection_file
        connection_file = get_connection_file()
    except (ImportError, RuntimeError):
        connection_file = ""
    helper = Helper(texts, workspace_root(connection_file))
    kernel.comm_manager.register_target("pycloud", helper.open)
