"""What the API server refuses with 422."""

import base64
import re

from . import quantity, status

SUBDOMAIN = "a lowercase RFC 1123 subdomain must consist of lower case " \
    "alphanumeric characters, '-' or '.', and must start and end with an " \
    "alphanumeric character (e.g. 'example.com', regex used for " \
    "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?" \
    "(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
LABEL = "a lowercase RFC 1123 label must consist of lower case " \
    "alphanumeric characters or '-', and must start and end with an " \
    "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used " \
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
DNS_1035 = "a DNS-1035 label must consist of lower case alphanumeric " \
    "characters or '-', start with an alphabetic character, and end with " \
    "an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used " \
    "for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
PART = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
# How long a name may be, what it looks like, what is said otherwise.
RULES = {"Service": (63, "[a-z]([-a-z0-9]*[a-z0-9])?", DNS_1035),
         "Namespace": (63, PART, LABEL)}
ANY_NAME = (253, rf"{PART}(\.{PART})*", SUBDOMAIN)
LABEL_VALUE = "a valid label must be an empty string or consist of " \
    "alphanumeric characters, '-', '_' or '.', and must start and end with " \
    "an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or " \
    "'12345', regex used for validation is " \
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
SECRET_MAX = 1 << 20
BAD = "FieldValueInvalid"
REQUIRED = "FieldValueRequired"
IMMUTABLE_CLAIM = "spec is immutable after creation except " \
    "resources.requests and volumeAttributesClassName for bound claims"


def quoted(value):
    """A string as Go's %q has it."""
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def bad(field, value, text):
    """A cause."""
    shown = quoted(value) if isinstance(value, str) else value
    return field, BAD, f"Invalid value: {shown}: {text}"


def name(kind, value):
    """metadata.name."""
    longest, pattern, text = RULES.get(kind, ANY_NAME)
    if not value:
        yield "metadata.name", REQUIRED, \
            "Required value: name or generateName is required"
        return
    if len(value) > longest:
        yield bad("metadata.name", value,
                  f"must be no more than {longest} characters")
    if not re.fullmatch(pattern, value):
        yield bad("metadata.name", value, text)


def labels(metadata, field="metadata.labels"):
    """Labels have short, simple values."""
    for value in (metadata.get("labels") or {}).values():
        value = str(value)
        if len(value) > 63:
            yield bad(field, value, "must be no more than 63 characters")
        if not re.fullmatch("(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
                            value):
            yield bad(field, value, LABEL_VALUE)


def port_number(field, value):
    """1 to 65535."""
    if isinstance(value, int) and not 1 <= value <= 65535:
        yield bad(field, value, "must be between 1 and 65535, inclusive")


def service(item, _old):
    """A Service's ports."""
    ports = item["spec"].get("ports") or []
    if not ports and item["spec"].get("clusterIP") != "None" \
            and item["spec"].get("type") != "ExternalName":
        yield "spec.ports", REQUIRED, "Required value"
    for number, port in enumerate(ports):
        at = f"spec.ports[{number}]"
        if len(ports) > 1 and not port.get("name"):
            yield f"{at}.name", REQUIRED, "Required value"
        if port.get("name") and not re.fullmatch(PART, port["name"]):
            yield bad(f"{at}.name", port["name"], LABEL)
        yield from port_number(f"{at}.port", port["port"])
        yield from port_number(f"{at}.targetPort",
                               port.get("targetPort", port["port"]))


def secret(item, old):
    """A Secret's size, and that its type stays."""
    size = sum(len(base64.b64decode(value))
               for value in (item.get("data") or {}).values())
    if size > SECRET_MAX:
        yield "data", "FieldValueTooLong", "Too long: may not be more " \
            f"than {SECRET_MAX} bytes"
    if old and old.get("type") != item.get("type"):
        yield bad("type", item.get("type"), "field is immutable")


def config_map(item, _old):
    """A ConfigMap's size."""
    size = sum(len(str(value).encode())
               for value in (item.get("data") or {}).values())
    if size > SECRET_MAX:
        yield "", "FieldValueTooLong", "Too long: may not be more than " \
            f"{SECRET_MAX} bytes"


def claim(item, old):
    """A claim's spec does not change but for its size."""
    spec = item["spec"]
    if not spec.get("accessModes"):
        yield "spec.accessModes", REQUIRED, \
            "Required value: at least 1 access mode is required"
    if "storage" not in (spec.get("resources") or {}).get("requests", {}):
        yield "spec.resources[storage]", REQUIRED, "Required value"
    if not old:
        return
    fixed = [{key: value for key, value in one["spec"].items()
              if key not in ("resources", "volumeAttributesClassName")}
             for one in (old, item)]
    if fixed[0] != fixed[1]:
        yield "spec", "FieldValueForbidden", \
            f"Forbidden: {IMMUTABLE_CLAIM}\n{difference(*fixed)}"
        return
    before, after = (quantity.parse(one["spec"]["resources"]["requests"]
                                    ["storage"]) for one in (old, item))
    if after < before:
        yield "spec.resources.requests.storage", "FieldValueForbidden", \
            "Forbidden: field can not be less than status.capacity"


