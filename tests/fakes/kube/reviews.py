"""Who am I, and what may I do: the reviews of authorization.k8s.io."""

from . import access, resources, text


def attributes_of(spec):
    """What a SelfSubjectAccessReview asks about."""
    path = spec.get("nonResourceAttributes")
    if path:
        return access.Attributes(path.get("verb", ""),
                                 path=path.get("path", ""))
    one = spec.get("resourceAttributes") or {}
    return access.Attributes(
        one.get("verb", ""), one.get("group", ""), one.get("resource", ""),
        one.get("subresource", ""), one.get("namespace", ""),
        one.get("name", ""))


def clean(spec):
    """The spec as it comes back: without what is empty."""
    return {key: {name: value for name, value in below.items()
                  if value != ""}
            for key, below in spec.items() if isinstance(below, dict)}


def access_review(access_table, user, body):
    """SelfSubjectAccessReview."""
    wanted = attributes_of(body.get("spec") or {})
    allowed = access_table.is_allowed(user, wanted)
    found = {"allowed": allowed}
    if allowed:
        found["reason"] = user.reason or "RBAC: allowed by ClusterRole" \
            f'Binding "{user.name}" of ClusterRole "{user.name}" to User ' \
            f'"{user.name}"'
    return {"metadata": {"creationTimestamp": None},
            "spec": clean(body.get("spec") or {}), "status": found}


def rules_review(access_table, user, body):
    """SelfSubjectRulesReview."""
    namespace = (body.get("spec") or {}).get("namespace", "")
    rules = list(access.BASIC)
    if user.namespaces is None or namespace in user.namespaces:
        rules += user.rules
    denied = [(verb, whole) for name, verb, whole in access_table.denied
              if name == user.name]
    shown = []
    for rule in rules:
        verbs = [verb for verb in rule["verbs"]
                 if not any((word, whole) in denied
                            for word in (verb, "*")
                            for whole in rule["resources"])]
        shown.append({**rule, "verbs": verbs})
    return {"metadata": {"creationTimestamp": None}, "spec": {},
            "status": {"resourceRules": shown, "nonResourceRules": [
                {"verbs": ["get"], "nonResourceURLs": [
                    "/healthz", "/livez", "/readyz", "/version",
                    "/version/"]},
                {"verbs": ["get"], "nonResourceURLs": [
                    "/api", "/api/*", "/apis", "/apis/*", "/healthz",
                    "/livez", "/openapi", "/openapi/*", "/readyz",
                    "/version", "/version/"]},
                {"verbs": ["get"], "nonResourceURLs": [
                    "/.well-known", "/.well-known/*"]}],
                "incomplete": False}}


def self_review(_access, user, _body):
    """SelfSubjectReview."""
    return {"metadata": {"creationTimestamp": text.now()},
            "status": {"userInfo": user.info()}}


FUNCTIONS = {resources.ACCESS_REVIEWS: access_review,
             resources.RULES_REVIEWS: rules_review,
             resources.SELF_REVIEWS: self_review}


def answer(access_table, user, resource, body):
    """The object that answers a review."""
    made = FUNCTIONS[resource](access_table, user, body)
    return {"kind": resource.kind, "apiVersion": resource.api_version,
            **made}
