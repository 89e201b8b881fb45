"""The whole cluster, and everything that can go wrong with it."""

import base64
import json
import logging
import os
import pathlib
import signal
import time

from . import access, controllers, events, images, kubeconfig, kubelet, \
    objects, pages, quantity, resources, server, store, text, \
    workloads
from .tls import Authority

LOG = logging.getLogger("kube")
LIMIT = 60
WAIT, NOW = "WaitForFirstConsumer", "Immediate"
# name: (binding, what becomes of a volume that is set free, is it default)
CLASSES = {"standard": (WAIT, "Delete", True),
           "fast": (NOW, "Delete", False),
           "manual": (WAIT, "Retain", False)}


class Cluster:
    """A cluster in one folder; every method may be called by any thread."""

    def __init__(self, folder, *, speed=10, tls=True, namespace="default"):
        self.folder = pathlib.Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.namespace = namespace
        self.speed = speed
        self.store = store.Store()
        self.access = access.Access()
        self.recorder = events.Recorder(self.store)
        self.authority = Authority(self.folder / "pki") if tls else None
        self.controllers = controllers.Controllers(
            self.store, self.recorder, speed, self.folder / "claims")
        self.kubelet = kubelet.Kubelet(
            self.store, self.recorder, speed, self.folder / "pods",
            images.write_config(self.folder / "etc"),
            self.controllers)
        self.pages = pages.Pages()
        self.server = server.Server(
            self.store, self.access, self.kubelet, self.pages,
            self.authority.server_context() if tls else None)
        self.configs = 0
        self._fill()

    def _fill(self):
        """What a new cluster has."""
        for name in dict.fromkeys(("default", "kube-system",
                                   self.namespace)):
            self.add_namespace(name)
        for name, (binding, reclaim, default) in CLASSES.items():
            self.add_storage_class(name, binding, reclaim, default)
        self.store.create(resources.NODES, {
            "kind": "Node", "apiVersion": "v1",
            "metadata": {"name": events.NODE}, "spec": {},
            "status": {"conditions": [{"type": "Ready",
                                       "status": "True"}]}})
        self.add_user("admin", access.ANYTHING, ("system:masters",),
                      password="admin-password")
        self.add_user("user", access.WORKSPACE, ("dev",),
                      password="user-password")
        self.add_user("nobody", ())

    # --- its life ----------------------------------------------------------

    def start(self):
        """Begin to serve."""
        self.controllers.start()
        self.kubelet.start()
        self.server.start()
        return self

    def stop(self):
        """End everything: no process and no thread of it is left."""
        self.server.stop()
        self.controllers.stop()
        self.kubelet.stop()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def url(self):
        """Where the API server is."""
        return self.server.url

    def stop_server(self):
        """The API server goes; pods live on."""
        self.server.stop()

    def start_server(self):
        """It comes back, on the same port."""
        self.server.start()

    def restart_server(self):
        """Both."""
        self.server.stop()
        self.server.start()

    # --- who may do what ---------------------------------------------------

    def add_user(self, name, rules=(), groups=(), *, token=None, uid="",
                 password=None, namespaces=None, reason=""):
        """A user with a token, which is answered."""
        return self.access.add(access.User(
            name, tuple(rules), tuple(groups), uid, namespaces, reason),
            token, password)

    def token(self, user):
        """A good token of a user; a new one when there is none."""
        return self.access.token_of(user) or self.access.new_token(user)

    def expire_user(self, user):
        """All of a user's tokens are good no more."""
        self.access.expire(user)

    def deny(self, user, verb, resource):
        """Take a right: deny("user", "create", "pods/portforward")."""
        self.access.deny(user, verb, resource)

    def allow(self):
        """Give back what deny() took."""
        self.access.allow()

    def kubeconfig(self, user="admin", context=None, *, form="token",
                   namespace=None, path=None, yaml=False,
                   authority_file=False):
        """Write a kubeconfig; `form` is one of kubeconfig.FORMS."""
        self.configs += 1
        context = context or f"{user}@stand-in"
        path = pathlib.Path(path or self.folder
                            / f"kubeconfig-{self.configs}")
        credential = kubeconfig.credentials(
            form, self.folder, user, self.token(user),
            self.access.passwords.get(user),
            self.authority.issue if self.authority else None)
        document = kubeconfig.make(
            self.url, self.authority and self.authority.certificate, user,
            credential, context, namespace or self.namespace,
            authority_file)
        written = kubeconfig.to_yaml(document) if yaml \
            else json.dumps(document, indent=2)
        return kubeconfig.private(path, f"{written}\n")

    # --- what there is -----------------------------------------------------

    def add_namespace(self, name, labels=None):
        """A namespace."""
        objects.create(self.store, resources.NAMESPACES, "", {
            "metadata": {"name": name, "labels": dict(labels or {})}},
            "test")

    def add_storage_class(self, name, binding=WAIT, reclaim="Delete",
                          default=False):
        """A storage class."""
        metadata = {"name": name}
        if default:
            metadata["annotations"] = {
                "storageclass.kubernetes.io/is-default-class": "true"}
        self.store.create(resources.STORAGE_CLASSES, {
            "kind": "StorageClass", "apiVersion": "storage.k8s.io/v1",
            "metadata": metadata, "provisioner": "stand-in",
            "reclaimPolicy": reclaim, "volumeBindingMode": binding})

    def create(self, item, namespace=None):
        """Make an object as an administrator would."""
        resource = resources.BY_KIND[(item["apiVersion"], item["kind"])]
        made, _ = objects.create(self.store, resource,
                                 namespace or self.namespace, item, "test")
        return made

    def get(self, kind, name, namespace=None):
        """An object by its kind ("Pod") and its name, or None."""
        resource = self.resource(kind)
        where = (namespace or self.namespace) if resource.namespaced else ""
        return self.store.view(resource, where, name)

    def list(self, kind, namespace=None, **labels):
        """The objects of a kind that have these labels."""
        return [item for item in self.store.views(
            self.resource(kind), namespace or self.namespace)
            if labels.items() <= (item["metadata"].get("labels")
                                  or {}).items()]

    @staticmethod
    def resource(kind):
        """The resource of a kind."""
        return next(one for one in resources.STORED if one.kind == kind)

    def delete(self, kind, name, namespace=None, **options):
        """Delete an object as an administrator would."""
        resource = self.resource(kind)
        where = (namespace or self.namespace) if resource.namespaced else ""
        objects.delete(self.store, resource, where, name, options)

    def wait(self, condition, what, limit=LIMIT):
        """The first true value of a function, looked at at each change."""
        end = time.monotonic() + limit
        while True:
            version = self.store.version
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"waited {limit} s in vain: {what}")
            self.store.wait(version, 0.1)

    def wait_ready(self, deployment, namespace=None, limit=LIMIT):
        """Until a Deployment has one ready pod; answers the pod."""
        return self.wait(lambda: next(iter(self.ready_pods(
            deployment, namespace)), None), f"{deployment} is ready", limit)

    def ready_pods(self, deployment, namespace=None):
        """The ready pods of a Deployment or a StatefulSet."""
        return [pod for pod in self.pods_of(deployment, namespace)
                if workloads.is_ready(pod)
                and not workloads.is_deleting(pod)]

    def pods_of(self, owner, namespace=None):
        """All pods of a Deployment, a StatefulSet or a ReplicaSet."""
        found = []
        for pod in self.store.views(resources.PODS,
                                    namespace or self.namespace):
            for one in pod["metadata"].get("ownerReferences") or ():
                above = self.get(one["kind"], one["name"], namespace) or {}
                owners = [one["name"], *(
                    two["name"] for two in above.get("metadata", {}).get(
                        "ownerReferences") or ())]
                if owner in owners:
                    found.append(pod)
        return found

    def events_of(self, name, namespace=None):
        """(type, reason, message) of the Events of one object."""
        return [(one["type"], one["reason"], one["message"])
                for one in self.store.views(resources.EVENTS,
                                            namespace or self.namespace)
                if one["involvedObject"]["name"] == name]

    def claim_folder(self, name, namespace=None):
        """Where the files of a claim are."""
        claim = self.get("PersistentVolumeClaim", name, namespace)
        return claim and self.controllers.folder_of(claim)

    def adopt(self, name, ip, port, namespace=None):
        """A Service and a pod for a server that runs already, as one on
        another node: nothing here starts, probes or ends it."""
        namespace = namespace or self.namespace
        self.create({"apiVersion": "v1", "kind": "Service",
                     "metadata": {"name": name},
                     "spec": {"selector": {"run": name},
                              "ports": [{"port": port}]}}, namespace)
        self.store.create(resources.PODS, {
            "kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": name, "namespace": namespace,
                         "labels": {"run": name}},
            "spec": {"nodeName": "elsewhere", "containers": [
                {"name": "jupyter", "image": "jupyter",
                 "ports": [{"containerPort": port}]}]},
            "status": {"phase": "Running", "podIP": ip, "conditions": [
                {"type": "Ready", "status": "True"}]}})

    # --- what goes wrong ---------------------------------------------------

    def runner(self, pod, namespace=None):
        """What runs a pod: its containers, its address."""
        item = self.get("Pod", pod, namespace)
        return item and self.kubelet.find(item["metadata"]["uid"])

    def kill_container(self, pod, namespace=None, *, container=None,
                       number=signal.SIGKILL, reason=None):
        """End the process of a container, for a reason of the kubelet."""
        running = self.runner(pod, namespace)
        one = running.find(container) if container \
            else running.containers[0]
        one.kill_reason = reason
        os.kill(one.process.pid, number)

    def oom_kill(self, pod, namespace=None):
        """The container took too much memory."""
        self.kill_container(pod, namespace, reason="OOMKilled")

    def evict(self, pod, namespace=None,
              message="The node was low on resource: memory."):
        """The node ends a pod; its controller makes another one."""
        running = self.runner(pod, namespace)
        running.evicted = message
        running.wake.set()

    def hold_unready(self, pod, held=True, namespace=None):
        """The readiness probe fails, whatever the pod says."""
        running = self.runner(pod, namespace)
        running.held_unready = held
        running.wake.set()

    def roll_out(self, deployment, namespace=None):
        """Make new pods in place of the old ones, as `kubectl rollout
        restart` does."""
        def put(item):
            metadata = item["spec"]["template"]["metadata"]
            metadata.setdefault("annotations", {})[
                "kubectl.kubernetes.io/restartedAt"] = text.now_nano()
            item["metadata"]["generation"] += 1
            return item
        self.store.change(resources.DEPLOYMENTS,
                          namespace or self.namespace, deployment, put)

    def set_secret(self, name, namespace=None, **texts):
        """Other texts in a Secret, which the next pods read."""
        def put(item):
            item.setdefault("data", {}).update({
                key: base64.b64encode(value.encode()).decode()
                for key, value in texts.items()})
            return item
        self.store.change(resources.SECRETS, namespace or self.namespace,
                          name, put)

    def set_capacity(self, cpu=None, memory=None):
        """What the node has for pods."""
        if cpu is not None:
            self.controllers.capacity["cpu"] = quantity.parse(cpu)
        if memory is not None:
            self.controllers.capacity["memory"] = quantity.parse(memory)

    def cordon(self, cordoned=True):
        """The node takes no new pods."""
        self.controllers.cordoned = cordoned

    def set_quota(self, hard, name="quota", namespace=None):
        """Limit a namespace."""
        return self.create({"apiVersion": "v1", "kind": "ResourceQuota",
                            "metadata": {"name": name},
                            "spec": {"hard": hard}}, namespace)

    def forget_history(self):
        """Watches and pages of before are too old now."""
        with self.store.changed:
            self.store.oldest = self.store.version
            self.pages.expired_before = self.store.version
