"""Label selectors and field selectors."""

import re

from . import status

SET = re.compile(r"\s*(!?)\s*([\w./-]+)\s*(?:(notin|in)\s*\(([^)]*)\))?\s*")
EQUAL = re.compile(r"\s*([\w./-]+)\s*(==|!=|=)\s*([\w.-]*)\s*")
SPLIT = re.compile(r",(?![^()]*\))")


def parse_labels(text):
    """A function that says whether labels match; 400 when it is none."""
    tests = [parse_label(part) for part in SPLIT.split(text)] if text else []
    return lambda labels: all(test(labels or {}) for test in tests)


def parse_label(part):
    """One requirement."""
    found = EQUAL.fullmatch(part)
    if found:
        key, operator, value = found.groups()
        if operator == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    found = SET.fullmatch(part)
    if not found:
        raise status.bad_request("unable to parse requirement: found "
                                 f"'{odd_token(part)}', expected: identifier")
    negated, key, operator, values = found.groups()
    wanted = {value.strip() for value in (values or "").split(",")}
    if operator == "in":
        return lambda labels: labels.get(key) in wanted
    if operator == "notin":
        return lambda labels: labels.get(key) not in wanted
    if negated:
        return lambda labels: key not in labels
    return lambda labels: key in labels


def odd_token(part):
    """What the parser stumbles over."""
    found = re.match(r"\s*[\w./-]*\s*(?:==|!=|=)?\s*[\w.-]*(.)", part)
    return found.group(1) if found else ""


def of_object(selector):
    """The same for a LabelSelector object of a spec."""
    equal = dict(selector.get("matchLabels") or {})
    expressions = selector.get("matchExpressions") or []

    def matches(labels):
        labels = labels or {}
        return all(labels.get(key) == value for key, value in equal.items()) \
            and all(expression_holds(one, labels) for one in expressions)
    return matches


def expression_holds(expression, labels):
    """One of matchExpressions."""
    key, values = expression["key"], expression.get("values") or []
    return {"In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels}[expression["operator"]]


def show(selector):
    """As a selector's text: a=b,c=d."""
    equal = selector.get("matchLabels") or {}
    return ",".join(f"{key}={equal[key]}" for key in sorted(equal))


def field_value(item, path):
    """What a field selector compares; missing is the empty string."""
    value = item
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return "" if value is None else str(value)


# events.k8s.io has another name for it.
ALIASES = {"regarding": "involvedObject", "reportingController":
           "reportingComponent"}


def parse_fields(text):
    """A function that says whether an object matches."""
    tests = []
    for part in text.split(",") if text else []:
        found = re.fullmatch(r"\s*([\w.]+)\s*(==|!=|=)\s*(.*?)\s*", part)
        if not found:
            raise status.bad_request(f'invalid selector: "{text}"; can\'t '
                                     f'understand "{part}"')
        path, operator, value = found.groups()
        first, dot, rest = path.partition(".")
        path = ALIASES.get(first, first) + dot + rest
        tests.append((path, operator == "!=", value))
    return lambda item: all((field_value(item, path) == value) != negated
                            for path, negated, value in tests)
