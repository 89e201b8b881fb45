"""What can be done with objects, whoever asks: a client or a controller.

Each function takes the store first and answers the object as stored; they
raise status.ApiError.
"""

import copy
import time

from . import admission, defaults, fields, patch, resources, schema, \
    status, text, validate

FOREGROUND = "foregroundDeletion"
DEFAULT_CLASS = "standard"
MANAGER = "unknown"


def default_class(store, item):
    """A claim that names no class gets the default one, if there is one."""
    if "storageClassName" in item["spec"]:
        return
    for found in store.views(resources.STORAGE_CLASSES):
        annotations = found["metadata"].get("annotations") or {}
        if annotations.get("storageclass.kubernetes.io/is-default-class") \
                == "true":
            item["spec"]["storageClassName"] = found["metadata"]["name"]


def prepare(store, resource, item, namespace):
    """A new object as it would be stored."""
    item = schema.prune(resource.kind, copy.deepcopy(item))
    item["kind"], item["apiVersion"] = resource.kind, resource.api_version
    metadata = item.setdefault("metadata", {})
    for key in ("uid", "resourceVersion", "creationTimestamp", "selfLink",
                "deletionTimestamp", "generation"):
        metadata.pop(key, None)
    if resource.namespaced:
        metadata["namespace"] = namespace
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = metadata["generateName"] + text.suffix()
    if resource.counted:
        metadata["generation"] = 1
        if "status" in item:
            del item["status"]
    shape(resource, item)
    defaults.complete(item)
    if resource is resources.CLAIMS:
        default_class(store, item)
    validate.check(resource, item)
    return item


def shape(resource, item):
    """422 for an object without the parts that everything here needs."""
    name = item["metadata"].get("name", "")
    causes = []
    if resource in resources.SCALED:
        spec = item.setdefault("spec", {})
        spec.setdefault("template", {}).setdefault("spec", {})
        spec["template"].setdefault("metadata", {})
        spec["template"]["spec"].setdefault("containers", [])
    elif resource in (resources.PODS, resources.SERVICES, resources.CLAIMS):
        item.setdefault("spec", {})
        if resource is resources.PODS:
            item["spec"].setdefault("containers", [])
        for number, port in enumerate(item["spec"].get("ports") or ()):
            if "port" not in port:
                causes.append(validate.bad(
                    f"spec.ports[{number}].port", 0,
                    "must be between 1 and 65535, inclusive"))
    if causes:
        raise status.invalid(resource.kind, resource.group, name, causes)


def create(store, resource, namespace, item, manager=MANAGER, dry=False):
    """POST: the object and a list of warnings."""
    item = prepare(store, resource, item, namespace)
    with store.changed:
        name = item["metadata"]["name"]
        if store.view(resource, item["metadata"].get("namespace"), name):
            raise status.already_exists(resource, name)
        warnings = admission.admit(store, resource, item)
        fields.update(resource, None, item, manager)
        return keep_new(store, resource, item, dry), warnings


def keep_new(store, resource, item, dry):
    """Store a new object, or only give it what storing would."""
    if not dry:
        return store.create(resource, item)
    item["metadata"].update(uid=text.new_uid(),
                            creationTimestamp=text.now())
    return item


def finish_change(resource, old, new):
    """What the server keeps of the old object when a new one replaces it."""
    metadata, kept = new["metadata"], old["metadata"]
    new["kind"], new["apiVersion"] = resource.kind, resource.api_version
    for key in ("uid", "creationTimestamp", "namespace", "name",
                "generateName", "generation", "deletionTimestamp",
                "deletionGracePeriodSeconds", "resourceVersion"):
        metadata.pop(key, None)
        if key in kept:
            metadata[key] = kept[key]
    if resource is resources.SERVICES:
        for key in ("clusterIP", "clusterIPs", "ipFamilies",
                    "ipFamilyPolicy"):
            if key in old["spec"]:
                new["spec"].setdefault(key, old["spec"][key])
    if resource is resources.CLAIMS:
        for key in ("volumeName", "storageClassName"):
            if key in old["spec"]:
                new["spec"].setdefault(key, old["spec"][key])
    fresh = new.get("status")
    defaults.complete(new)
    if "status" in old:
        new["status"] = copy.deepcopy(old["status"])
    elif fresh is None:
        new.pop("status", None)
    if resource.counted and new.get("spec") != old.get("spec"):
        metadata["generation"] = kept.get("generation", 0) + 1
    validate.check(resource, new, old)
    return new


