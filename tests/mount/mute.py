"""A mount whose daemon takes every request and answers none but the first.

A program that asks it waits in the kernel, where not even SIGKILL ends it;
one that is stopped by a signal may or may not have taken the request.
"""

import ctypes
import os
import select
import struct
import threading

from harness import is_mounted

FUSE_LOOKUP = 1
FUSE_GETATTR = 3
FUSE_OPEN = 14
FUSE_READ = 15
FUSE_RELEASE = 18
FUSE_FLUSH = 25
FUSE_INIT = 26
# struct fuse_in_header: len, opcode, unique, and 24 bytes more; fuse_init_out
# of protocol 7.31 with the least of everything.
IN_HEADER = struct.Struct("=IIQ")
IN_BYTES = 40
OUT_HEADER = struct.Struct("=IiQ")
INIT_OUT = struct.Struct("=IIIIHHIIHHI28x")
REQUEST_BYTES = 1 << 17
MNT_DETACH = 2

libc = ctypes.CDLL(None, use_errno=True)


class Mute:
    """Mounted at the directory; `taken` is set once a request hangs."""

    def __init__(self, directory, user=os.getuid()):
        self.directory = str(directory)
        self.taken = threading.Event()
        self.device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = (f"fd={self.device},rootmode=40000,"
                   f"user_id={user},group_id={os.getgid()}")
        if libc.mount(b"pycloud:mute", self.directory.encode(),
                      b"fuse.pycloud", 6, options.encode()) != 0:
            error = ctypes.get_errno()
            os.close(self.device)
            raise OSError(error, os.strerror(error))
        self.ended, self.ender = os.pipe()
        self.thread = threading.Thread(target=self._take_all)
        self.thread.start()

    def _take_all(self):
        while True:
            ready, _, _ = select.select([self.device, self.ended], [], [])
            if self.ended in ready:
                return
            self._take(os.read(self.device, REQUEST_BYTES))

    def _take(self, request):
        _, opcode, unique = IN_HEADER.unpack_from(request)
        if opcode != FUSE_INIT:
            self._answer(request, opcode, unique)
            return
        _, minor, ahead = struct.unpack_from("=III", request, IN_BYTES)
        self._tell(unique, INIT_OUT.pack(7, min(minor, 31), ahead, 0, 12, 9,
                                         4096, 1, 32, 0, 0))

    def _tell(self, unique, body):
        os.write(self.device, OUT_HEADER.pack(OUT_HEADER.size + len(body), 0,
                                              unique) + body)

    def _answer(self, _request, _opcode, _unique):
        self.taken.set()

    def end(self):
        """Those who wait are told that it ended: the device is closed."""
        os.close(self.ender)
        self.thread.join()
        os.close(self.ended)
        os.close(self.device)
        while is_mounted(self.directory):
            libc.umount2(self.directory.encode(), MNT_DETACH)


class Hoarder(Mute):
    """Has a file by every name, which can be opened, but never be read."""

    def _answer(self, request, opcode, unique):
        # struct fuse_attr of the node that is asked about, or looked up.
        node, = struct.unpack_from("=Q", request, 16)
        is_root = opcode != FUSE_LOOKUP and node == 1
        attr = struct.pack("=6Q10I", 1 if is_root else 2, 100, 0, 0, 0, 0,
                           0, 0, 0, 0o40755 if is_root else 0o100644,
                           1, 0, 0, 0, 4096, 0)
        if opcode == FUSE_LOOKUP:
            self._tell(unique, struct.pack("=4Q2I", 2, 0, 9, 9, 0, 0) + attr)
        elif opcode == FUSE_GETATTR:
            self._tell(unique, struct.pack("=Q2I", 9, 0, 0) + attr)
        elif opcode == FUSE_OPEN:
            self._tell(unique, struct.pack("=Q2I", 1, 0, 0))
        elif opcode == FUSE_READ:
            self.taken.set()
        elif opcode in (FUSE_FLUSH, FUSE_RELEASE):
            self._tell(unique, b"")
