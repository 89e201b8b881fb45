"""The node: runs the pods that have it for their node.

Each pod has a thread, which starts its processes and lives as long as they
do.  Pods are told from each other by UID.
"""

import logging
import pathlib
import shutil
import threading

from . import addresses, container, objects, processes, resources, status, \
    text, volumes
from .events import NODE

NODE_IP = "127.0.0.1"
LOOK_S = 0.03
LOG = logging.getLogger("kube")


class Pod(threading.Thread):
    """One pod, from its arrival at the node to its end."""

    def __init__(self, kubelet, item):
        metadata = item["metadata"]
        super().__init__(daemon=True, name=f"kube-pod-{metadata['name']}")
        self.kubelet = kubelet
        self.store = kubelet.store
        self.speed = kubelet.speed
        self.config = kubelet.config
        self.item = item
        self.spec = item["spec"]
        self.name = metadata["name"]
        self.namespace = metadata["namespace"]
        self.uid = metadata["uid"]
        self.full_name = f"{self.name}_{self.namespace}({self.uid})"
        self.folder = kubelet.folder / f"{self.namespace}_{self.name}_" \
            f"{self.uid[:8]}"
        self.mark = f"{kubelet.mark}-{self.uid}"
        self.address = addresses.Address()
        self.has_address = False
        self.started_at = text.now()
        self.wake = threading.Event()
        self.kill_now = threading.Event()
        self.stop_now = threading.Event()
        self.is_ending = False
        self.held_unready = False
        self.evicted = None
        self.volume_folders = None
        self.transitions = {}
        self.has_init = bool(self.spec.get("initContainers"))
        self.inits = [container.Container(self, one, True)
                      for one in self.spec.get("initContainers") or ()]
        self.containers = [container.Container(self, one)
                           for one in self.spec["containers"]]

    def tell(self, kind, reason, message, field=None):
        """An Event of this pod."""
        self.kubelet.recorder.tell(resources.PODS, self.item, kind, reason,
                                   message, field=field)

    def find(self, name):
        """The container of that name, or None."""
        for one in (*self.containers, *self.inits):
            if one.name == name:
                return one
        return None

    def field(self, path):
        """The downward API."""
        values = {"metadata.name": self.name,
                  "metadata.namespace": self.namespace,
                  "metadata.uid": self.uid, "spec.nodeName": NODE,
                  "status.podIP": self.address.ip,
                  "status.hostIP": NODE_IP}
        return values.get(path, "")

    # --- its life ----------------------------------------------------------

    def run(self):
        """The thread."""
        try:
            self.live()
        except Exception:
            LOG.exception("pod %s", self.name)
        finally:
            processes.kill_all(self.mark)
            self.address.release()
            self.kubelet.forget(self)

    def live(self):
        """From the first status to the last."""
        self.show()
        while not self.should_end():
            if self.prepare_volumes():
                self.step()
            self.show()
            self.wake.wait(LOOK_S)
            self.wake.clear()
        self.finish()

    def should_end(self):
        """True when the pod was deleted, or the cluster stops."""
        item = self.current()
        return item is None or "deletionTimestamp" in item["metadata"] \
            or self.stop_now.is_set() or self.evicted is not None

    def current(self):
        """The pod as stored; None when it is gone."""
        item = self.store.view(resources.PODS, self.namespace, self.name)
        if item is None or item["metadata"]["uid"] != self.uid:
            return None
        return item

    def step(self):
        """One look at the containers: first those that prepare."""
        for one in self.inits:
            if not one.is_over or one.terminated["exitCode"]:
                one.step()
                self.has_address = True
                return
        for one in self.containers:
            one.step()
        self.has_address = True

    def prepare_volumes(self):
        """The directories of its volumes; false while one is missing."""
        if self.volume_folders is not None:
            return True
        folders = {}
        for volume in self.spec.get("volumes") or ():
            try:
                folders[volume["name"]] = volumes.folder_of(
                    self.store, self.item, volume, self.folder / ".volumes",
                    self.kubelet.folder_of_claim)
            except volumes.Missing as error:
                self.tell("Warning", "FailedMount", "MountVolume.SetUp "
                          f'failed for volume "{volume["name"]}" : {error}')
                return False
        self.volume_folders = folders
        return True

    def mounts_for(self, spec):
        """The mount paths of one of its containers."""
        return volumes.Mounts(self.volume_folders,
                              spec.get("volumeMounts") or ())

    def finish(self):
        """End the containers, then the pod."""
        item = self.current()
        self.is_ending = True
        grace = 0
        if item is not None:
            grace = item["metadata"].get(
                "deletionGracePeriodSeconds",
                self.spec.get("terminationGracePeriodSeconds", 30))
        if self.stop_now.is_set():
            grace = 0
        for one in self.containers + self.inits:
            if one.is_running:
                self.tell("Normal", "Killing",
                          f"Stopping container {one.name}",
                          f"spec.containers{{{one.name}}}")
        for one in self.containers + self.inits:
            one.end(grace)
        processes.kill_all(self.mark)
        if item is None or self.stop_now.is_set():
            return
        self.has_address = True
        self.show()
        if self.evicted is None:
            self.let_go()

    def let_go(self):
        """Confirm to the API server that the pod has ended."""
        try:
            objects.delete(self.store, resources.PODS, self.namespace,
                           self.name, {"gracePeriodSeconds": 0,
                                       "preconditions": {"uid": self.uid}})
        except status.ApiError:
            pass

    # --- what the API shows ------------------------------------------------

    def phase(self):
        """Pending, Running, Succeeded or Failed."""
        if self.evicted is not None:
            return "Failed"
        inits_done = all(one.is_over and not one.terminated["exitCode"]
                         for one in self.inits)
        if any(one.is_over and one.terminated["exitCode"]
               for one in self.inits):
            return "Failed"
        ended = [one.terminated for one in self.containers]
        if inits_done and all(ended) and (self.is_ending or all(
                one.is_over for one in self.containers)):
            return "Failed" if any(one["exitCode"] for one in ended) \
                else "Succeeded"
        begun = any(one.is_running or one.terminated or one.last
                    for one in self.containers)
        return "Running" if inits_done and begun else "Pending"

    def condition(self, kind, value, **more):
        """A condition; its time is that of the last change."""
        word = "True" if value else "False"
        before = self.transitions.get(kind)
        if before is None or before[0] != word:
            self.transitions[kind] = before = (word, text.now())
        return {"type": kind, "status": word, "lastProbeTime": None,
                "lastTransitionTime": before[1], **more}

    def conditions(self, phase, scheduled):
        """All of them, in the order in which the kubelet has them."""
        unready = [one.name for one in self.containers if not one.ready]
        ended = phase in ("Succeeded", "Failed")
        why = {}
        if ended:
            why = {"reason": "PodCompleted" if phase == "Succeeded"
                   else "PodFailed"}
        elif unready:
            why = {"reason": "ContainersNotReady",
                   "message": "containers with unready status: "
                   f"[{' '.join(unready)}]"}
        initialized = all(one.is_over for one in self.inits)
        waiting = {"reason": "PodCompleted"} if phase == "Succeeded" else {}
        if not initialized:
            names = " ".join(one.name for one in self.inits
                             if not one.is_over)
            waiting = {"reason": "ContainersNotInitialized", "message":
                       f"containers with incomplete status: [{names}]"}
        return [
            self.condition("PodReadyToStartContainers",
                           self.has_address and not ended),
            self.condition("Initialized", initialized, **waiting),
            self.condition("Ready", not unready, **why),
            self.condition("ContainersReady", not unready, **why),
            *scheduled]

    def show(self):
        """Write the status if it is another one."""
        item = self.current()
        if item is None or self.status_after(item)["status"] \
                == item["status"]:
            return
        self.kubelet.settle()
        try:
            self.store.change(resources.PODS, self.namespace, self.name,
                              self.status_after)
        except status.ApiError:
            pass

    def status_after(self, found):
        """The pod with its status of now."""
        if found["metadata"]["uid"] != self.uid:
            return found
        old = found["status"]
        scheduled = [one for one in old.get("conditions") or ()
                     if one["type"] == "PodScheduled"]
        phase = self.phase()
        made = {"phase": phase,
                "conditions": self.conditions(phase, scheduled)}
        if self.evicted is not None:
            made.update(message=self.evicted, reason="Evicted")
        made.update(hostIP=NODE_IP, hostIPs=[{"ip": NODE_IP}])
        if self.has_address:
            made.update(podIP=self.address.ip,
                        podIPs=[{"ip": self.address.ip}])
        made["startTime"] = self.started_at
        if self.inits:
            made["initContainerStatuses"] = [one.status() for one
                                             in self.inits]
        made["containerStatuses"] = [one.status() for one
                                     in self.containers]
        made["qosClass"] = old["qosClass"]
        return {**found, "status": made}


