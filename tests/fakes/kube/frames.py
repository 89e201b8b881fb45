"""WebSocket frames, as far as a server of binary messages needs them."""

import base64
import hashlib
import struct

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
PAYLOAD_MAX = 32 * 1024 * 1024


class BadFrame(Exception):
    """What the peer sent is no frame that is taken here."""


def accept_key(key):
    """The answer to a Sec-WebSocket-Key."""
    digest = hashlib.sha1(key.encode("latin-1") + GUID).digest()
    return base64.b64encode(digest).decode("ascii")


def encode(opcode, payload, mask=None):
    """One frame that is a whole message; MASK as a client has to."""
    size = len(payload)
    masked = 0x80 if mask else 0
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, masked | size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, masked | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, masked | 127, size)
    if mask:
        return head + mask + apply_mask(payload, mask)
    return head + payload


def apply_mask(payload, mask):
    """Masked, or unmasked again."""
    size = len(payload)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")


class Decoder:
    """Makes frames of the bytes that come; each is a message of its own.

    IS_MASKED: they come from a client.
    """

    def __init__(self, is_masked):
        self.is_masked = is_masked
        self.buffer = bytearray()

    def feed(self, data):
        """The frames (opcode, payload) that are complete now.

        Raises BadFrame.
        """
        self.buffer += data
        found = []
        while True:
            frame = self._next()
            if frame is None:
                return found
            found.append(frame)

    def _next(self):
        """A frame, or None when there is not all of one."""
        if len(self.buffer) < 2:
            return None
        first, second = self.buffer[0], self.buffer[1]
        opcode = first & 0x0f
        if not first & 0x80 or opcode == CONTINUATION or first & 0x70:
            raise BadFrame("a message in several frames, or an extension")
        if bool(second & 0x80) != self.is_masked:
            raise BadFrame("a mask is missing or wrong")
        size = second & 0x7f
        at = {126: 4, 127: 10}.get(size, 2)
        mask_size = 4 if self.is_masked else 0
        if len(self.buffer) < at + mask_size:
            return None
        if at > 2:
            size = int.from_bytes(self.buffer[2:at], "big")
        if size > PAYLOAD_MAX:
            raise BadFrame("a frame is too large")
        end = at + mask_size + size
        if len(self.buffer) < end:
            return None
        payload = bytes(self.buffer[at + mask_size:end])
        if self.is_masked:
            payload = apply_mask(payload, bytes(self.buffer[at:at + 4]))
        del self.buffer[:end]
        return opcode, payload
