"""Sends recorded requests to the stand-in and compares its answers.

What cannot be the same twice (times, UIDs, addresses, made-up ends of names)
is replaced by a word on both sides; the rest has to be equal.
"""

import http.client
import json
import pathlib
import re
import ssl
import threading

RECORDINGS = pathlib.Path(__file__).parent / "recordings" / "kube"
LIMIT_S = 30
LETTERS = "[0-9bcdfghjklmnpqrstvwxz]"
# In this order; \b keeps words of a text whole.
VOLATILE = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
     "UID"),
    (r"\b(10\.77\.0\.|10\.96\.|127\.1\.|127\.0\.)[\d.]+", "IP"),
    (r"(containerd://|sha256:)[0-9a-f]+", "ID"),
    (r"\.1[0-9a-f]{15}\b", ".EVENT"),
    (r"back-off [\dms]+", "back-off TIME"),
    (r"too old resource version: 1 .\d+.", "TOO OLD"),
    (rf"-(?=\w*\d)({LETTERS}{{8,10}})(-[0-9a-z]{{5}})?(?=-?[^0-9A-Za-z-]|-?$)",
     lambda found: "-HASH" + ("-POD" if found.group(2) else "")),
    (r'"(half|lab)-[0-9a-z]{5}"', r'"\1-SLICE"'))
# The values of these keys say nothing.
ANY_VALUE = {"resourceVersion", "volumeName", "continue", "serverAddress",
             "remainingItemCount", "description", "pod-template-hash",
             "controller-revision-hash", "count", "deprecatedCount"}
# Who writes managedFields here: the controllers do not.
SERVERS = ("kube-controller-manager", "kube-scheduler", "kubelet")
# Events of that cluster alone, or of a slow start.
NOT_EVERY_TIME = ("MissingClusterDNS", "Unhealthy", "SuccessfulCreate")
ADDED_BY_PROTOCOL = ("Date", "Content-Length", "Transfer-Encoding",
                     "Connection")


class Recording:
    """One recorded exchange."""

    def __init__(self, name):
        raw = (RECORDINGS / name).read_bytes().decode("latin-1")
        request, _, answer = raw.partition("\n----\n")
        head, _, body = (request + "\n").partition("\n\n")
        first, *headers = head.splitlines()
        self.name = name
        self.method, self.url, _ = first.split(" ")
        self.headers = dict(one.split(": ", 1) for one in headers)
        length = int(self.headers.get("Content-Length", 0))
        self.body = body.encode("latin-1")[:length]
        if length and not self.body.strip():
            # Left out of the file as it is large.
            self.body = None
        head, _, self.answer = answer.partition("\n\n")
        first, *headers = head.splitlines()
        self.code = int(first.split(" ")[1])
        self.answer_headers = [tuple(one.split(": ", 1))
                               for one in headers]

    def events(self):
        """The events of a recorded watch."""
        return [json.loads(line) for line in self.answer.splitlines()
                if line.startswith('{"type"')]


class Answer:
    """What the stand-in answered."""

    def __init__(self, code, headers, body):
        self.code = code
        self.headers = headers
        self.body = body


def plain(value):
    """A value without what differs from one time to the next."""
    if isinstance(value, dict):
        made = {key: "ANY" if key in ANY_VALUE else plain(below)
                for key, below in value.items() if key != "managedFields"}
        if "managedFields" in value:
            managers = [manager(one) for one in value["managedFields"]
                        if one["manager"] not in SERVERS]
            if managers:
                made["managedFields"] = managers
        return made
    if isinstance(value, list):
        return [plain(one) for one in value]
    return words(value) if isinstance(value, str) else value


def manager(one):
    """An entry of managedFields.  What is owned by who does not apply is
    near to the real thing only: those entries have to be there, no more."""
    if one["operation"] == "Update":
        one = {key: one[key] for key in ("manager", "operation")}
    return plain(one)


def words(text):
    """A text without what differs."""
    for pattern, word in VOLATILE:
        # A value that is a name alone is matched with its quotes.
        text = re.sub(pattern, word, f'"{text}"')[1:-1]
    return text


def headers_of(pairs):
    """The headers that say something, with the values that do."""
    made = {}
    for name, value in pairs:
        if name in ADDED_BY_PROTOCOL:
            continue
        made[name] = words(value) if name != "Audit-Id" else "UID"
    return made


def body_of(text):
    """A body for a comparison."""
    try:
        found = json.loads(text)
    except ValueError:
        return words(unchunked(text))
    if isinstance(found, dict) and found.get("kind") == "EventList":
        return one_of_each(found)
    return plain(found)


