"""The controllers of Deployments, ReplicaSets and StatefulSets.

Each function looks at one object and takes one step; the loop in
controllers.py calls them again as long as anything changes.  A status is
written in the steps that the real controllers take, as watches show them.
"""

import copy
import hashlib
import math
import time

from . import objects, quantity, resources, status, text

# A busy machine needs this long to make a pod, however fast the clock is.
DEADLINE_MIN_S = 3
HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


def template_hash(template):
    """A short name for a template."""
    template = copy.deepcopy(template)
    template["metadata"].pop("creationTimestamp", None)
    labels = template["metadata"].get("labels") or {}
    labels.pop(HASH_LABEL, None)
    digest = hashlib.sha256(text.to_json(template)).digest()
    letters = "".join(text.ALPHABET[one % len(text.ALPHABET)]
                      for one in digest[:9])
    # With a digit: nobody takes it for a word.
    return f"{2 + digest[9] % 8}{letters}"


def owner_of(resource, item):
    """An ownerReference."""
    return {"apiVersion": resource.api_version, "kind": resource.kind,
            "name": item["metadata"]["name"],
            "uid": item["metadata"]["uid"], "controller": True,
            "blockOwnerDeletion": True}


def owned(store, resource, owner):
    """The objects of a kind that an object controls."""
    uid = owner["metadata"]["uid"]
    return [item for item in store.views(resource,
                                         owner["metadata"]["namespace"])
            if any(one["uid"] == uid and one.get("controller")
                   for one in item["metadata"].get("ownerReferences")
                   or ())]


def is_deleting(item):
    """True after DELETE."""
    return "deletionTimestamp" in item["metadata"]


def is_active(pod):
    """A pod that counts."""
    return not is_deleting(pod) and pod["status"]["phase"] not in (
        "Succeeded", "Failed")


def is_ready(pod):
    """The Ready condition."""
    return any(one["type"] == "Ready" and one["status"] == "True"
               for one in pod["status"].get("conditions") or ())


def ready_since(pod):
    """When it became ready."""
    for one in pod["status"].get("conditions") or ():
        if one["type"] == "Ready" and one["status"] == "True":
            return text.seconds_of(one["lastTransitionTime"])
    return math.inf


def is_available(pod, seconds):
    """Ready for at least minReadySeconds."""
    return is_ready(pod) and (
        not seconds or time.time() - ready_since(pod) >= seconds)


def set_status(store, resource, item, new_status, metadata=None):
    """Write a status if it is another one."""
    def put(found):
        found["status"] = new_status
        if metadata:
            annotations = found["metadata"].setdefault("annotations", {})
            annotations.update(metadata)
        return found
    store.change(resource, item["metadata"]["namespace"],
                 item["metadata"]["name"], put)


def set_condition(conditions, kind, value, reason, message):
    """The list with a condition in it, at its end when it is new."""
    old = next((one for one in conditions if one["type"] == kind), None)
    if old and old["status"] == value and old["reason"] == reason:
        return conditions
    now = text.now()
    made = {"type": kind, "status": value, "lastUpdateTime": now,
            "lastTransitionTime": now, "reason": reason,
            "message": message}
    if old and old["status"] == value:
        made["lastTransitionTime"] = old["lastTransitionTime"]
    return [one for one in conditions if one["type"] != kind] + [made]


