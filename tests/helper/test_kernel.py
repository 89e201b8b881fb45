"""What embed.py makes of it all, in a real kernel: the helper greets, starts a
run and sends its record.
"""
import importlib
import os
import pathlib
import re
import time

import pytest

from pod import COMMON, DEADLINE, STDOUT, helper_module, split

pytest.importorskip("ipykernel", reason="ipykernel is not installed")
embed = importlib.import_module("embed")
notebook_kernel = importlib.import_module("notebook_kernel")


def embedded():
    """(modules, texts) as the Makefile lists them."""
    text = (COMMON / "Makefile.am").read_text().replace("\\\n", " ")
    return [[COMMON / name for name in re.findall(
        r"\$\(srcdir\)/(\w+\.py)", re.search(
            "^%s = (.*)$" % variable, text, re.MULTILINE)[1])]
        for variable in ("helper_python", "pod_python")]


@pytest.fixture
def kernel(root):
    made = notebook_kernel.Kernel(notebook_kernel.choose({}, print), [],
                                  str(root))
    made.start()
    made.await_ready(made.wait)
    yield made
    made.stop(True)


class Comm:
    """The client's end of the comm in a real kernel."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.send("comm_open", {"window": 1 << 20}, target_name="pycloud")

    def send(self, kind, data, buffers=(), **more):
        self.kernel.session.send(
            self.kernel.sockets["shell"], kind,
            dict(more, comm_id="c", data=data), buffers=list(buffers))

    def take(self):
        """The next message of the helper: (data, buffers)."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            message = self.kernel.receive("iopub")
            if message is None:
                self.kernel.wait(1)
            elif message["msg_type"] == "comm_msg":
                return message["content"]["data"], message["buffers"]
            else:
                assert message["msg_type"] not in ("error", "comm_close"), \
                    message["content"]
        raise TimeoutError


def test_every_file_is_embedded_once():
    modules, texts = embedded()
    names = sorted(path.name for path in modules + texts)
    assert names == sorted(path.name for path in COMMON.glob("*.py")
                           if path.name != "embed.py")


def test_embedded_code_is_a_string_of_c(tmp_path):
    modules, texts = embedded()
    made = embed.c_string(embed.bootstrap(modules, texts))
    assert all(re.fullmatch(r'\t"([^"\\]|\\.)*"', line)
               for line in made.splitlines())
    assert not re.search(r"\?\?", made)


def load(kernel):
    kernel.send("shell", "execute_request", {
        "code": embed.bootstrap(*embedded()), "silent": True,
        "store_history": False, "user_expressions": {}, "allow_stdin": False})


def test_files_are_served_by_a_kernel(kernel, root):
    """Bytes both ways, and an event."""
    load(kernel)
    comm = Comm(kernel)
    comm.take()
    comm.send("comm_msg", {"call": "list_tree", "id": 1, "top": "",
                           "after": "", "entries_max": 9, "hidden": False,
                           "watch": True})
    reply, buffers = comm.take()
    assert (reply["reply"], reply["all"]) == (1, True)
    assert bytes(buffers[0]) in (b'[["",1,0,[]]]', b'[["",0,0,[]]]')
    is_watched = b",1," in bytes(buffers[0])
    data = bytes(range(256))
    comm.send("comm_msg", {"call": "piece", "file": "1", "path": "f",
                           "offset": 0}, [data])
    comm.send("comm_msg", {
        "call": "save", "id": 2, "path": "f", "size": 256, "file": "1",
        "condition": "absent", "base": None, "ranges": None, "sync": True,
        "within_ms": 20000})
    seen = [comm.take()[0] for _ in range(1 + is_watched)]
    assert [d["error"] for d in seen if d.get("reply") == 2] == [""]
    assert [d["told"] for d in seen if "event" in d] == [1] * is_watched
    comm.send("comm_msg", {"call": "read_many", "id": 3, "paths": ["f"],
                           "bytes_max": 999})
    reply, buffers = comm.take()
    assert reply["files"][0][0] == "" and bytes(buffers[0]) == data


def test_helper_works_in_a_kernel(kernel, root):
    for _ in range(2):  # as after a lost answer
        load(kernel)
    comm = Comm(kernel)
    hello, _ = comm.take()
    assert hello["event"] == "hello"
    assert hello["version"] == helper_module.VERSION
    assert pathlib.Path(hello["root"]) == root
    (root / "s.py").write_text(
        "import sys; print(sys.argv[0], sys.stdin.read())")
    run = "0" * 32
    comm.send("comm_msg", {"call": "start", "id": 1, "run": run,
                           "directory": ""}, [b"s.py"])
    record, end, replies = b"", None, {}
    while end is None:
        data, buffers = comm.take()
        if data.get("event") == "output":
            assert data["offset"] == len(record)
            record += bytes(buffers[0])
        elif data.get("event") == "ended":
            end = data
        else:
            replies[data["reply"]] = data["error"]
            if data["reply"] == 1:
                comm.send("comm_msg", {"call": "feed", "id": 2, "run": run,
                                       "offset": 0, "eof": True}, [b"input"])
    assert replies[1] == ""
    assert end["exit"] == 0 and end["length"] == len(record)
    assert b"".join(d for k, d in split(record)[0] if k == STDOUT) == \
        b"s.py input\n"
    assert os.listdir(root) == ["s.py"]
