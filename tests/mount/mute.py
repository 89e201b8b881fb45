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

    def __init__(self, directory):
        self.directory = str(directory)
        self.taken = threading.Event()
        self.device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = (f"fd={self.device},rootmode=40000,"
                   f"user_id={os.getuid()},group_id={os.getgid()}")
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
            self.taken.set()
            return
        _, minor, ahead = struct.unpack_from("=III", request, IN_BYTES)
        body = INIT_OUT.pack(7, min(minor, 31), ahead, 0, 12, 9, 4096, 1, 32,
                             0, 0)
        os.write(self.device, OUT_HEADER.pack(OUT_HEADER.size + len(body), 0,
                                              unique) + body)

    def end(self):
        """Those who wait are told that it ended: the device is closed."""
        os.close(self.ender)
        self.thread.join()
        os.close(self.ended)
        os.close(self.device)
        while is_mounted(self.directory):
            libc.umount2(self.directory.encode(), MNT_DETACH)