class Kubelet:
    """All pods of the node."""

    def __init__(self, store, recorder, speed, folder, config,
                 controllers):
        self.store = store
        self.recorder = recorder
        self.speed = speed
        self.folder = pathlib.Path(folder)
        self.config = config
        self.folder_of_claim = controllers.folder_of
        self.settle = controllers.settle
        self.mark = processes.new_mark()
        self.guard = processes.Guard(self.mark)
        self.lock = threading.Lock()
        self.pods = {}
        self.ended = {}
        self.stopping = False
        self.thread = threading.Thread(target=self.run, daemon=True,
                                       name="kubelet")

    def start(self):
        """Begin."""
        self.thread.start()

    def stop(self):
        """End all pods, and wait for it."""
        self.stopping = True
        with self.store.changed:
            self.store.changed.notify_all()
        self.thread.join()
        with self.lock:
            left = list(self.pods.values())
        for pod in left:
            pod.stop_now.set()
            pod.kill_now.set()
            pod.wake.set()
        for pod in left:
            pod.join()
        self.guard.stop()

    def run(self):
        """Take pods that come, and wake those whose object changes."""
        while not self.stopping:
            version = self.store.version
            for item in self.store.views(resources.PODS):
                self.look(item)
            self.end_removed()
            self.store.wait(version, 0.5)

    def look(self, item):
        """Start a new pod; wake one that is to end."""
        uid = item["metadata"]["uid"]
        if item["spec"].get("nodeName") != NODE:
            return
        with self.lock:
            pod = self.pods.get(uid)
            is_new = pod is None and uid not in self.ended
            if is_new:
                pod = self.pods[uid] = Pod(self, item)
        if is_new:
            pod.start()
        elif "deletionTimestamp" in item["metadata"]:
            self.end_deleted(pod, item)

    @staticmethod
    def end_deleted(pod, item):
        """A pod was deleted."""
        if pod is None:
            return
        if item["metadata"].get("deletionGracePeriodSeconds") == 0:
            pod.kill_now.set()
        pod.wake.set()

    def end_removed(self):
        """Pods that were deleted without any grace."""
        alive = {item["metadata"]["uid"]
                 for item in self.store.views(resources.PODS)}
        with self.lock:
            gone = [pod for uid, pod in self.pods.items()
                    if uid not in alive]
            left = [uid for uid in self.ended if uid not in alive]
            for uid in left:
                shutil.rmtree(self.ended.pop(uid).folder,
                              ignore_errors=True)
        for pod in gone:
            pod.kill_now.set()
            pod.wake.set()

    def forget(self, pod):
        """A pod's thread ends."""
        with self.lock:
            self.pods.pop(pod.uid, None)
            self.ended[pod.uid] = pod
        with self.store.changed:
            self.store.changed.notify_all()

    def find(self, uid):
        """A pod by its UID; None when it never came here."""
        with self.lock:
            return self.pods.get(uid) or self.ended.get(uid)