def check_version(resource, item, old):
    """409 when the client had another version in its hands."""
    version = item.get("metadata", {}).get("resourceVersion")
    if version and version != old["metadata"]["resourceVersion"]:
        raise status.stale(resource, old["metadata"]["name"])
    uid = item.get("metadata", {}).get("uid")
    if uid and uid != old["metadata"]["uid"]:
        raise precondition(resource, old, uid)


def change(store, resource, namespace, name, function, dry=False):
    """Any change of a stored object by a client."""
    if dry:
        old = store.get(resource, namespace, name)
        return function(copy.deepcopy(old)) or old
    return store.change(resource, namespace, name, function)


def replace(store, resource, namespace, name, item, manager=MANAGER,
            dry=False, subresource=None):
    """PUT."""
    def put(old):
        check_version(resource, item, old)
        if subresource == "status":
            return {**old, "status": item.get("status", {})}
        new = schema.prune(resource.kind, copy.deepcopy(item))
        new.setdefault("metadata", {})
        shape(resource, new)
        finish_change(resource, old, new)
        fields.update(resource, old, new, manager)
        return new
    return change(store, resource, namespace, name, put, dry)


def patched(resource, kind, old, body):
    """An object after a PATCH other than apply."""
    if kind == "application/json-patch+json":
        return patch.json_patch(old, body)
    if kind == "application/strategic-merge-patch+json":
        return patch.strategic(old, body)
    return patch.merge(old, body)


def modify(store, resource, namespace, name, kind, body, manager=MANAGER,
           dry=False, subresource=None):
    """PATCH other than apply."""
    def put(old):
        if isinstance(body, dict):
            check_version(resource, body, old)
        new = schema.prune(resource.kind,
                           patched(resource, kind, old, body))
        if subresource == "status":
            return {**old, "status": new.get("status", {})}
        finish_change(resource, old, new)
        fields.update(resource, old, new, manager)
        return new
    return change(store, resource, namespace, name, put, dry)


def apply(store, resource, namespace, name, config, manager, force=False,
          dry=False):
    """Server-side apply: (object, warnings, was it made)."""
    given = config.get("metadata", {}).get("name")
    if given not in (None, name):
        raise status.bad_request(
            f"the name of the object ({given}) does not match the name on "
            f"the URL ({name})")
    unknown = schema.unknown_in(resource.kind, config)
    if unknown:
        where = f"{namespace}/{name}" if namespace else f"/{name}"
        raise status.ApiError(
            500, f"failed to create typed patch object ({where}; "
            f"{resource.api_version}, Kind={resource.kind}): "
            f".{unknown[0]}: field not declared in schema")
    with store.changed:
        if store.view(resource, namespace, name) is None:
            return apply_new(store, resource, namespace, name, config,
                             manager, dry)

        def put(old):
            check_version(resource, config, old)
            new = fields.apply(resource, old, config, manager, force)
            return finish_change(resource, old, new)
        made = change(store, resource, namespace, name, put, dry)
    return made, [], False


def apply_new(store, resource, namespace, name, config, manager, dry):
    """An apply that makes the object."""
    config = copy.deepcopy(config)
    config.setdefault("metadata", {})["name"] = name
    item = prepare(store, resource, config, namespace)
    item["metadata"]["managedFields"] = [fields.entry(
        manager, "Apply", resource, dict(fields.paths(config)))]
    warnings = admission.admit(store, resource, item)
    return keep_new(store, resource, item, dry), warnings, True


def precondition(resource, item, uid):
    """409: another object of that name."""
    name, found = item["metadata"]["name"], item["metadata"]["uid"]
    return status.ApiError(
        409, "Operation cannot be fulfilled on "
        f'{resource.qualified_kind} "{name}": the UID in the precondition '
        f"({uid}) does not match the UID in record ({found}). The object "
        "might have been deleted and then recreated", "Conflict",
        status.details_of(resource, name, resource.kind))


