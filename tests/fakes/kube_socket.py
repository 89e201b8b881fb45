"""WebSockets of the stand-in's tests: a handshake, then frames."""

import base64
import json
import secrets
import socket

from kube import frames

KEY = base64.b64encode(b"the sample nonce").decode()


class Socket:
    """One upgraded connection."""

    def __init__(self, client, path, protocols=(), **headers):
        raw = socket.create_connection(("127.0.0.1", client.port), 30)
        self.sock = client.context.wrap_socket(
            raw, server_hostname="127.0.0.1")
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{client.port}",
                 "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}"]
        if protocols:
            lines.append(f"Sec-WebSocket-Protocol: {', '.join(protocols)}")
        lines += [f"{name}: {value}" for name, value in
                  {**client.headers, **headers}.items()]
        self.sock.sendall("\r\n".join([*lines, "", ""]).encode())
        self.left = b""
        self.code = self._read_head()
        self.decoder = frames.Decoder(False)
        self.ready = self.decoder.feed(self.left)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def _read_head(self):
        """The status of the handshake."""
        while b"\r\n\r\n" not in self.left:
            more = self.sock.recv(4096)
            if not more:
                break
            self.left += more
        head, _, self.left = self.left.partition(b"\r\n\r\n")
        return int(head.split()[1])

    def send(self, opcode, payload):
        """One frame."""
        self.sock.sendall(frames.encode(opcode, payload,
                                        secrets.token_bytes(4)))

    def receive(self):
        """The next (opcode, payload); None at the end."""
        while not self.ready:
            more = self.sock.recv(65536)
            if not more:
                return None
            self.ready = self.decoder.feed(more)
        return self.ready.pop(0)


def run_code(connection, code):
    """Let a kernel run code; what it prints."""
    message = {"header": {"msg_id": secrets.token_hex(8), "username": "",
                          "session": "s", "date": "", "version": "5.3",
                          "msg_type": "execute_request"},
               "parent_header": {}, "metadata": {}, "channel": "shell",
               "content": {"code": code, "silent": False,
                           "store_history": False, "user_expressions": {},
                           "allow_stdin": False, "stop_on_error": True}}
    connection.send(1, json.dumps(message).encode())
    while True:
        frame = connection.receive()
        assert frame is not None, "the kernel's socket ended"
        if frame[0] != 1:
            continue
        answer = json.loads(frame[1])
        if answer["msg_type"] == "stream":
            return answer["content"]["text"]
