"""Another way to the servers of the mount tests: through a cluster.

With $PYCLOUD_VIA (proxy or portforward) every server on the loopback that a
test mounts by its URL is made known to a stand-in for a Kubernetes cluster, as
a pod behind a Service, and mounted by that Service's name; so each test proves
its promise for this way, too.

The cluster is a process of its own: a test that waits in a page fault of the
mount holds Python's lock, and would wait for itself.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading

LOOPBACK = re.compile(r"http://127\.0\.0\.1:(\d+)/?(\?token=[^&]*)?$")
VIA = os.environ.get("PYCLOUD_VIA", "")
FAKES = pathlib.Path(__file__).parents[1] / "fakes"


class Way:
    """One cluster for all tests of this process."""

    def __init__(self):
        self.lock = threading.Lock()
        self.process = None
        self.folder = None
        self.known = {}
        self.config = None

    def start(self):
        """When the first mount wants it."""
        self.folder = tempfile.TemporaryDirectory(prefix="pyc-kube-")
        self.process = subprocess.Popen(
            [sys.executable, __file__, self.folder.name],
            env={**os.environ, "PYTHONPATH": str(FAKES)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.config = self.process.stdout.readline().strip()

    def adopt(self, port):
        """The name of the Service that leads to a port of the loopback."""
        if self.process is None:
            self.start()
        if port not in self.known:
            name = self.known[port] = f"jupyter-{port}"
            self.process.stdin.write(f"{name} {port}\n")
            self.process.stdin.flush()
            assert self.process.stdout.readline() == "known\n"
        return self.known[port]

    def stop(self):
        """Nothing of it is left."""
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait(60)
            self.folder.cleanup()

    def lead(self, spec, options, env):
        """(spec, options, env) of the same server by its Service's name."""
        found = LOOPBACK.match(spec)
        if not VIA or not found:
            return spec, options, env
        with self.lock:
            name = self.adopt(int(found.group(1)))
        env = {**(env or {}), "KUBECONFIG": self.config}
        if found.group(2):
            env["PYCLOUD_TOKEN"] = found.group(2)[len("?token="):]
        options = ",".join(x for x in (options, f"via={VIA}") if x)
        return f"kube:{name}", options, env


WAY = Way()


def serve(folder):
    """The cluster's process: a line a server, until there are no more."""
    import kube
    with kube.Cluster(folder) as cluster:
        print(cluster.kubeconfig(user="user"), flush=True)
        for line in sys.stdin:
            name, port = line.split()
            cluster.adopt(name, "127.0.0.1", int(port))
            print("known", flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