def difference(old, new):
    """Something like the diff that the real server prints."""
    lines = ["  core.PersistentVolumeClaimSpec{"]
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            field = key[0].upper() + key[1:]
            lines += [f"- \t{field}: {old.get(key)},",
                      f"+ \t{field}: {new.get(key)},"]
    return "\n".join([*lines, "  }", ""])


def containers(spec, at, more=()):
    """A pod's containers; `more` are volumes that it gets later."""
    if not spec.get("containers"):
        yield f"{at}.containers", REQUIRED, "Required value"
    volumes = {one["name"] for one in (*(spec.get("volumes") or ()), *more)}
    for number, one in enumerate(spec.get("containers") or ()):
        place = f"{at}.containers[{number}]"
        if not one.get("name"):
            yield f"{place}.name", REQUIRED, "Required value"
        if not one.get("image"):
            yield f"{place}.image", REQUIRED, "Required value"
        for index, mount in enumerate(one.get("volumeMounts") or ()):
            if mount["name"] not in volumes:
                yield f"{place}.volumeMounts[{index}].name", \
                    "FieldValueNotFound", \
                    f"Not found: {quoted(mount['name'])}"
        yield from resources(one.get("resources") or {},
                             f"{place}.resources")


def resources(item, at):
    """Requests within limits."""
    limits = item.get("limits") or {}
    for key, value in (item.get("requests") or {}).items():
        if key in limits and quantity.parse(value) \
                > quantity.parse(limits[key]):
            yield bad(f"{at}.requests", str(value), "must be less than or "
                      f"equal to {key} limit of {limits[key]}")


def show_map(values):
    """A map as Go prints it."""
    inner = ", ".join(f"{quoted(key)}:{quoted(values[key])}"
                      for key in sorted(values))
    return f"map[string]string{{{inner}}}"


def show_selector(selector):
    """A selector as Go prints it."""
    return "v1.LabelSelector{MatchLabels:" \
        + show_map(selector.get("matchLabels") or {}) + \
        ", MatchExpressions:[]v1.LabelSelectorRequirement(nil)}"


def workload(item, old):
    """What makes pods."""
    spec = item["spec"]
    if spec.get("replicas", 1) < 0:
        yield bad("spec.replicas", spec["replicas"],
                  "must be greater than or equal to 0")
    wanted = (spec.get("selector") or {}).get("matchLabels") or {}
    found = spec["template"]["metadata"].get("labels") or {}
    if not spec.get("selector"):
        yield "spec.selector", REQUIRED, "Required value"
    elif not wanted.items() <= found.items():
        yield "spec.template.metadata.labels", BAD, \
            f"Invalid value: {show_map(found)}: `selector` does not match " \
            "template `labels`"
    yield from containers(
        spec["template"]["spec"], "spec.template.spec",
        [one["metadata"] for one in spec.get("volumeClaimTemplates") or ()])
    if old and old["spec"].get("selector") != spec.get("selector"):
        yield "spec.selector", BAD, \
            f"Invalid value: {show_selector(spec.get('selector') or {})}: " \
            "field is immutable"


def pod(item, old):
    """A pod."""
    if not old:
        yield from containers(item["spec"], "spec")
        return

    def fixed(spec):
        kept = {key: value for key, value in spec.items() if key not in (
            "activeDeadlineSeconds", "tolerations", "nodeName")}
        kept["containers"] = [{**one, "image": ""}
                              for one in spec["containers"]]
        return kept
    if fixed(old["spec"]) != fixed(item["spec"]):
        yield "spec", "FieldValueForbidden", "Forbidden: pod updates may " \
            "not change fields other than `spec.containers[*].image`," \
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`," \
            "`spec.tolerations` (only additions to existing tolerations)," \
            "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 " \
            "if it was previously negative)\n"


BY_KIND = {"Service": service, "Secret": secret, "ConfigMap": config_map,
           "PersistentVolumeClaim": claim, "Deployment": workload,
           "ReplicaSet": workload, "StatefulSet": workload, "Pod": pod}


def check(resource, item, old=None):
    """422 when an object is not as it has to be."""
    metadata = item["metadata"]
    causes = list(name(resource.kind, metadata.get("name", "")))
    causes += labels(metadata)
    function = BY_KIND.get(resource.kind)
    if function:
        causes += function(item, old)
    if causes:
        raise status.invalid(resource.kind, resource.group,
                             metadata.get("name", ""), causes)