class Workloads:
    """The three controllers."""

    def __init__(self, store, recorder, speed):
        self.store = store
        self.recorder = recorder
        self.speed = speed
        # When a ReplicaSet that failed tries again: uid -> (time, tries).
        self.retries = {}

    # --- Deployments -------------------------------------------------------

    def deployment(self, item):
        """One step of a Deployment."""
        sets = owned(self.store, resources.REPLICA_SETS, item)
        if is_deleting(item) or item["spec"].get("paused"):
            self.sync_status(item, sets, self.current_set(item, sets))
            return
        current = self.current_set(item, sets)
        others = [one for one in sets if one is not current]
        if item["spec"]["strategy"]["type"] == "Recreate" \
                and not self.old_are_gone(item, others):
            self.sync_status(item, sets, current)
            return
        if current is None:
            self.new_set(item, sets)
            return
        self.roll(item, current, others)
        # Of the sets as they were: what roll() did shows with the next look.
        self.sync_status(item, sets, current)

    @staticmethod
    def current_set(item, sets):
        """The ReplicaSet of the template as it is now."""
        wanted = template_hash(item["spec"]["template"])
        for one in sets:
            if template_hash(one["spec"]["template"]) == wanted:
                return one
        return None

    def old_are_gone(self, item, others):
        """Recreate: end the old pods first; true when there are none."""
        gone = True
        for one in others:
            if one["spec"]["replicas"]:
                self.scale_set(item, one, 0)
                gone = False
            if owned(self.store, resources.PODS, one):
                gone = False
        return gone

    def new_set(self, item, sets):
        """Make the ReplicaSet of the template."""
        metadata = item["metadata"]
        digest = template_hash(item["spec"]["template"])
        template = copy.deepcopy(item["spec"]["template"])
        labels = template["metadata"].setdefault("labels", {})
        labels[HASH_LABEL] = digest
        selector = copy.deepcopy(item["spec"]["selector"])
        selector.setdefault("matchLabels", {})[HASH_LABEL] = digest
        revision = 1 + max((int(one["metadata"]["annotations"][REVISION])
                            for one in sets), default=0)
        name = f"{metadata['name']}-{digest}"
        replicas = self.room(item, sets)
        made, _ = objects.create(
            self.store, resources.REPLICA_SETS, metadata["namespace"],
            {"metadata": {"name": name, "labels": labels,
                          "annotations": {REVISION: str(revision)},
                          "ownerReferences": [owner_of(
                              resources.DEPLOYMENTS, item)]},
             "spec": {"replicas": replicas, "selector": selector,
                      "template": template}})
        self.tell_scaled(item, made, 0, replicas)
        found = copy.deepcopy(item["status"])
        found["conditions"] = set_condition(
            found.get("conditions", []), "Progressing", "True",
            "NewReplicaSetCreated", f'Created new replica set "{name}"')
        set_status(self.store, resources.DEPLOYMENTS, item, found,
                   {REVISION: str(revision)})

    @staticmethod
    def bounds(item):
        """(maxSurge, maxUnavailable) as numbers."""
        replicas = item["spec"]["replicas"]
        rolling = item["spec"]["strategy"].get("rollingUpdate")
        if not rolling:
            return 0, 0

        def number(value, rounding):
            if isinstance(value, str) and value.endswith("%"):
                return rounding(replicas * int(value[:-1]) / 100)
            return int(value)
        surge = number(rolling["maxSurge"], math.ceil)
        unavailable = number(rolling["maxUnavailable"], math.floor)
        return surge, unavailable if surge or unavailable else 1

    def room(self, item, sets):
        """How many pods a new ReplicaSet may have at once."""
        surge, _ = self.bounds(item)
        total = sum(one["spec"]["replicas"] for one in sets)
        wanted = item["spec"]["replicas"]
        return max(0, min(wanted, wanted + surge - total))

    def roll(self, item, current, others):
        """Bring the current ReplicaSet up and the others down."""
        wanted = item["spec"]["replicas"]
        have = current["spec"]["replicas"]
        surge, unavailable = self.bounds(item)
        old = sum(one["spec"]["replicas"] for one in others)
        if have > wanted:
            self.scale_set(item, current, wanted)
            return
        more = min(wanted, wanted + surge - old)
        if more > have:
            self.scale_set(item, current, more)
            return
        available = current["status"].get("availableReplicas", 0)
        available += sum(one["status"].get("availableReplicas", 0)
                         for one in others)
        spare = available - (wanted - unavailable)
        for one in others:
            replicas = one["spec"]["replicas"]
            sick = replicas - one["status"].get("availableReplicas", 0)
            fewer = min(replicas, sick + max(0, spare))
            if replicas and fewer:
                self.scale_set(item, one, replicas - fewer)
                return

    def scale_set(self, item, one, replicas):
        """Change a ReplicaSet's size."""
        before = one["spec"]["replicas"]

        def put(found):
            found["spec"]["replicas"] = replicas
            found["metadata"]["generation"] += 1
            return found
        self.store.change(resources.REPLICA_SETS,
                          one["metadata"]["namespace"],
                          one["metadata"]["name"], put)
        self.tell_scaled(item, one, before, replicas)

    def tell_scaled(self, item, one, before, after):
        """The Event of it."""
        if before != after:
            word = "up" if after > before else "down"
            self.recorder.tell(
                resources.DEPLOYMENTS, item, "Normal", "ScalingReplicaSet",
                f"Scaled {word} replica set {one['metadata']['name']} from "
                f"{before} to {after}", "deployment-controller")

    def sync_status(self, item, sets, current):
        """A Deployment's status."""
        old = item["status"]
        spec = item["spec"]

        def total(key, among):
            return sum(one["status"].get(key, 0) for one in among)
        mine = [one for one in sets if current is not None and
                one["metadata"]["uid"] == current["metadata"]["uid"]]
        available = total("availableReplicas", sets)
        made = {"observedGeneration": item["metadata"]["generation"],
                "replicas": total("replicas", sets),
                "updatedReplicas": total("replicas", mine),
                "readyReplicas": total("readyReplicas", sets),
                "availableReplicas": available,
                "unavailableReplicas": max(0, sum(
                    one["spec"]["replicas"] for one in sets) - available)}
        made = {key: value for key, value in made.items() if value}
        conditions = list(old.get("conditions") or [])
        _, unavailable = self.bounds(item)
        if available >= spec["replicas"] - unavailable:
            conditions = set_condition(
                conditions, "Available", "True", "MinimumReplicasAvailable",
                "Deployment has minimum availability.")
        else:
            conditions = set_condition(
                conditions, "Available", "False",
                "MinimumReplicasUnavailable",
                "Deployment does not have minimum availability.")
        conditions = self.progress(item, made, conditions, current)
        conditions = self.failure(sets, conditions)
        made["conditions"] = conditions
        if made != old:
            set_status(self.store, resources.DEPLOYMENTS, item, made)

    def progress(self, item, made, conditions, current):
        """The Progressing condition."""
        if current is None:
            return conditions
        name = current["metadata"]["name"]
        old, wanted = item["status"], item["spec"]["replicas"]
        condition = next((one for one in conditions
                          if one["type"] == "Progressing"), None)
        done = condition and condition["reason"] == "NewReplicaSetAvailable"
        if done and made.get("replicas") == made.get("updatedReplicas"):
            return conditions
        if all(made.get(key, 0) == wanted for key in (
                "updatedReplicas", "replicas", "availableReplicas")):
            return set_condition(
                conditions, "Progressing", "True", "NewReplicaSetAvailable",
                f'ReplicaSet "{name}" has successfully progressed.')
        if any(made.get(key, 0) > old.get(key, 0) for key in (
                "updatedReplicas", "readyReplicas", "availableReplicas")):
            rest = [one for one in conditions
                    if one["type"] != "Progressing"]
            changed = set_condition(
                conditions, "Progressing", "True", "ReplicaSetUpdated",
                f'ReplicaSet "{name}" is progressing.')
            return rest + [one for one in changed
                           if one["type"] == "Progressing"]
        limit = item["spec"].get("progressDeadlineSeconds", 600)
        if condition and condition["status"] == "True" and time.time() > \
                text.seconds_of(condition["lastUpdateTime"]) \
                + max(limit / self.speed, DEADLINE_MIN_S):
            return set_condition(
                conditions, "Progressing", "False",
                "ProgressDeadlineExceeded",
                f'ReplicaSet "{name}" has timed out progressing.')
        return conditions

    @staticmethod
    def failure(sets, conditions):
        """ReplicaFailure, of any ReplicaSet that has it."""
        for one in sets:
            for found in one["status"].get("conditions") or ():
                if found["type"] == "ReplicaFailure":
                    return set_condition(conditions, "ReplicaFailure",
                                         "True", found["reason"],
                                         found["message"])
        return [one for one in conditions if one["type"]
                != "ReplicaFailure"]

    # --- ReplicaSets -------------------------------------------------------

    def replica_set(self, item):
        """One step of a ReplicaSet."""
        everything = owned(self.store, resources.PODS, item)
        pods = [pod for pod in everything if is_active(pod)]
        # What it counts now goes into the status after what it does.
        made = self.set_status_of(item, pods)
        problem = None
        if not is_deleting(item):
            problem = self.adjust(item, pods)
        self.set_failure(item, made, problem)
        made = {key: value for key, value in made.items()
                if value or key == "replicas"}
        if made != item["status"]:
            set_status(self.store, resources.REPLICA_SETS, item, made)

    def set_status_of(self, item, pods):
        """A ReplicaSet's numbers."""
        wait = item["spec"].get("minReadySeconds", 0)
        return {"replicas": len(pods), "fullyLabeledReplicas": len(pods),
                "readyReplicas": sum(map(is_ready, pods)),
                "availableReplicas": sum(is_available(pod, wait)
                                         for pod in pods),
                "observedGeneration": item["metadata"]["generation"],
                "conditions": list(item["status"].get("conditions")
                                   or [])}

    @staticmethod
    def set_failure(item, made, problem):
        """Its ReplicaFailure condition; no `problem` when it did not try."""
        if problem:
            made["conditions"] = set_condition(
                made["conditions"], "ReplicaFailure", "True",
                "FailedCreate", problem)
        elif made["replicas"] >= item["spec"]["replicas"]:
            made["conditions"] = []

    def adjust(self, item, pods):
        """Make or end pods; the message of what failed."""
        uid, wanted = item["metadata"]["uid"], item["spec"]["replicas"]
        if len(pods) > wanted:
            for pod in sorted(pods, key=is_ready)[:len(pods) - wanted]:
                self.end_pod(resources.REPLICA_SETS, item, pod)
            return None
        again, tries = self.retries.get(uid, (0, 0))
        if len(pods) == wanted or time.monotonic() < again:
            return None
        for _ in range(wanted - len(pods)):
            problem = self.make_pod(item)
            if problem:
                delay = min(0.2 * 2 ** tries, 60) / self.speed
                self.retries[uid] = (time.monotonic() + delay, tries + 1)
                return problem
        self.retries.pop(uid, None)
        return None

    def make_pod(self, item):
        """One pod of a ReplicaSet; a message when it may not be made."""
        prefix = f"{item['metadata']['name']}-"
        template = copy.deepcopy(item["spec"]["template"])
        metadata = {key: value
                    for key, value in template["metadata"].items()
                    if key in ("labels", "annotations")}
        metadata.update(name=prefix + text.suffix(), generateName=prefix,
                        ownerReferences=[owner_of(resources.REPLICA_SETS,
                                                  item)])
        return self.create_pod(resources.REPLICA_SETS, item,
                               {"metadata": metadata,
                                "spec": template["spec"]},
                               "replicaset-controller")

    def create_pod(self, resource, item, pod, component):
        """Make a pod and tell of it; the message of a refusal."""
        try:
            made, _ = objects.create(self.store, resources.PODS,
                                     item["metadata"]["namespace"], pod,
                                     "kube-controller-manager")
        except status.ApiError as error:
            self.recorder.tell(resource, item, "Warning", "FailedCreate",
                               f"Error creating: {error.message}",
                               component)
            return error.message
        self.recorder.tell(resource, item, "Normal", "SuccessfulCreate",
                           f"Created pod: {made['metadata']['name']}",
                           component)
        return None

    def end_pod(self, resource, item, pod):
        """Delete a pod and tell of it."""
        name = pod["metadata"]["name"]
        objects.delete(self.store, resources.PODS,
                       pod["metadata"]["namespace"], name)
        word = "replicaset" if resource is resources.REPLICA_SETS \
            else "statefulset"
        self.recorder.tell(resource, item, "Normal", "SuccessfulDelete",
                           f"Deleted pod: {name}", f"{word}-controller")

    # --- StatefulSets ------------------------------------------------------

    def stateful_set(self, item):
        """One step of a StatefulSet."""
        name = item["metadata"]["name"]
        revision = f"{name}-{template_hash(item['spec']['template'])}"
        pods = {self.ordinal(pod): pod for pod in owned(
            self.store, resources.PODS, item)}
        old = item["status"]
        # The first step only says that the set was seen.
        if old.get("observedGeneration") and not is_deleting(item):
            self.order(item, pods, revision)
        if not old.get("observedGeneration"):
            pods = {}
        made = self.stateful_status(item, pods, revision)
        if made != old:
            set_status(self.store, resources.STATEFUL_SETS, item, made)

    @staticmethod
    def ordinal(pod):
        """The number at the end of a pod's name."""
        return int(pod["metadata"]["name"].rpartition("-")[2])

    @staticmethod
    def stateful_status(item, pods, revision):
        """A StatefulSet's status."""
        active = [pod for pod in pods.values() if is_active(pod)]
        fresh = [pod for pod in active if pod["metadata"]["labels"].get(
            "controller-revision-hash") == revision]
        current = item["status"].get("currentRevision", revision)
        ready = sum(map(is_ready, active))
        if len(fresh) == len(active) and ready == item["spec"]["replicas"]:
            current = revision
        numbers = {"observedGeneration": item["metadata"]["generation"],
                   "replicas": len(active), "readyReplicas": ready,
                   "currentReplicas": sum(
                       pod["metadata"]["labels"].get(
                           "controller-revision-hash") == current
                       for pod in active),
                   "updatedReplicas": len(fresh)}
        made = {key: value for key, value in numbers.items()
                if value or key == "replicas"}
        made.update(currentRevision=current, updateRevision=revision,
                    collisionCount=0, availableReplicas=ready)
        return made

    def order(self, item, pods, revision):
        """Make the lowest missing pod, end the highest that is too much."""
        wanted = item["spec"]["replicas"]
        parallel = item["spec"]["podManagementPolicy"] == "Parallel"
        for number in range(wanted):
            pod = pods.get(number)
            if pod is None:
                self.make_member(item, number, revision)
                pod = {}
            elif pod["status"]["phase"] in ("Failed", "Succeeded") \
                    and not is_deleting(pod):
                self.end_pod(resources.STATEFUL_SETS, item, pod)
            if not parallel and (not pod or is_deleting(pod)
                                 or not is_ready(pod)):
                break
        spare = [number for number in pods if number >= wanted]
        if spare and not is_deleting(pods[max(spare)]):
            self.end_pod(resources.STATEFUL_SETS, item, pods[max(spare)])
            return
        self.renew(item, pods, revision)

    def renew(self, item, pods, revision):
        """End one pod of an old template when the others are well."""
        if item["spec"]["updateStrategy"]["type"] != "RollingUpdate":
            return
        for number in sorted(pods, reverse=True):
            pod = pods[number]
            if is_deleting(pod):
                return
            label = pod["metadata"]["labels"].get(
                "controller-revision-hash")
            if label != revision:
                self.end_pod(resources.STATEFUL_SETS, item, pod)
                return
            if not is_ready(pod):
                return

    def make_member(self, item, number, revision):
        """One pod of a StatefulSet, and its claims."""
        metadata, spec = item["metadata"], item["spec"]
        name = f"{metadata['name']}-{number}"
        template = copy.deepcopy(spec["template"])
        labels = template["metadata"].setdefault("labels", {})
        labels.update({"apps.kubernetes.io/pod-index": str(number),
                       "controller-revision-hash": revision,
                       "statefulset.kubernetes.io/pod-name": name})
        volumes = template["spec"].setdefault("volumes", [])
        for claim in spec.get("volumeClaimTemplates") or ():
            claim_name = f"{claim['metadata']['name']}-{name}"
            volumes.append({"name": claim["metadata"]["name"],
                            "persistentVolumeClaim": {
                                "claimName": claim_name}})
            self.make_claim(item, claim, claim_name)
        pod = {"metadata": {
            "name": name, "generateName": f"{metadata['name']}-",
            "labels": labels, "ownerReferences": [owner_of(
                resources.STATEFUL_SETS, item)]}, "spec": template["spec"]}
        pod["spec"]["hostname"] = name
        if spec.get("serviceName"):
            pod["spec"]["subdomain"] = spec["serviceName"]
        self.create_pod(resources.STATEFUL_SETS, item, pod,
                        "statefulset-controller")

    def make_claim(self, item, template, name):
        """A member's claim, unless it is there from before."""
        namespace = item["metadata"]["namespace"]
        if self.store.view(resources.CLAIMS, namespace, name):
            return
        labels = dict((item["spec"]["selector"].get("matchLabels") or {}),
                      **(template["metadata"].get("labels") or {}))
        claim = {"metadata": {"name": name, "labels": labels},
                 "spec": copy.deepcopy(template["spec"])}
        try:
            objects.create(self.store, resources.CLAIMS, namespace, claim,
                           "kube-controller-manager")
        except status.ApiError as error:
            self.recorder.tell(resources.STATEFUL_SETS, item, "Warning",
                               "FailedCreate", error.message,
                               "statefulset-controller")


def capacity_used(store):
    """What all scheduled pods ask for: (cpu, memory)."""
    cpu = memory = 0
    for pod in store.views(resources.PODS):
        if pod["spec"].get("nodeName") and is_active(pod):
            cpu += asked(pod["spec"], "cpu")
            memory += asked(pod["spec"], "memory")
    return cpu, memory


def asked(spec, name):
    """What a pod asks for of one resource."""
    return sum(quantity.parse((one.get("resources") or {}).get(
        "requests", {}).get(name, 0)) for one in spec["containers"])
