"""Who a request is from, and what that user may do: a table of rules."""

import base64
import dataclasses
import datetime
import secrets
import threading
import time

from . import status

READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch", "delete")
ANYTHING = ({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},)
# What everybody who is known may do.
BASIC = (
    {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"],
     "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]},
    {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"],
     "resources": ["selfsubjectreviews"]})
# What a user of workspaces needs.
WORKSPACE = (
    {"verbs": [*READ, *WRITE], "apiGroups": [""],
     "resources": ["pods", "services", "persistentvolumeclaims", "secrets",
                   "configmaps"]},
    {"verbs": [*READ], "apiGroups": ["", "events.k8s.io"],
     "resources": ["events", "endpoints"]},
    {"verbs": [*READ], "apiGroups": ["discovery.k8s.io"],
     "resources": ["endpointslices"]},
    {"verbs": [*READ, *WRITE], "apiGroups": ["apps"],
     "resources": ["deployments", "statefulsets"]},
    {"verbs": ["get", "patch", "update"], "apiGroups": ["apps"],
     "resources": ["deployments/scale", "statefulsets/scale"]},
    {"verbs": ["get"], "apiGroups": [""], "resources": ["pods/log"]},
    {"verbs": ["get", *WRITE], "apiGroups": [""],
     "resources": ["services/proxy", "pods/proxy"]},
    {"verbs": ["get", "create"], "apiGroups": [""],
     "resources": ["pods/exec", "pods/portforward"]})
PUBLIC_PATHS = ("/healthz", "/livez", "/readyz", "/version", "/version/")
KNOWN_PATHS = ("/api", "/api/", "/apis", "/apis/", "/openapi/")
WEBSOCKET_TOKEN = "base64url.bearer.authorization.k8s.io."


@dataclasses.dataclass
class User:
    """Somebody the API server knows."""

    name: str
    rules: tuple = ()
    groups: tuple = ()
    uid: str = ""
    # None: in every namespace.
    namespaces: tuple | None = None
    reason: str = ""

    def info(self):
        """As in a SelfSubjectReview."""
        found = {"username": self.name}
        if self.uid:
            found["uid"] = self.uid
        found["groups"] = [*self.groups, "system:authenticated"]
        return found


ANONYMOUS = User("system:anonymous", groups=("system:unauthenticated",))


@dataclasses.dataclass
class Attributes:
    """What a request wants to do with what."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def whole(self):
        """As in rules: pods/log."""
        return self.resource + (f"/{self.subresource}" if self.subresource
                                else "")


def rule_allows(rule, wanted):
    """One rule of a role."""
    def has(key, value):
        return "*" in rule[key] or value in rule[key]
    names = rule.get("resourceNames")
    return has("verbs", wanted.verb) and has("apiGroups", wanted.group) \
        and has("resources", wanted.whole) \
        and (not names or wanted.name in names)


class Access:
    """Users, their credentials, and what was taken from them."""

    def __init__(self):
        self.lock = threading.Lock()
        self.users = {}
        self.tokens = {}
        self.passwords = {}
        self.denied = []
        # As the insecure port of old clusters: whoever comes may all.
        self.is_open = False

    def add(self, user, token=None, password=None):
        """A user with a token (a new one when none is given)."""
        token = token or secrets.token_urlsafe(24)
        with self.lock:
            self.users[user.name] = user
            self.tokens[token] = (user.name, None)
            if password:
                self.passwords[user.name] = password
        return token

    def new_token(self, name, seconds=None):
        """Another token of a user, which ends by itself."""
        token = secrets.token_urlsafe(24)
        end = None if seconds is None else time.time() + seconds
        with self.lock:
            self.tokens[token] = (name, end)
        return token

    def token_of(self, name):
        """A token that is good now, or None."""
        with self.lock:
            for token, (owner, end) in self.tokens.items():
                if owner == name and (end is None or end > time.time()):
                    return token
        return None

    def expire(self, name):
        """All tokens and the password of a user are good no more."""
        with self.lock:
            self.tokens = {token: entry for token, entry
                           in self.tokens.items() if entry[0] != name}
            self.passwords.pop(name, None)

    def deny(self, name, verb, whole):
        """Take a right from a user: `create` of `pods/portforward`, say."""
        with self.lock:
            self.denied.append((name, verb, whole))

    def allow(self):
        """Give back what deny() took."""
        with self.lock:
            self.denied.clear()

    def user_of_token(self, token):
        """The User; 401 when the token is unknown or ended."""
        with self.lock:
            name, end = self.tokens.get(token, (None, None))
        if name not in self.users or (end is not None
                                      and end <= time.time()):
            raise status.ApiError(401, "Unauthorized")
        return self.users[name]

    def user_of_password(self, encoded):
        """The User of Basic credentials; else 401."""
        try:
            text = base64.b64decode(encoded, validate=True).decode()
        except ValueError:
            text = ""
        name, _, password = text.partition(":")
        if not password or self.passwords.get(name) != password:
            raise status.ApiError(401, "Unauthorized")
        return self.users[name]

    def authenticate(self, headers, certificate):
        """The User that a request comes from."""
        if self.is_open:
            return User("system:unsecured", ANYTHING, ("system:masters",))
        kind, _, value = (headers.get("Authorization") or "").partition(" ")
        value = value.strip()
        if kind.lower() == "bearer" and value:
            return self.user_of_token(value)
        if kind.lower() == "basic" and self.passwords:
            return self.user_of_password(value)
        token = websocket_token(headers)
        if token:
            return self.user_of_token(token)
        name = common_name(certificate)
        if name in self.users:
            return self.users[name]
        return ANONYMOUS if name is None else User(name)

    def is_allowed(self, user, wanted):
        """True when a rule allows it and nobody took it away."""
        with self.lock:
            if any(entry in self.denied for entry in (
                    (user.name, wanted.verb, wanted.whole),
                    (user.name, "*", wanted.whole))):
                return False
        if wanted.path:
            return wanted.path.startswith(PUBLIC_PATHS) or (
                user is not ANONYMOUS
                and (wanted.path.startswith(KNOWN_PATHS)
                     or user.rules == ANYTHING))
        if user is ANONYMOUS:
            return False
        rules = BASIC
        if user.namespaces is None or wanted.namespace in user.namespaces:
            rules += tuple(user.rules)
        return any(rule_allows(rule, wanted) for rule in rules)

    def check(self, user, wanted):
        """403 when it is not allowed, with the real server's words."""
        if not self.is_allowed(user, wanted):
            raise refusal(user, wanted)


def refusal(user, wanted):
    """What RBAC says."""
    if wanted.path:
        message = f'forbidden: User "{user.name}" cannot {wanted.verb} ' \
            f'path "{wanted.path}"'
        return status.ApiError(403, message, details={})
    qualified = wanted.resource + (f".{wanted.group}" if wanted.group
                                   else "")
    what = f'{qualified} "{wanted.name}"' if wanted.name else qualified
    where = f' in the namespace "{wanted.namespace}"' if wanted.namespace \
        else " at the cluster scope"
    message = f'{what} is forbidden: User "{user.name}" cannot ' \
        f'{wanted.verb} resource "{wanted.whole}" in API group ' \
        f'"{wanted.group}"{where}'
    details = {"name": wanted.name} if wanted.name else {}
    if wanted.group:
        details["group"] = wanted.group
    details["kind"] = wanted.resource
    return status.ApiError(403, message, details=details)


def websocket_token(headers):
    """The token that an upgrade may carry as a subprotocol."""
    for entry in (headers.get("Sec-WebSocket-Protocol") or "").split(","):
        entry = entry.strip()
        if entry.startswith(WEBSOCKET_TOKEN):
            encoded = entry[len(WEBSOCKET_TOKEN):]
            padding = "=" * (-len(encoded) % 4)
            try:
                return base64.urlsafe_b64decode(encoded + padding).decode()
            except ValueError:
                return encoded
    return None


def common_name(certificate):
    """The CN of what ssl's getpeercert() gave."""
    for parts in (certificate or {}).get("subject", ()):
        for key, value in parts:
            if key == "commonName":
                return value
    return None


def expiry(seconds):
    """When a token of so many seconds ends, as in a TokenRequest."""
    moment = datetime.datetime.now(datetime.timezone.utc) \
        + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
