"""A kernel whose helper lies about runs.

What it says after a run was started is up to a test: events with what offset,
what length and what end it likes, in frames that a WebSocket is proud of.
"""

import json
import struct

import liar


class Helper:
    """The server's side of a kernel's channel, from the first frame on."""

    def __init__(self, sock):
        self.sock = sock
        self.pending = b""
        self.comm = None
        self.run = None

    def take(self, count):
        """So many bytes of the client's."""
        while len(self.pending) < count:
            more = self.sock.recv(65536)
            if not more:
                raise OSError("the client hung up")
            self.pending += more
        taken, self.pending = self.pending[:count], self.pending[count:]
        return taken

    def frame(self):
        """The next frame's opcode and what is in it."""
        first, second = self.take(2)
        length = second & 0x7f
        if length == 126:
            length, = struct.unpack(">H", self.take(2))
        elif length == 127:
            length, = struct.unpack(">Q", self.take(8))
        mask = self.take(4)
        data = self.take(length)
        return first & 0x0f, bytes(
            byte ^ mask[i % 4] for i, byte in enumerate(data))

    def hear(self):
        """The next message, which may come in several frames."""
        opcode, data = self.frame()
        while opcode == 0 or not data:
            opcode, data = self.frame()
        if opcode == 2:
            begin, end = struct.unpack(">II", data[4:12])
            data = data[begin:end]
        return json.loads(data)

    def say(self, data, buffer=None):
        """A message of the comm's."""
        text = json.dumps({
            "channel": "iopub", "header": {"msg_type": "comm_msg"},
            "parent_header": {}, "metadata": {},
            "content": {"comm_id": self.comm, "data": data}}).encode()
        if buffer is None:
            self.sock.sendall(liar.frame(0x81, text))
            return
        head = struct.pack(">III", 2, 12, 12 + len(text))
        self.sock.sendall(liar.frame(0x82, head + text + buffer))

    def event(self, name, buffer=None, **more):
        """About the run that was started last."""
        self.say({"event": name, "run": self.run, **more}, buffer)

    def serve(self, started):
        """Greets, agrees to everything, and calls started(self) behind each
        start."""
        while True:
            message = self.hear()
            kind = message["header"]["msg_type"]
            if kind == "comm_open":
                self.comm = message["content"]["comm_id"]
                self.say({"event": "hello", "version": 7, "root": "/",
                          "python": "3"})
            if kind != "comm_msg":
                continue
            call = message["content"]["data"]
            if call["call"] == "start":
                self.run = call["run"]
            if "id" in call:
                self.say({"reply": call["id"], "error": ""})
            if call["call"] == "start":
                started(self)


def helper(started):
    """A lie for a kernel's channels."""
    def lie(sock, request):
        liar.agree(sock, request)
        Helper(sock).serve(started)
    return lie