def unchunked(text):
    """A body of which the recording has the chunks."""
    if not re.match(r"[0-9a-f]+\r\n", text):
        return text
    return "".join(re.findall(r"[0-9a-f]+\r\n(.*?\n)\r\n", text,
                              re.DOTALL)).rstrip("\n")


def one_of_each(found):
    """Events by reason: how often and in which order is a matter of time."""
    made = {}
    for item in found["items"]:
        if item["reason"] not in NOT_EVERY_TIME and not (item.get(
                "message") or item.get("note")).startswith("(combined"):
            made.setdefault(item["reason"], plain(item))
    return {**plain({**found, "items": []}), "items": made}


def differences(wanted, found, at=""):
    """Where two values are not the same, in words."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in [*wanted, *(key for key in found if key not in wanted)]:
            where = f"{at}.{key}"
            if key not in found:
                yield f"{where}: missing, wanted {short(wanted[key])}"
            elif key not in wanted:
                yield f"{where}: unexpected {short(found[key])}"
            else:
                yield from differences(wanted[key], found[key], where)
    elif isinstance(wanted, list) and isinstance(found, list) \
            and len(wanted) == len(found):
        for number, pair in enumerate(zip(wanted, found)):
            yield from differences(*pair, f"{at}[{number}]")
    elif wanted != found:
        yield f"{at}: wanted {short(wanted)}, found {short(found)}"


def short(value):
    """A value in a message."""
    return json.dumps(value)[:300]


def compare(recording, answer):
    """All differences of an answer from the recorded one."""
    found = []
    if recording.code != answer.code:
        found.append(f"code: wanted {recording.code}, found {answer.code}")
    found += differences(headers_of(recording.answer_headers),
                         headers_of(answer.headers), "headers")
    found += differences(body_of(recording.answer.rstrip("\n")),
                         body_of(answer.body.decode().rstrip("\n")), "body")
    return found


def condition(item, kind):
    """(status, reason) of a condition."""
    for one in item["status"].get("conditions") or ():
        if one["type"] == kind:
            return one["status"], one.get("reason")
    return None


def of_workload(item):
    """What a watch of a Deployment or a StatefulSet is about."""
    found = item["status"]
    return {"generation": item["metadata"]["generation"],
            "deleting": "deletionTimestamp" in item["metadata"],
            "finalizers": item["metadata"].get("finalizers"),
            "replicas": item["spec"].get("replicas"),
            "status": {key: found[key] for key in sorted(found)
                       if key.lower().endswith(("replicas",
                                                "generation"))},
            **{kind: condition(item, kind) for kind in (
                "Available", "Progressing", "ReplicaFailure")}}


def of_container(one):
    """A container's state, without times."""
    def state(value):
        return {key: (below.get("reason"), below.get("exitCode"))
                for key, below in value.items()}
    return (state(one["state"]), state(one["lastState"]), one["ready"],
            one["restartCount"], one["started"])


def of_pod(item):
    """What a watch of a pod is about."""
    found = item["status"]
    return {"phase": found["phase"], "ip": "podIP" in found,
            "node": item["spec"].get("nodeName"),
            "deleting": item["metadata"].get("deletionGracePeriodSeconds"),
            "containers": [of_container(one) for one in
                           found.get("containerStatuses") or ()],
            **{kind: condition(item, kind) for kind in (
                "PodScheduled", "PodReadyToStartContainers",
                "Initialized", "Ready", "ContainersReady")}}


def of_claim(item):
    """What a watch of a claim is about."""
    return {"phase": item["status"]["phase"],
            "volume": "volumeName" in item["spec"],
            "deleting": "deletionTimestamp" in item["metadata"],
            "finalizers": item["metadata"].get("finalizers")}


def of_slice(item):
    """What a watch of an EndpointSlice is about."""
    return [one["conditions"] for one in item["endpoints"] or ()] or None


VIEWS = {"Deployment": of_workload, "StatefulSet": of_workload,
         "Pod": of_pod, "PersistentVolumeClaim": of_claim,
         "EndpointSlice": of_slice}


def states(events):
    """What happens in a watch, object by object; a change after which all
    looks as before is none."""
    found, last = [], {}
    for event in events:
        item = event["object"]
        name = words(item["metadata"].get("name", ""))
        if event["type"] in ("ERROR", "BOOKMARK"):
            look = plain(item)
        else:
            look = VIEWS.get(item["kind"], lambda _: None)(item)
            # Tuples as the comparison has them.
            look = json.loads(json.dumps(look))
        if event["type"] != "MODIFIED" or last.get(name, last) != look:
            found.append([name, event["type"], look])
        last[name] = look
    return sorted(found, key=lambda one: one[0])


