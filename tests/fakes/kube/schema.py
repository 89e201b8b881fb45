"""Which fields the kinds have; how lists of them are merged.

A field is a name with what is under it: LEAF anything, MAP names that the
user chooses, FREE everything. What a client sends and no schema knows brings
a warning, or an error when it asked to be strict.
"""

LEAF = None
MAP = "map"
FREE = "free"


def leaves(words, **others):
    """Fields without structure, and some with."""
    return {**{word: LEAF for word in words.split()}, **others}


METADATA = leaves(
    "name generateName namespace uid resourceVersion generation selfLink "
    "creationTimestamp deletionTimestamp deletionGracePeriodSeconds "
    "finalizers", labels=MAP, annotations=MAP, managedFields=FREE,
    ownerReferences=[leaves("apiVersion kind name uid controller "
                            "blockOwnerDeletion")])
REFERENCE = leaves("name key optional")
ITEMS = [leaves("key path mode")]
PROBE = leaves(
    "initialDelaySeconds periodSeconds timeoutSeconds successThreshold "
    "failureThreshold terminationGracePeriodSeconds",
    httpGet=leaves("path port host scheme",
                   httpHeaders=[leaves("name value")]),
    tcpSocket=leaves("port host"), exec=leaves("command"),
    grpc=leaves("port service"))
HANDLER = {key: PROBE[key] for key in ("httpGet", "tcpSocket", "exec")}
ENV = leaves("name value", valueFrom={
    "secretKeyRef": REFERENCE, "configMapKeyRef": REFERENCE,
    "fieldRef": leaves("apiVersion fieldPath"),
    "resourceFieldRef": leaves("containerName resource divisor")})
RESOURCES = {"limits": MAP, "requests": MAP, "claims": [leaves("name")]}
CONTAINER = leaves(
    "name image command args workingDir imagePullPolicy stdin stdinOnce tty "
    "terminationMessagePath terminationMessagePolicy restartPolicy",
    ports=[leaves("name containerPort protocol hostPort hostIP")],
    env=[ENV], envFrom=[leaves("prefix", secretRef=REFERENCE,
                               configMapRef=REFERENCE)],
    resources=RESOURCES, resizePolicy=FREE, securityContext=FREE,
    volumeMounts=[leaves("name mountPath subPath subPathExpr readOnly "
                         "mountPropagation recursiveReadOnly")],
    volumeDevices=[leaves("name devicePath")], readinessProbe=PROBE,
    livenessProbe=PROBE, startupProbe=PROBE,
    lifecycle={"postStart": HANDLER, "preStop": HANDLER})
SOURCES = {"secret": leaves("name optional", items=ITEMS),
           "configMap": leaves("name optional", items=ITEMS),
           "downwardAPI": FREE, "serviceAccountToken": FREE}
VOLUME = leaves(
    "name", persistentVolumeClaim=leaves("claimName readOnly"),
    secret=leaves("secretName defaultMode optional", items=ITEMS),
    configMap=leaves("name defaultMode optional", items=ITEMS),
    emptyDir=leaves("medium sizeLimit"), hostPath=leaves("path type"),
    nfs=leaves("server path readOnly"), csi=FREE, ephemeral=FREE,
    downwardAPI=FREE, projected=leaves("defaultMode", sources=[SOURCES]))
POD = leaves(
    "restartPolicy terminationGracePeriodSeconds activeDeadlineSeconds "
    "dnsPolicy serviceAccountName serviceAccount nodeName hostname subdomain "
    "automountServiceAccountToken hostNetwork hostPID hostIPC hostUsers "
    "schedulerName priorityClassName priority enableServiceLinks "
    "preemptionPolicy runtimeClassName shareProcessNamespace "
    "setHostnameAsFQDN", nodeSelector=MAP, affinity=FREE, dnsConfig=FREE,
    securityContext=FREE, overhead=MAP, os=leaves("name"), resources=FREE,
    containers=[CONTAINER], initContainers=[CONTAINER],
    ephemeralContainers=FREE, volumes=[VOLUME],
    imagePullSecrets=[leaves("name")], hostAliases=FREE,
    readinessGates=FREE, schedulingGates=FREE, resourceClaims=FREE,
    tolerations=[leaves("key operator value effect tolerationSeconds")],
    topologySpreadConstraints=FREE)
SELECTOR = {"matchLabels": MAP, "matchExpressions": [leaves(
    "key operator values")]}
TEMPLATE = {"metadata": METADATA, "spec": POD}
CLAIM_SPEC = leaves(
    "accessModes storageClassName volumeMode volumeName "
    "volumeAttributesClassName", selector=SELECTOR, resources=RESOURCES,
    dataSource=leaves("apiGroup kind name"),
    dataSourceRef=leaves("apiGroup kind name namespace"))
