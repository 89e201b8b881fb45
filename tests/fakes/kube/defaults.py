"""What the API server fills in when an object is made or changed."""

import base64
import copy
import random

from . import quantity, status

TOLERATIONS = [{"key": f"node.kubernetes.io/{key}", "operator": "Exists",
                "effect": "NoExecute", "tolerationSeconds": 300}
               for key in ("not-ready", "unreachable")]


def fill(item, **values):
    """Set what is missing."""
    for key, value in values.items():
        item.setdefault(key, copy.deepcopy(value))


def probe(item):
    """A probe."""
    if "httpGet" in item:
        fill(item["httpGet"], path="/", scheme="HTTP")
    fill(item, timeoutSeconds=1, periodSeconds=10, successThreshold=1,
         failureThreshold=3)


def container(item):
    """A container."""
    for port in item.get("ports") or ():
        fill(port, protocol="TCP")
    for key in ("readinessProbe", "livenessProbe", "startupProbe"):
        if item.get(key):
            probe(item[key])
    for variable in item.get("env") or ():
        reference = variable.get("valueFrom", {}).get("fieldRef")
        if reference:
            fill(reference, apiVersion="v1")
    resources = item.setdefault("resources", {})
    for key, value in (resources.get("limits") or {}).items():
        resources.setdefault("requests", {}).setdefault(key, value)
    image = item.get("image", "")
    tag = image.rpartition("/")[2].rpartition(":")
    latest = not tag[1] or tag[2] == "latest"
    fill(item, terminationMessagePath="/dev/termination-log",
         terminationMessagePolicy="File",
         imagePullPolicy="Always" if latest else "IfNotPresent")


def pod_spec(spec):
    """A pod's spec, in a template too."""
    for item in (*(spec.get("initContainers") or ()),
                 *(spec.get("containers") or ())):
        container(item)
    for volume in spec.get("volumes") or ():
        for key in ("secret", "configMap", "projected"):
            if key in volume:
                fill(volume[key], defaultMode=420)
    fill(spec, restartPolicy="Always", terminationGracePeriodSeconds=30,
         dnsPolicy="ClusterFirst", securityContext={},
         schedulerName="default-scheduler")
    if "serviceAccountName" in spec:
        spec.setdefault("serviceAccount", spec["serviceAccountName"])


def pod(item):
    """A pod."""
    spec = item["spec"]
    pod_spec(spec)
    fill(spec, serviceAccountName="default", enableServiceLinks=True,
         preemptionPolicy="PreemptLowerPriority", priority=0)
    fill(spec, serviceAccount=spec["serviceAccountName"],
         tolerations=TOLERATIONS)
    item["status"] = {"phase": "Pending", "qosClass": quality(spec)}


def quality(spec):
    """qosClass."""
    kinds = [one.get("resources") or {} for one in spec["containers"]]
    if not any(one.get("limits") or one.get("requests") for one in kinds):
        return "BestEffort"
    whole = all(
        set(one.get("limits") or {}) >= {"cpu", "memory"}
        and one.get("limits") == one.get("requests") for one in kinds)
    return "Guaranteed" if whole else "Burstable"


def template(spec):
    """The template in the spec of what makes pods."""
    made = spec["template"]
    made["metadata"] = {"creationTimestamp": None,
                        **(made.get("metadata") or {})}
    pod_spec(made["spec"])


def deployment(item):
    """A Deployment."""
    spec = item["spec"]
    template(spec)
    strategy = spec.setdefault("strategy", {})
    fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(strategy.setdefault("rollingUpdate", {}), maxUnavailable="25%",
             maxSurge="25%")
    else:
        strategy.pop("rollingUpdate", None)
    fill(spec, replicas=1, revisionHistoryLimit=10,
         progressDeadlineSeconds=600)
    fill(item, status={})


def replica_set(item):
    """A ReplicaSet."""
    template(item["spec"])
    fill(item["spec"], replicas=1)
    fill(item, status={"replicas": 0})