def is_within(wanted, found):
    """True when all of `wanted` is in `found`, in that order."""
    left = iter(found)
    return all(any(one == other for other in left) for one in wanted)


class Replayer:
    """Sends requests; knows what the names of then are now."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.names = {}
        self.done = {}
        self.context = ssl.create_default_context(
            cafile=cluster.authority.certificate)

    def translate(self, text):
        """A request with the names and versions of now."""
        for old, new in self.names.items():
            text = text.replace(old, new)
        return text

    def connect(self):
        """A new connection."""
        return http.client.HTTPSConnection(
            "127.0.0.1", self.cluster.server.port, context=self.context,
            timeout=LIMIT_S)

    def send(self, recording, url=None):
        """(connection, response) of a recorded request."""
        headers = {key: value for key, value in recording.headers.items()
                   if key not in ("Host", "Content-Length")}
        body = recording.body
        if body is None:
            body = large_body(recording)
        else:
            body = self.translate(body.decode("latin-1")).encode("latin-1")
        link = self.connect()
        link.request(recording.method, self.translate(url or recording.url),
                     body or None, headers)
        return link, link.getresponse()

    def replay(self, *names):
        """Some exchanges, one after the other; the last answer."""
        for name in names:
            recording = Recording(f"{name}.txt")
            link, response = self.send(recording)
            answer = Answer(response.status, response.getheaders(),
                            response.read())
            link.close()
            self.done[name] = compare(recording, answer)
        return answer

    def watch(self, name, count=None, loose=False):
        """Begin a watch that ends by itself when it has seen as much as
        the recorded one (or its first `count` states).  `loose`: there may
        be more between the recorded states, which were seen at another
        pace."""
        return RunningWatch(self, name, count, loose)


class RunningWatch(threading.Thread):
    """One watch beside the requests that it is to see."""

    def __init__(self, replayer, name, count, loose):
        super().__init__(daemon=True)
        self.replayer = replayer
        self.loose = loose
        self.recording = Recording(f"{name}.txt")
        self.wanted = states(
            event for event in self.recording.events()
            if not self.is_late_bookmark(event))[:count]
        url = re.sub(r"timeoutSeconds=\d+",
                     f"timeoutSeconds={LIMIT_S // 2}", self.recording.url)
        self.link, self.response = replayer.send(self.recording, url)
        self.found = []
        self.start()

    @staticmethod
    def is_late_bookmark(event):
        """Those come when time has passed."""
        return event["type"] == "BOOKMARK" and "annotations" not in \
            event["object"]["metadata"]

    def run(self):
        for line in self.response:
            event = json.loads(line)
            if not self.is_late_bookmark(event):
                self.found.append(event)
            if self.has_all(states(self.found)):
                break

    def has_all(self, seen):
        """True when there is nothing more to wait for."""
        if self.loose:
            return is_within(self.wanted, seen)
        return len(seen) >= len(self.wanted)

    def finish(self):
        """Wait for the end, compare."""
        self.join(LIMIT_S)
        self.link.close()
        found = headers_differ(self.recording, self.response)
        seen = states(self.found)
        if self.loose and is_within(self.wanted, seen):
            seen = self.wanted
        for number, wanted in enumerate(self.wanted):
            if number >= len(seen):
                found.append(f"event {number}: missing {short(wanted)}")
                break
            found += differences(wanted, seen[number],
                                 f"event {number}")
        self.replayer.done[self.recording.name[:-4]] = found


def headers_differ(recording, response):
    """Differences in the status line and the headers."""
    found = [] if response.status == recording.code else \
        [f"code: wanted {recording.code}, found {response.status}"]
    return found + list(differences(headers_of(recording.answer_headers),
                                    headers_of(response.getheaders()),
                                    "headers"))


def large_body(recording):
    """A body that was too large for its file."""
    length = int(recording.headers["Content-Length"])
    name, field = ("big", "data") if "secrets" in recording.url \
        else ("x", "data")
    kind = "Secret" if "secrets" in recording.url else "ConfigMap"
    head = f'{{"apiVersion":"v1","kind":"{kind}","metadata":' \
        f'{{"name":"{name}"}},"{field}":{{"a":"'
    if kind == "Secret":
        head = head.replace('"data"', '"stringData"')
    return (head + "x" * (length - len(head) - 3) + '"}}').encode()
