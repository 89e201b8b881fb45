"""The loop of all controllers, and the small ones: claims, endpoints,
namespaces, quotas, the scheduler, and what is deleted with its owner.

One thread looks at everything again after each change and at each tick.
"""

import contextlib
import logging
import pathlib
import shutil
import threading

from . import admission, objects, quantity, resources, status, text, \
    workloads
from .events import NODE

TICK = 0.1
SETTLE_MAX_S = 2
LOG = logging.getLogger("kube")
NO_HELP = "preemption: 0/1 nodes are available: 1 Preemption is not " \
    "helpful for scheduling."
NO_VICTIMS = "preemption: 0/1 nodes are available: 1 No preemption victims " \
    "found for incoming pod."
PROTECTION = "kubernetes.io/pvc-protection"


class Controllers:
    """What a controller-manager and a scheduler do."""

    def __init__(self, store, recorder, speed, claims_folder):
        self.store = store
        self.recorder = recorder
        self.claims = pathlib.Path(claims_folder)
        self.workloads = workloads.Workloads(store, recorder, speed)
        self.capacity = {"cpu": 8, "memory": quantity.parse("32Gi")}
        self.cordoned = False
        # The UIDs of Endpoints that were made here: they have no owner.
        self.endpoints = set()
        self.stopping = False
        self.settled = 0
        self.thread = threading.Thread(target=self.run, daemon=True,
                                       name="kube-controllers")

    def start(self):
        """Begin."""
        self.thread.start()

    def stop(self):
        """End, and wait for it."""
        self.stopping = True
        with self.store.changed:
            self.store.changed.notify_all()
        self.thread.join()

    def run(self):
        """The loop."""
        while not self.stopping:
            version = self.store.version
            self.step()
            if self.store.version == version:
                self.note_settled(version)
                self.store.wait(version, TICK)

    def note_settled(self, version):
        """There is nothing more to do about what happened so far."""
        with self.store.changed:
            if self.settled != version:
                self.settled = version
                self.store.changed.notify_all()

    def settle(self):
        """Wait until that is so, however busy the machine is: then a watch
        sees each state of a pod in the states of its owner, too."""
        with self.store.changed:
            version = self.store.version
            self.store.changed.wait_for(
                lambda: self.settled >= version or self.stopping,
                SETTLE_MAX_S)

    def step(self):
        """Each controller once for each of its objects."""
        for resource, function in (
                (resources.DEPLOYMENTS, self.workloads.deployment),
                (resources.REPLICA_SETS, self.workloads.replica_set),
                (resources.STATEFUL_SETS, self.workloads.stateful_set),
                (resources.CLAIMS, self.claim),
                (resources.PODS, self.schedule),
                (resources.SERVICES, self.service),
                (resources.QUOTAS, self.quota),
                (resources.NAMESPACES, self.namespace)):
            for item in self.store.views(resource):
                self.attempt(function, item)
        for resource in resources.STORED:
            for item in self.store.views(resource):
                self.attempt(self.collect, resource, item)

    @staticmethod
    def attempt(function, *arguments):
        """What fails now is tried again with the next look."""
        try:
            function(*arguments)
        except status.ApiError as error:
            LOG.debug("%s: %s", function, error)
        except Exception:
            LOG.exception("controller %s", function)

    # --- what goes with its owner ------------------------------------------

    def collect(self, resource, item):
        """The garbage collector, for one object."""
        metadata = item["metadata"]
        if objects.FOREGROUND in metadata.get("finalizers", ()):
            self.finish_foreground(resource, item)
        if metadata["uid"] in self.endpoints and not self.store.view(
                resources.SERVICES, metadata["namespace"],
                metadata["name"]):
            self.store.remove(resource, metadata["namespace"],
                              metadata["name"])
            return
        owners = metadata.get("ownerReferences") or ()
        if not owners or "deletionTimestamp" in metadata:
            return
        found = [self.find_owner(metadata, one) for one in owners]
        foreground = any(
            owner is not None and objects.FOREGROUND in
            owner["metadata"].get("finalizers", ()) for owner in found)
        if foreground or not any(found):
            objects.delete(self.store, resource, metadata.get("namespace"),
                           metadata["name"], {
                "propagationPolicy": "Foreground" if foreground and
                resource in resources.SCALED else "Background"})

    def find_owner(self, metadata, reference):
        """What an ownerReference names, or None."""
        resource = resources.BY_KIND.get((reference["apiVersion"],
                                          reference["kind"]))
        owner = resource and self.store.view(
            resource, metadata.get("namespace"), reference["name"])
        if owner and owner["metadata"]["uid"] == reference["uid"]:
            return owner
        return None

    def finish_foreground(self, resource, item):
        """An owner goes when nothing that it owns is left."""
        uid, namespace = item["metadata"]["uid"], \
            item["metadata"].get("namespace")
        for other in resources.STORED:
            for one in self.store.views(other, namespace):
                if any(owner["uid"] == uid for owner in
                       one["metadata"].get("ownerReferences") or ()):
                    return
        self.drop_finalizer(resource, item, objects.FOREGROUND)

    def drop_finalizer(self, resource, item, name):
        """Take a finalizer off."""
        def put(found):
            left = [one for one in found["metadata"]["finalizers"]
                    if one != name]
            found["metadata"]["finalizers"] = left
            if not left:
                del found["metadata"]["finalizers"]
            return found
        self.store.change(resource, item["metadata"].get("namespace"),
                          item["metadata"]["name"], put)

    def namespace(self, item):
        """What every namespace has; or its end."""
        name = item["metadata"]["name"]
        if item["status"]["phase"] != "Terminating":
            for resource, other in (
                    (resources.SERVICE_ACCOUNTS, "default"),
                    (resources.CONFIG_MAPS, "kube-root-ca.crt")):
                if not self.store.view(resource, name, other):
                    with contextlib.suppress(status.ApiError):
                        self.store.create(resource, {
                            "kind": resource.kind, "apiVersion": "v1",
                            "metadata": {"name": other, "namespace": name}})
            return
        left = False
        for resource in resources.STORED:
            if not resource.namespaced:
                continue
            for one in self.store.views(resource, name):
                left = True
                if "deletionTimestamp" not in one["metadata"]:
                    objects.delete(self.store, resource, name,
                                   one["metadata"]["name"])
        if not left:
            self.store.change(resources.NAMESPACES, "", name,
                              lambda found: found["spec"].clear())

    # --- claims ------------------------------------------------------------

    def users_of(self, claim):
        """The pods that use a claim and have not ended."""
        name = claim["metadata"]["name"]
        return [pod for pod in self.store.views(
            resources.PODS, claim["metadata"]["namespace"])
            if name in claims_of(pod)
            and pod["status"]["phase"] not in ("Succeeded", "Failed")]

    def claim(self, item):
        """Bind a claim, or let it go when nobody uses it."""
        metadata = item["metadata"]
        if "deletionTimestamp" in metadata:
            if PROTECTION in metadata.get("finalizers", ()) \
                    and not self.users_of(item):
                volume = item["spec"].get("volumeName")
                self.drop_finalizer(resources.CLAIMS, item, PROTECTION)
                self.remove_volume(item, volume)
            return
        if item["status"]["phase"] == "Bound":
            return
        name = item["spec"].get("storageClassName")
        found = self.store.view(resources.STORAGE_CLASSES, "", name)
        if found is None:
            self.tell_class_missing(item, name)
        elif found.get("volumeBindingMode") == "WaitForFirstConsumer" \
                and not self.users_of(item):
            self.recorder.tell(
                resources.CLAIMS, item, "Normal", "WaitForFirstConsumer",
                "waiting for first consumer to be created before binding",
                "persistentvolume-controller")
        else:
            self.bind(item, found)

    def tell_class_missing(self, item, name):
        """Why a claim stays as it is."""
        if name:
            self.recorder.tell(
                resources.CLAIMS, item, "Warning", "ProvisioningFailed",
                f'storageclass.storage.k8s.io "{name}" not found',
                "persistentvolume-controller")
        else:
            self.recorder.tell(
                resources.CLAIMS, item, "Normal", "FailedBinding",
                "no persistent volumes available for this claim and no "
                "storage class is set", "persistentvolume-controller")

    def folder_of(self, claim):
        """Where the files of a claim are."""
        metadata = claim["metadata"]
        return self.claims / f"{metadata['namespace']}" \
            / f"{metadata['name']}-{metadata['uid'][:8]}"

    def bind(self, item, storage_class):
        """A directory for a claim; the claim's steps are those of a watch."""
        metadata, spec = item["metadata"], item["spec"]
        folder = self.folder_of(item)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
        name = f"pvc-{metadata['uid']}"
        size = spec["resources"]["requests"]["storage"]
        self.store.create(resources.VOLUMES, {
            "kind": "PersistentVolume", "apiVersion": "v1",
            "metadata": {"name": name},
            "spec": {"capacity": {"storage": size},
                     "hostPath": {"path": str(folder)},
                     "accessModes": spec["accessModes"],
                     "claimRef": {"kind": "PersistentVolumeClaim",
                                  "namespace": metadata["namespace"],
                                  "name": metadata["name"],
                                  "uid": metadata["uid"]},
                     "persistentVolumeReclaimPolicy": storage_class.get(
                         "reclaimPolicy", "Delete"),
                     "storageClassName": spec["storageClassName"]},
            "status": {"phase": "Bound"}})

        def prepare(found):
            annotations = found["metadata"].setdefault("annotations", {})
            annotations["pv.kubernetes.io/bind-completed"] = "yes"
            annotations["pv.kubernetes.io/bound-by-controller"] = "yes"
            found["spec"]["volumeName"] = name
            return found

        def finish(found):
            found["status"] = {"phase": "Bound",
                               "accessModes": spec["accessModes"],
                               "capacity": {"storage": size}}
            return found
        for function in (prepare, finish):
            self.store.change(resources.CLAIMS, metadata["namespace"],
                              metadata["name"], function)

    def remove_volume(self, claim, volume):
        """What its class says of a volume that is set free."""
        found = self.store.view(resources.VOLUMES, "", volume)
        if found is None:
            return
        if found["spec"]["persistentVolumeReclaimPolicy"] == "Retain":
            self.store.change(
                resources.VOLUMES, "", volume,
                lambda one: one["status"].update(phase="Released"))
            return
        shutil.rmtree(self.folder_of(claim), ignore_errors=True)
        self.store.remove(resources.VOLUMES, "", volume)

    # --- the scheduler -----------------------------------------------------

    def schedule(self, pod):
        """Give a pod its node, or say why not."""
        if "nodeName" in pod["spec"] or "deletionTimestamp" in \
                pod["metadata"]:
            return
        problem = self.obstacle(pod)
        if problem:
            self.set_scheduled(pod, "False", problem)
            self.recorder.tell(resources.PODS, pod, "Warning",
                               "FailedScheduling", problem,
                               "default-scheduler")
        elif problem is None:
            self.set_scheduled(pod, "True", None)
            metadata = pod["metadata"]
            self.recorder.tell(
                resources.PODS, pod, "Normal", "Scheduled",
                f"Successfully assigned {metadata['namespace']}/"
                f"{metadata['name']} to {NODE}", "default-scheduler")

    def obstacle(self, pod):
        """Why a pod has no node; "" when it soon has; None when it has."""
        namespace, waiting = pod["metadata"]["namespace"], False
        for name in claims_of(pod):
            claim = self.store.view(resources.CLAIMS, namespace, name)
            if claim is None:
                return "0/1 nodes are available: persistentvolumeclaim " \
                    f'"{name}" not found. {NO_HELP}'
            if "deletionTimestamp" in claim["metadata"]:
                return "0/1 nodes are available: persistentvolumeclaim " \
                    f'"{name}" is being deleted. {NO_HELP}'
            if claim["status"]["phase"] != "Bound":
                if not self.store.view(resources.STORAGE_CLASSES, "", claim[
                        "spec"].get("storageClassName")):
                    return "0/1 nodes are available: pod has unbound " \
                        f"immediate PersistentVolumeClaims. {NO_HELP}"
                waiting = True
        if self.cordoned:
            return "0/1 nodes are available: 1 node(s) were unschedulable. " \
                + NO_HELP
        used = workloads.capacity_used(self.store)
        for name, taken in zip(("cpu", "memory"), used):
            if taken + workloads.asked(pod["spec"], name) \
                    > self.capacity[name]:
                return f"0/1 nodes are available: 1 Insufficient {name}. " \
                    + NO_VICTIMS
        return "" if waiting else None

    def set_scheduled(self, pod, value, problem):
        """The PodScheduled condition, and the node."""
        def put(found):
            condition = {"type": "PodScheduled", "status": value,
                         "lastProbeTime": None,
                         "lastTransitionTime": text.now()}
            old = [one for one in found["status"].get("conditions") or ()
                   if one["type"] == "PodScheduled"]
            if problem:
                condition.update(reason="Unschedulable", message=problem)
                if old and old[0].get("message") == problem:
                    return found
            else:
                found["spec"]["nodeName"] = NODE
            found["status"] = {"phase": "Pending",
                               "conditions": [condition],
                               "qosClass": found["status"]["qosClass"]}
            return found
        self.store.change(resources.PODS, pod["metadata"]["namespace"],
                          pod["metadata"]["name"], put)

    # --- Services ----------------------------------------------------------

    def service(self, item):
        """The Endpoints and the EndpointSlice of a Service."""
        if not item["spec"].get("selector"):
            return
        pods = [pod for pod in admission.matching_pods(
            self.store, item["metadata"]["namespace"],
            {"matchLabels": item["spec"]["selector"]})
            if pod["status"].get("podIP")
            and pod["status"]["phase"] == "Running"]
        subsets = endpoint_subsets(item, pods)
        self.put_endpoints(item, subsets)
        self.put_slice(item, pods)

    def put_endpoints(self, item, subsets):
        """Write the Endpoints if they are others."""
        metadata = item["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]

        def put(found):
            if found.get("subsets") != subsets:
                found["metadata"]["annotations"] = {
                    "endpoints.kubernetes.io/last-change-trigger-time":
                        text.now()}
            found["subsets"] = subsets
            if not subsets:
                del found["subsets"]
            return found
        if not self.store.view(resources.ENDPOINTS, namespace, name):
            made = put({"kind": "Endpoints", "apiVersion": "v1",
                        "metadata": child_metadata(item, name)})
            made = self.store.create(resources.ENDPOINTS, made)
            self.endpoints.add(made["metadata"]["uid"])
        else:
            self.store.change(resources.ENDPOINTS, namespace, name, put)

    def put_slice(self, item, pods):
        """Write the EndpointSlice if it is another one."""
        namespace = item["metadata"]["namespace"]
        endpoints = [slice_endpoint(pod) for pod in pods] or None
        ports = [{"name": port.get("name", ""), "protocol": port["protocol"],
                  "port": target_port(port, pods)}
                 for port in item["spec"].get("ports") or ()] \
            if pods else None
        mine = workloads.owned(self.store, resources.SLICES, item)

        def put(found):
            if "endpoints" not in found:
                found["metadata"]["generation"] = 1
            elif found["endpoints"] != endpoints:
                found["metadata"]["generation"] += 1
                found["metadata"]["annotations"] = {
                    "endpoints.kubernetes.io/last-change-trigger-time":
                        text.now()}
            found.update(endpoints=endpoints, ports=ports)
            return found
        if mine:
            self.store.change(resources.SLICES, namespace,
                              mine[0]["metadata"]["name"], put)
            return
        prefix = f"{item['metadata']['name']}-"
        metadata = child_metadata(item, prefix + text.suffix())
        metadata.update(generateName=prefix, ownerReferences=[
            workloads.owner_of(resources.SERVICES, item)])
        metadata["labels"].update({
            "endpointslice.kubernetes.io/managed-by":
                "endpointslice-controller.k8s.io",
            "kubernetes.io/service-name": item["metadata"]["name"]})
        self.store.create(resources.SLICES, put({
            "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
            "metadata": metadata, "addressType": "IPv4"}))

    # --- quotas ------------------------------------------------------------

    def quota(self, item):
        """How much of a quota is used."""
        namespace, hard = item["metadata"]["namespace"], item["spec"]["hard"]
        used = {key: quantity.show(admission.used_in(
            self.store, namespace, key), key) for key in hard}
        self.store.change(
            resources.QUOTAS, namespace, item["metadata"]["name"],
            lambda found: found.update(status={"hard": hard, "used": used}))


def claims_of(pod):
    """The names of the claims that a pod uses."""
    return [one["persistentVolumeClaim"]["claimName"]
            for one in pod["spec"].get("volumes") or ()
            if "persistentVolumeClaim" in one]


def child_metadata(service, name):
    """Metadata of what belongs to a Service."""
    return {"name": name, "namespace": service["metadata"]["namespace"],
            "labels": dict(service["metadata"].get("labels") or {})}


def target_port(port, pods):
    """The number of a Service's port in a pod."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    for pod in pods:
        for container in pod["spec"]["containers"]:
            for one in container.get("ports") or ():
                if one.get("name") == target:
                    return one["containerPort"]
    return port["port"]


def endpoint_subsets(service, pods):
    """What the service proxy goes by: ready addresses and others."""
    ready, others = [], []
    for pod in pods:
        metadata = pod["metadata"]
        address = {"ip": pod["status"]["podIP"],
                   "nodeName": pod["spec"]["nodeName"],
                   "targetRef": {"kind": "Pod",
                                 "namespace": metadata["namespace"],
                                 "name": metadata["name"],
                                 "uid": metadata["uid"]}}
        if workloads.is_deleting(pod):
            continue
        known = workloads.is_ready(pod) or service["spec"].get(
            "publishNotReadyAddresses")
        (ready if known else others).append(address)
    if not ready and not others:
        return []
    ports = [{key: value for key, value in (
        ("name", port.get("name")), ("port", target_port(port, pods)),
        ("protocol", port["protocol"])) if value}
        for port in service["spec"].get("ports") or ()]
    subset = {}
    if ready:
        subset["addresses"] = ready
    if others:
        subset["notReadyAddresses"] = others
    subset["ports"] = ports
    return [subset]


def slice_endpoint(pod):
    """A pod in an EndpointSlice."""
    ready, deleting = workloads.is_ready(pod), workloads.is_deleting(pod)
    metadata = pod["metadata"]
    return {"addresses": [pod["status"]["podIP"]],
            "conditions": {"ready": ready and not deleting,
                           "serving": ready, "terminating": deleting},
            "targetRef": {"kind": "Pod", "namespace": metadata["namespace"],
                          "name": metadata["name"], "uid": metadata["uid"]},
            "nodeName": pod["spec"]["nodeName"]}