def stateful_set(item):
    """A StatefulSet."""
    spec = item["spec"]
    template(spec)
    for claim_template in spec.get("volumeClaimTemplates") or ():
        fill(claim_template, kind="PersistentVolumeClaim", apiVersion="v1")
        fill(claim_template["metadata"], creationTimestamp=None)
        fill(claim_template["spec"], volumeMode="Filesystem")
        claim_template["status"] = {"phase": "Pending"}
    fill(spec.setdefault("updateStrategy", {}), type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        fill(spec["updateStrategy"].setdefault("rollingUpdate", {}),
             partition=0)
    fill(spec, replicas=1, podManagementPolicy="OrderedReady",
         revisionHistoryLimit=10, persistentVolumeClaimRetentionPolicy={
             "whenDeleted": "Retain", "whenScaled": "Retain"})
    fill(item, status={"replicas": 0, "availableReplicas": 0})


def service(item):
    """A Service."""
    spec = item["spec"]
    for port in spec.get("ports") or ():
        fill(port, protocol="TCP")
        fill(port, targetPort=port["port"])
    fill(spec, type="ClusterIP", sessionAffinity="None")
    if spec["type"] == "ExternalName":
        return
    address = f"10.96.{random.randint(1, 254)}.{random.randint(1, 254)}"
    fill(spec, clusterIP=address)
    fill(spec, clusterIPs=[spec["clusterIP"]], ipFamilies=["IPv4"],
         ipFamilyPolicy="SingleStack", internalTrafficPolicy="Cluster")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        for port in spec.get("ports") or ():
            fill(port, nodePort=random.randint(30000, 32767))
    fill(item, status={"loadBalancer": {}})


def claim(item):
    """A PersistentVolumeClaim."""
    fill(item["spec"], volumeMode="Filesystem")
    finalizers = item["metadata"].setdefault("finalizers", [])
    if "kubernetes.io/pvc-protection" not in finalizers:
        finalizers.append("kubernetes.io/pvc-protection")
    fill(item, status={"phase": "Pending"})


def secret(item):
    """A Secret: what came as text is kept as base64."""
    data = item.get("data") or {}
    for value in data.values():
        position = bad_base64(value)
        if position is not None:
            raise status.bad_request(
                'Secret in version "v1" cannot be handled as a Secret: '
                f"illegal base64 data at input byte {position}")
    for key, value in (item.pop("stringData", None) or {}).items():
        data[key] = base64.b64encode(str(value).encode()).decode()
    if data:
        item["data"] = data
    fill(item, type="Opaque")


def bad_base64(value):
    """Where a text stops to be base64, or None."""
    try:
        base64.b64decode(str(value), validate=True)
    except ValueError:
        good = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" \
            "0123456789+/="
        for position, character in enumerate(str(value)):
            if character not in good:
                return position
        return len(str(value)) // 4 * 4
    return None


def namespace(item):
    """A Namespace."""
    labels = item["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = item["metadata"]["name"]
    item["spec"] = {"finalizers": ["kubernetes"]}
    fill(item, status={"phase": "Active"})


def quota(item):
    """A ResourceQuota."""
    hard = item.get("spec", {}).get("hard", {})
    item.setdefault("spec", {})["hard"] = {
        key: str(value) for key, value in sorted(hard.items())}
    fill(item, status={})


BY_KIND = {"Secret": secret, "Service": service, "Pod": pod,
           "PersistentVolumeClaim": claim, "Deployment": deployment,
           "ReplicaSet": replica_set, "StatefulSet": stateful_set,
           "Namespace": namespace, "ResourceQuota": quota}


def complete(item):
    """Fill in a new or changed object of any kind."""
    function = BY_KIND.get(item["kind"])
    if function:
        function(item)
    return item


def requests_of(spec, name):
    """The sum of what a pod's containers ask for; None when one asks not."""
    total = 0
    for one in spec["containers"]:
        value = (one.get("resources") or {}).get("requests", {}).get(name)
        if value is None:
            return None
        total += quantity.parse(value)
    return total