CLAIM = leaves("kind apiVersion", metadata=METADATA, spec=CLAIM_SPEC,
               status=FREE)
ROLLING = leaves("maxSurge maxUnavailable partition")
SERVICE_SPEC = leaves(
    "clusterIP clusterIPs externalIPs externalName externalTrafficPolicy "
    "healthCheckNodePort internalTrafficPolicy ipFamilies ipFamilyPolicy "
    "loadBalancerClass loadBalancerIP loadBalancerSourceRanges "
    "publishNotReadyAddresses sessionAffinity trafficDistribution type "
    "allocateLoadBalancerNodePorts", selector=MAP,
    sessionAffinityConfig=FREE,
    ports=[leaves("name port protocol targetPort nodePort appProtocol")])


def kind(**fields):
    """A whole object."""
    return {**leaves("kind apiVersion"), "metadata": METADATA, **fields}


KINDS = {
    "Secret": kind(type=LEAF, immutable=LEAF, data=MAP, stringData=MAP),
    "ConfigMap": kind(immutable=LEAF, data=MAP, binaryData=MAP),
    "Namespace": kind(spec=leaves("finalizers"), status=FREE),
    "ServiceAccount": kind(automountServiceAccountToken=LEAF, secrets=FREE,
                           imagePullSecrets=[leaves("name")]),
    "PersistentVolumeClaim": CLAIM,
    "Service": kind(spec=SERVICE_SPEC, status=FREE),
    "Pod": kind(spec=POD, status=FREE),
    "ResourceQuota": kind(spec=leaves("scopes", hard=MAP,
                                      scopeSelector=FREE), status=FREE),
    "Deployment": kind(status=FREE, spec=leaves(
        "replicas minReadySeconds revisionHistoryLimit paused "
        "progressDeadlineSeconds", selector=SELECTOR, template=TEMPLATE,
        strategy=leaves("type", rollingUpdate=ROLLING))),
    "ReplicaSet": kind(status=FREE, spec=leaves(
        "replicas minReadySeconds", selector=SELECTOR, template=TEMPLATE)),
    "StatefulSet": kind(status=FREE, spec=leaves(
        "replicas serviceName podManagementPolicy revisionHistoryLimit "
        "minReadySeconds", selector=SELECTOR, template=TEMPLATE,
        volumeClaimTemplates=[CLAIM], ordinals=FREE,
        persistentVolumeClaimRetentionPolicy=FREE,
        updateStrategy=leaves("type", rollingUpdate=ROLLING))),
}
# Kinds of which little is asked here have any field.
ANY_KIND = FREE

# Lists whose items are merged by the value of these keys; others are whole.
LIST_KEYS = {
    "containers": ("name",), "initContainers": ("name",), "env": ("name",),
    "volumes": ("name",), "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",), "conditions": ("type",),
    "ownerReferences": ("uid",), "hostAliases": ("ip",),
    "volumeDevices": ("devicePath",)}
ATOMIC_MAPS = {"selector", "nodeSelector", "secretKeyRef",
               "configMapKeyRef", "fieldRef", "resourceFieldRef",
               "secretRef", "configMapRef"}


def list_keys(parent, name):
    """The keys that tell a list's items apart, or None."""
    if name == "ports":
        return ("port", "protocol") if parent == "spec" else \
            ("containerPort", "protocol")
    return LIST_KEYS.get(name)


def unknown_fields(item, fields, path=""):
    """The paths of what an object has and its schema has not."""
    if fields in (LEAF, MAP, FREE):
        return
    if isinstance(fields, list):
        for number, entry in enumerate(item if isinstance(item, list)
                                       else ()):
            yield from unknown_fields(entry, fields[0], f"{path}[{number}]")
        return
    for name, value in (item.items() if isinstance(item, dict) else ()):
        where = f"{path}.{name}" if path else name
        if name.startswith("$"):
            # A directive of a strategic merge patch.
            continue
        if name not in fields:
            yield where
        else:
            yield from unknown_fields(value, fields[name], where)


def pruned(item, fields):
    """An object without unknown fields, and without what is empty."""
    if fields in (LEAF, MAP, FREE):
        return item
    if isinstance(fields, list):
        return [pruned(entry, fields[0]) for entry in item] \
            if isinstance(item, list) else item
    if not isinstance(item, dict):
        return item
    return {name: pruned(value, fields[name])
            for name, value in item.items()
            if name in fields and value is not None and value != []}


def prune(kind_name, item):
    """The same for a whole object of a kind."""
    return pruned(item, KINDS.get(kind_name, ANY_KIND))


def unknown_in(kind_name, item):
    """The same for a whole object of a kind."""
    return list(unknown_fields(item, KINDS.get(kind_name, ANY_KIND)))
