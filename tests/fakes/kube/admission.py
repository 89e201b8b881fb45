"""What admission says of new objects: namespaces, quotas, pod security."""

from . import defaults, quantity, resources, selection, status

COUNTED = {"PersistentVolumeClaim": "persistentvolumeclaims",
           "Secret": "secrets", "ConfigMap": "configmaps", "Pod": "pods",
           "Service": "services"}
OF_PODS = ("requests.cpu", "requests.memory", "limits.cpu",
           "limits.memory", "cpu", "memory")


def namespace_is_open(store, resource, namespace, name):
    """404 or 403 when nothing can be made in a namespace."""
    found = store.view(resources.NAMESPACES, "", namespace)
    if found is None:
        raise status.not_found(resources.NAMESPACES, namespace)
    if found["status"]["phase"] == "Terminating":
        raise status.forbidden(
            resource, name, "unable to create new content in namespace "
            f"{namespace} because it is being terminated",
            [{"reason": "NamespaceTerminating", "message": "namespace "
              f"{namespace} is being terminated",
              "field": "metadata.namespace"}])


def used_by(item, key):
    """How much of a quota's resource an object takes; None: it must say."""
    kind = item["kind"]
    if COUNTED.get(kind) == key or key == f"count/{COUNTED.get(kind)}":
        return 1
    if kind == "PersistentVolumeClaim" and key == "requests.storage":
        return quantity.parse(item["spec"]["resources"]["requests"]
                              ["storage"])
    if kind != "Pod" or key not in OF_PODS:
        return 0
    name = key if "." in key else f"requests.{key}"
    part, _, resource = name.partition(".")
    if part == "requests":
        return defaults.requests_of(item["spec"], resource)
    total = 0
    for one in item["spec"]["containers"]:
        value = (one.get("resources") or {}).get(part, {}).get(resource)
        if value is None:
            return None
        total += quantity.parse(value)
    return total


def used_in(store, namespace, key):
    """How much of a quota's resource a namespace takes now."""
    total = 0
    for resource in (resources.PODS, resources.CLAIMS, resources.SECRETS,
                     resources.CONFIG_MAPS, resources.SERVICES):
        for item in store.views(resource, namespace):
            if item.get("status", {}).get("phase") in ("Succeeded",
                                                       "Failed"):
                continue
            total += used_by({**item, "kind": resource.kind}, key) or 0
    return total


def quota(store, resource, namespace, item):
    """403 when an object is over a quota of its namespace."""
    for found in store.views(resources.QUOTAS, namespace):
        name = found["metadata"]["name"]
        hard = found["spec"]["hard"]
        needs = {key: used_by(item, key) for key in hard}
        missing = [key for key, need in needs.items() if need is None]
        if missing:
            containers = ",".join(one["name"]
                                  for one in item["spec"]["containers"])
            raise status.forbidden(
                resource, item["metadata"]["name"],
                f"failed quota: {name}: must specify "
                + "; ".join(f"{key} for: {containers}"
                            for key in missing))
        over = [key for key, need in needs.items() if need and
                used_in(store, namespace, key) + need
                > quantity.parse(hard[key])]
        if over:
            raise status.forbidden(
                resource, item["metadata"]["name"],
                over_quota(store, namespace, name, hard, needs, over))


def over_quota(store, namespace, name, hard, needs, over):
    """The words of an exceeded quota."""
    def listed(value_of):
        return ",".join(f"{key}={value_of(key)}" for key in over)
    requested = listed(lambda key: quantity.show(needs[key], key))
    used = listed(lambda key: quantity.show(
        used_in(store, namespace, key), key))
    limited = listed(lambda key: hard[key])
    return f"exceeded quota: {name}, requested: {requested}, " \
        f"used: {used}, limited: {limited}"


def violations(spec):
    """How a pod's spec violates the restricted standard."""
    names = [one["name"] for one in spec["containers"]]
    whole = spec.get("securityContext") or {}

    def lacking(test):
        return [one["name"] for one in spec["containers"]
                if not test(one.get("securityContext") or {})]

    def who(found):
        listed = ", ".join(f'"{name}"' for name in found)
        return f"container {listed}" if len(found) == 1 \
            else f"containers {listed}"
    found = lacking(lambda one: one.get("allowPrivilegeEscalation") is False)
    if found:
        yield f"allowPrivilegeEscalation != false ({who(found)} must set " \
            "securityContext.allowPrivilegeEscalation=false)"
    found = lacking(lambda one: "ALL" in (one.get("capabilities") or {})
                    .get("drop", ()))
    if found:
        yield f"unrestricted capabilities ({who(found)} must set " \
            'securityContext.capabilities.drop=["ALL"])'
    if not whole.get("runAsNonRoot"):
        found = lacking(lambda one: one.get("runAsNonRoot"))
        if found:
            yield f"runAsNonRoot != true (pod or {who(names)} must set " \
                "securityContext.runAsNonRoot=true)"
    if "seccompProfile" not in whole:
        found = lacking(lambda one: "seccompProfile" in one)
        if found:
            yield f"seccompProfile (pod or {who(found)} must set " \
                'securityContext.seccompProfile.type to "RuntimeDefault" ' \
                'or "Localhost")'


def pod_security(store, namespace, spec, mode):
    """What a namespace's label has against a pod's spec, or None."""
    found = store.view(resources.NAMESPACES, "", namespace) or {}
    labels = found.get("metadata", {}).get("labels") or {}
    level = labels.get(f"pod-security.kubernetes.io/{mode}")
    if level != "restricted":
        return None
    listed = ", ".join(violations(spec))
    return f'violate PodSecurity "{level}:latest": {listed}' if listed \
        else None


def admit(store, resource, item):
    """Before an object is made: 403, 404, or a list of warnings."""
    metadata = item["metadata"]
    namespace = metadata.get("namespace", "")
    if resource.namespaced:
        namespace_is_open(store, resource, namespace, metadata["name"])
    found = None
    if resource is resources.PODS:
        found = pod_security(store, namespace, item["spec"], "enforce")
        if found:
            raise status.forbidden(resource, metadata["name"],
                                   found.replace("violate", "violates", 1))
    if resource in resources.SCALED:
        spec = item["spec"]["template"]["spec"]
        found = pod_security(store, namespace, spec, "warn")
    if resource.kind in COUNTED:
        quota(store, resource, namespace, item)
    return [f"would {found}"] if found else []


def matching_pods(store, namespace, selector):
    """The pods that a LabelSelector finds."""
    matches = selection.of_object(selector)
    return [pod for pod in store.views(resources.PODS, namespace)
            if matches(pod["metadata"].get("labels"))]
