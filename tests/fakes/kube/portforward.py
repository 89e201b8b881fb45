"""The portforward subresource over a WebSocket, v4.channel.k8s.io.

Each port of the request has a channel for its data, 2i, and one for an error
text, 2i+1; the first byte of a message is the channel.  The first message on
each has the port, little endian.  One TCP connection for each port.
"""

from . import ends, frames, status, upgrade, upload

PROTOCOL = "v4.channel.k8s.io"
DATA_SIZE = 32 * 1024
SANDBOX = "0123456789abcdef" * 4
NETWORK = "/var/run/netns/cni-00000000-0000-4000-8000-000000000004"
NAMESPACE = "21d2aaab2857722c50a944161f93dd39430e5cb65737eed1ef235595a953e4ff"
REFUSED = (
    "error forwarding port {port} to pod {sandbox}, uid : failed to execute "
    'portforward in network namespace "{network}": failed to connect to '
    'localhost:{port} inside namespace "{namespace}", IPv4: dial tcp4 '
    "127.0.0.1:{port}: connect: {why} IPv6 dial tcp6: address localhost: "
    "no suitable address found ")


class BadPorts(ValueError):
    """The text of the 400 Status for a port that is none."""


def parse_ports(values):
    """The ports of the query's values.  Raises BadPorts."""
    ports = []
    for value in values:
        if not value.isascii() or not value.isdigit():
            raise BadPorts("cannot convert to []int32: strconv.ParseUint: "
                           f'parsing "{value}": invalid syntax')
        ports.append(int(value))
    return ports


def serve(handler, ports, connect):
    """Answer a request for a port-forward.

    CONNECT(port) gives a connected socket, or raises OSError.  It is called
    when the upgrade is done, and its sockets are closed here.
    """
    if not upgrade.is_wanted(handler):
        upload.discard(handler)
        status.status_error(handler, 400, "BadRequest",
                            "Upgrade request required")
        return
    handler.close_connection = True
    if not ports:
        _refuse_plain(handler, 'query parameter "port" is required')
        return
    offered = [word.strip() for value
               in handler.headers.get_all("Sec-WebSocket-Protocol", [])
               for word in value.split(",")]
    if offered and PROTOCOL not in offered:
        handler.wfile.write(b"HTTP/1.1 403 Forbidden\r\n"
                            b"Connection: close\r\n\r\n")
        return
    try:
        _accept(handler, bool(offered))
        _Forward(handler, ports, connect).run()
    except OSError:
        # The client has gone; nobody is left to be told.
        return


def _refuse_plain(handler, text):
    handler.wfile.write(
        f"HTTP/1.1 400 Bad Request\r\nContent-Length: {len(text)}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Date: {handler.date_time_string()}\r\n\r\n{text}".encode("ascii"))


def _accept(handler, has_protocol):
    key = frames.accept_key(handler.headers.get("Sec-WebSocket-Key", ""))
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket",
             "Connection: Upgrade", f"Sec-WebSocket-Accept: {key}"]
    if has_protocol:
        lines.append(f"Sec-WebSocket-Protocol: {PROTOCOL}")
    handler.wfile.write(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))


class _Forward:
    """One WebSocket with its TCP connections."""

    def __init__(self, handler, ports, connect):
        self.connect = connect
        self.ports = ports
        self.client = ends.End(handler.connection, ends.take_early(handler))
        self.connection = handler.connection
        self.decoder = frames.Decoder(is_masked=True)
        # By number of the data channel; those that have ended are gone.
        self.pods = {}
        self.is_over = False

    def run(self):
        """Until all connections have ended, or the client's."""
        for i, port in enumerate(self.ports):
            for channel in (2 * i, 2 * i + 1):
                self._send(channel, port.to_bytes(2, "little"))
        try:
            self._open()
            while self.pods and not self.is_over and not self.client.is_broken:
                if not self._move():
                    self._wait()
            self.client.send(frames.encode(frames.CLOSE, b"\x03\xe8"))
            ends.drain(self.client)
        finally:
            for end in self.pods.values():
                end.sock.close()
            self.connection.setblocking(True)

    def _open(self):
        for i, port in enumerate(self.ports):
            try:
                self.pods[2 * i] = ends.End(self.connect(port))
            except OSError as error:
                why = (error.strerror or "failed").lower()
                self._send(2 * i + 1, REFUSED.format(
                    port=port, sandbox=SANDBOX, network=NETWORK,
                    namespace=NAMESPACE, why=why).encode("utf-8"))

    def _send(self, channel, data):
        self.client.send(frames.encode(frames.BINARY,
                                       bytes([channel]) + data))

    def _move(self):
        """Pass on what has come.  True when there was anything."""
        moved = self.client.flush()
        for channel, end in list(self.pods.items()):
            moved = end.flush() or moved
            if self.client.is_full():
                continue
            data = end.receive(DATA_SIZE)
            if data:
                self._send(channel, data)
                moved = True
            elif data == b"" or end.is_broken:
                end.sock.close()
                del self.pods[channel]
                moved = True
        if any(end.is_full() for end in self.pods.values()):
            return moved
        data = self.client.receive()
        if data is not None:
            self._take(data)
            return True
        return moved

    def _take(self, data):
        """Bytes of the client's."""
        if data == b"":
            self.is_over = True
            return
        try:
            found = self.decoder.feed(data)
        except frames.BadFrame:
            self.is_over = True
            return
        for opcode, payload in found:
            if opcode == frames.CLOSE:
                self.is_over = True
                return
            if opcode == frames.PING:
                self.client.send(frames.encode(frames.PONG, payload))
            elif opcode in (frames.TEXT, frames.BINARY) and payload:
                end = self.pods.get(payload[0])
                if end is not None:
                    end.send(payload[1:])

    def _wait(self):
        writers = [end for end in [self.client, *self.pods.values()]
                   if end.out]
        readers = []
        if not self.client.is_full():
            readers += self.pods.values()
        if not any(end.is_full() for end in self.pods.values()):
            readers.append(self.client)
        ends.wait(readers, writers)
