"""Addresses of pods: two of the loopback's for each, one to the outside and
one for what listens inside the pod only.

An address is taken as long as a UDP socket is bound to it, which holds
between clusters of several processes too.
"""

import random
import re
import socket

LOCK_PORT = 10250
ANY = re.compile(r"(?<![\w.:])(0\.0\.0\.0|::)(?![\w.:])|(?<==)\*(?=$|[\s'\"])")
LOCAL = re.compile(r"(?<![\w.:-])(127\.0\.0\.1|localhost)(?![\w.-])")


class Address:
    """What a pod has for its own."""

    def __init__(self):
        self.lock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        while True:
            tail = f"{random.randint(1, 254)}.{random.randint(1, 254)}"
            self.ip = f"127.1.{tail}"
            self.local = f"127.2.{tail}"
            try:
                self.lock.bind((self.ip, LOCK_PORT))
                return
            except OSError:
                continue

    def release(self):
        """Another pod may have it."""
        self.lock.close()

    def put_into(self, text):
        """A text with the pod's addresses for those of everybody."""
        return LOCAL.sub(self.local, ANY.sub(self.ip, text))

    def connect(self, port, timeout=10):
        """A socket to a port in the pod, as port-forward makes it."""
        try:
            return socket.create_connection((self.local, port), timeout)
        except ConnectionRefusedError:
            return socket.create_connection((self.ip, port), timeout)
