"""A stand-in for a Kubernetes cluster: an API server, controllers and one
node whose pods are processes of this machine.

    cluster = kube.Cluster(folder)
    cluster.start()
    path = cluster.kubeconfig(user="admin")
    ...
    cluster.stop()

Each module says what it stands in for; tests/fakes/test_kube_recordings.py
compares it with recorded exchanges of a real cluster and lists where single
answers differ on purpose. As a whole it differs in this:

- There is no exec and no attach (501), and no schema of the API: `kubectl
  apply` needs --validate=false. Bodies are JSON or YAML, never protobuf,
  which newer kubectls send with `create namespace` and `auth can-i`.
- HTTP/1.1 only. A client certificate of another authority ends the handshake.
- Time runs faster: what a probe, a back-off or a deadline waits for is divided
  by `speed`. A grace period and a probe's timeout are as they are.
- A container shares this machine: its mount paths and addresses are replaced
  in its command and its environment, and it runs as who runs the tests.
- What managers own that do not apply is less exact in managedFields, and
  controllers do not appear there.
- An image runs what its spec says, or a Jupyter server of this machine; one
  with `no-such` or `nosuch` in its name cannot be pulled.
"""

from . import objects, processes
from .access import ANYTHING, WORKSPACE, User
from .cluster import Cluster
from .status import ApiError

__all__ = ["ANYTHING", "WORKSPACE", "ApiError", "Cluster", "User",
           "objects", "processes"]
EXPORTED = (ANYTHING, WORKSPACE, ApiError, Cluster, User, objects, processes)
