"""The helper beside the mount tests.

With $PYCLOUD_ASSIST=on every mount has assist=on, so each test proves its
promise for this way, too. With $PYCLOUD_ASSIST=kill every kernel of every
server is ended each KILL_SECONDS besides: the helper comes and goes, and
nothing else may.
"""

import contextlib
import http.client
import os
import threading

KILL_SECONDS = 5
LIMIT = 30


class Killer:
    """Ends a server's kernels, again and again, while it is there."""

    def __init__(self, server):
        self.server = server
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        """A server that is away has no kernels."""
        while not self.is_over.wait(KILL_SECONDS):
            with contextlib.suppress(OSError, ValueError,
                                     http.client.HTTPException):
                for kernel in self.server.api("kernels"):
                    self.server.api(f"kernels/{kernel['id']}", "DELETE")

    def stop(self):
        """No kernel is ended any more."""
        self.is_over.set()
        self.thread.join(LIMIT)


class Assist:
    """What the environment says."""

    def __init__(self):
        self.word = os.environ.get("PYCLOUD_ASSIST", "")

    def add(self, options):
        """A mount's options, with the helper's."""
        if not self.word or "assist=" in options:
            return options
        return ",".join(x for x in (options, "assist=on") if x)

    def attend(self, server):
        """Somebody who ends its kernels, or None."""
        return Killer(server) if self.word == "kill" else None


ASSIST = Assist()
