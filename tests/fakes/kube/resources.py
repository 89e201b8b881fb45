"""Which kinds of objects there are, and what the API server says of them."""

import dataclasses

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch",
             "update", "watch")


@dataclasses.dataclass(frozen=True)
class Resource:
    """One kind of object."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple = ()
    subresources: tuple = ()
    # The kinds whose spec has a generation.
    counted: bool = False
    # DELETE answers with a Status, not with the object.
    status_on_delete: bool = False
    categories: tuple = ()

    @property
    def api_version(self):
        """As in apiVersion."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self):
        """As in messages: deployments.apps, pods."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self):
        """As in some messages: Deployment.apps, Pod."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


NAMESPACES = Resource("", "v1", "namespaces", "Namespace", False, ("ns",),
                      ("status",))
SECRETS = Resource("", "v1", "secrets", "Secret", status_on_delete=True)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", True, ("cm",),
                       status_on_delete=True)
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount",
                            True, ("sa",), ("token",))
CLAIMS = Resource("", "v1", "persistentvolumeclaims",
                  "PersistentVolumeClaim", True, ("pvc",), ("status",))
VOLUMES = Resource("", "v1", "persistentvolumes", "PersistentVolume", False,
                   ("pv",), ("status",))
SERVICES = Resource("", "v1", "services", "Service", True, ("svc",),
                    ("proxy", "status"), categories=("all",))
PODS = Resource("", "v1", "pods", "Pod", True, ("po",),
                ("eviction", "exec", "attach", "log", "portforward", "proxy",
                 "status"), categories=("all",))
EVENTS = Resource("", "v1", "events", "Event", True, ("ev",),
                  status_on_delete=True)
ENDPOINTS = Resource("", "v1", "endpoints", "Endpoints", True, ("ep",),
                     status_on_delete=True)
QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota", True,
                  ("quota",), ("status",))
NODES = Resource("", "v1", "nodes", "Node", False, ("no",), ("status",),
                 status_on_delete=True)
LIMIT_RANGES = Resource("", "v1", "limitranges", "LimitRange", True,
                        ("limits",), status_on_delete=True)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", True,
                       ("deploy",), ("scale", "status"), True, True,
                       ("all",))
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet", True,
                        ("rs",), ("scale", "status"), True, True, ("all",))
STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet", True,
                         ("sts",), ("scale", "status"), True, True,
                         ("all",))
SLICES = Resource("discovery.k8s.io", "v1", "endpointslices",
                  "EndpointSlice", counted=True, status_on_delete=True)
NEW_EVENTS = Resource("events.k8s.io", "v1", "events", "Event", True,
                      ("ev",), status_on_delete=True)
STORAGE_CLASSES = Resource("storage.k8s.io", "v1", "storageclasses",
                           "StorageClass", False, ("sc",))
ACCESS_REVIEWS = Resource("authorization.k8s.io", "v1",
                          "selfsubjectaccessreviews",
                          "SelfSubjectAccessReview", False)
RULES_REVIEWS = Resource("authorization.k8s.io", "v1",
                         "selfsubjectrulesreviews",
                         "SelfSubjectRulesReview", False)
SELF_REVIEWS = Resource("authentication.k8s.io", "v1", "selfsubjectreviews",
                        "SelfSubjectReview", False)

STORED = (NAMESPACES, SECRETS, CONFIG_MAPS, SERVICE_ACCOUNTS, CLAIMS, VOLUMES,
          SERVICES, PODS, EVENTS, ENDPOINTS, QUOTAS, NODES, LIMIT_RANGES,
          DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, SLICES, STORAGE_CLASSES)
REVIEWS = (ACCESS_REVIEWS, RULES_REVIEWS, SELF_REVIEWS)
EVERY = STORED + (NEW_EVENTS,) + REVIEWS
SCALED = (DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS)

BY_PLURAL = {(one.group, one.version, one.plural): one for one in EVERY}
BY_KIND = {(one.api_version, one.kind): one for one in STORED}


def find(group, version, plural):
    """The resource, or None."""
    return BY_PLURAL.get((group, version, plural))


def versions():
    """(group, version) of each group but the core, in their order."""
    seen = []
    for one in EVERY:
        if one.group and (one.group, one.version) not in seen:
            seen.append((one.group, one.version))
    return seen


def verbs(resource):
    """What may be done with a resource."""
    return ("create",) if resource in REVIEWS else ALL_VERBS


def group_list():
    """/apis."""
    groups = []
    for group, version in versions():
        entry = {"groupVersion": f"{group}/{version}", "version": version}
        groups.append({"name": group, "versions": [entry],
                       "preferredVersion": entry})
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def resource_list(group, version):
    """/api/v1 and /apis/GROUP/VERSION; None when there is no such group."""
    found = []
    for one in EVERY:
        if (one.group, one.version) != (group, version):
            continue
        entry = {"name": one.plural, "singularName": one.kind.lower(),
                 "namespaced": one.namespaced, "kind": one.kind,
                 "verbs": list(verbs(one))}
        if one.short:
            entry["shortNames"] = list(one.short)
        if one.categories:
            entry["categories"] = list(one.categories)
        found.append(entry)
        found.extend(subresource_entry(one, name)
                     for name in one.subresources)
    if not found:
        return None
    name = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1",
            "groupVersion": name, "resources": found}


def subresource_entry(resource, name):
    """What discovery says of a subresource."""
    entry = {"name": f"{resource.plural}/{name}", "singularName": "",
             "namespaced": resource.namespaced, "kind": resource.kind,
             "verbs": ["get", "patch", "update"]}
    if name == "scale":
        entry.update(group="autoscaling", version="v1", kind="Scale")
    if name in ("proxy", "exec", "attach", "portforward"):
        entry.update(kind=f"{resource.kind}ProxyOptions",
                     verbs=["create", "get"])
    if name == "log":
        entry.update(verbs=["get"])
    if name in ("eviction", "token"):
        entry.update(verbs=["create"])
    return entry
