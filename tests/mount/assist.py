"""The helper beside the mount tests.

With $PYCLOUD_ASSIST=on every mount has assist=on, so each test proves its
promise for this way, too. With $PYCLOUD_ASSIST=kill every kernel of every
server is ended each KILL_SECONDS besides: the helper comes and goes, and
nothing else may.
"""

import contextlib
import json
import os
import threading
import urllib.request

KILL_SECONDS = 5
LIMIT = 10


class Killer:
    """Ends a server's kernels, again and again, while it is there."""

    def __init__(self, server):
        self.server = server
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def ask(self, method, path):
        """What the server answers."""
        request = urllib.request.Request(
            f"{self.server.url}api/{path}", method=method,
            headers={"Authorization": f"token {self.server.token}"})
        with urllib.request.urlopen(request, timeout=LIMIT) as answer:
            return answer.read()

    def work(self):
        """A server that is away has no kernels."""
        while not self.is_over.wait(KILL_SECONDS):
            with contextlib.suppress(OSError, ValueError):
                for kernel in json.loads(self.ask("GET", "kernels")):
                    self.ask("DELETE", f"kernels/{kernel['id']}")

    def stop(self):
        """No kernel is ended any more."""
        self.is_over.set()
        self.thread.join(2 * LIMIT)


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