def delete(store, resource, namespace, name, options=None):
    """DELETE: (object as it was last, is it gone)."""
    options = options or {}
    with store.changed:
        old = store.get(resource, namespace, name)
        conditions = options.get("preconditions") or {}
        if conditions.get("uid", old["metadata"]["uid"]) \
                != old["metadata"]["uid"]:
            raise precondition(resource, old, conditions["uid"])
        version = conditions.get("resourceVersion")
        if version and version != old["metadata"]["resourceVersion"]:
            raise status.stale(resource, name)
        if "All" in (options.get("dryRun") or ()):
            return old, False
        if options.get("propagationPolicy") == "Orphan":
            orphan(store, old)
        made = store.change(resource, namespace, name,
                            lambda item: mark(resource, item, options))
        gone = store.view(resource, namespace, name) is None
        # What is gone at once was never marked.
        return old if gone and resource is not resources.PODS else made, gone


def mark(resource, item, options):
    """Note that an object is to go."""
    metadata = item["metadata"]
    if resource is resources.PODS:
        return mark_pod(item, options)
    if "deletionTimestamp" in metadata:
        return item
    metadata["deletionTimestamp"] = text.now()
    if resource is resources.NAMESPACES:
        item["status"]["phase"] = "Terminating"
        return item
    metadata["deletionGracePeriodSeconds"] = 0
    if options.get("propagationPolicy") == "Foreground":
        metadata.setdefault("finalizers", []).append(FOREGROUND)
    if resource.counted:
        metadata["generation"] = metadata.get("generation", 0) + 1
    return item


def mark_pod(item, options):
    """A pod that runs gets time to end."""
    grace = options.get("gracePeriodSeconds")
    if grace is None:
        grace = item["spec"].get("terminationGracePeriodSeconds", 30)
    ended = item["status"]["phase"] in ("Succeeded", "Failed")
    if "nodeName" not in item["spec"] or ended:
        grace = 0
    metadata = item["metadata"]
    if metadata.get("deletionGracePeriodSeconds", grace + 1) <= grace:
        return item
    metadata["deletionTimestamp"] = text.stamp(time.time() + grace)
    metadata["deletionGracePeriodSeconds"] = grace
    if options.get("propagationPolicy") == "Foreground":
        metadata.setdefault("finalizers", []).append(FOREGROUND)
    return item


def orphan(store, owner):
    """Take an owner off what it owns."""
    uid = owner["metadata"]["uid"]
    for resource in resources.STORED:
        for item in store.views(resource, owner["metadata"]
                                .get("namespace")):
            owners = item["metadata"].get("ownerReferences") or ()
            if any(one["uid"] == uid for one in owners):
                left = [one for one in owners if one["uid"] != uid]
                store.change(resource, item["metadata"].get("namespace"),
                             item["metadata"]["name"],
                             lambda new, left=left: new["metadata"].update(
                                 ownerReferences=left))


def scale_of(item):
    """The Scale of an object; a zero is left out, as by the real server."""
    metadata = {key: item["metadata"][key] for key in (
        "name", "namespace", "uid", "resourceVersion", "creationTimestamp")}
    replicas = item["spec"].get("replicas", 1)
    return {"kind": "Scale", "apiVersion": "autoscaling/v1",
            "metadata": metadata,
            "spec": {"replicas": replicas} if replicas else {},
            "status": {"replicas": item["status"].get("replicas", 0),
                       "selector": show_selector(item)}}


def show_selector(item):
    """The selector's text in a Scale."""
    equal = (item["spec"].get("selector") or {}).get("matchLabels") or {}
    return ",".join(f"{key}={equal[key]}" for key in sorted(equal))


def rescale(store, resource, namespace, name, kind, body, dry=False):
    """PUT or PATCH of a Scale; afterwards nobody owns the replicas."""
    def put(old):
        check_version(resource, body if isinstance(body, dict) else {}, old)
        wanted = body if kind == "put" else \
            patched(resource, kind, scale_of(old), body)
        replicas = wanted.get("spec", {}).get("replicas", 0)
        if replicas < 0:
            raise status.invalid("Scale", "autoscaling", name, [
                validate.bad("spec.replicas", replicas,
                             "must be greater than or equal to 0")])
        if replicas == old["spec"].get("replicas"):
            return old
        new = copy.deepcopy(old)
        new["spec"]["replicas"] = replicas
        new["metadata"]["generation"] += 1
        return fields.update(resource, old, new, MANAGER, "scale")
    return scale_of(change(store, resource, namespace, name, put, dry))
