"""Probes: is a container alive, started, ready?"""

import http.client
import socket
import threading
import time

# However much faster the cluster is, a server gets this long before a probe
# that fails ends it.
KILL_AFTER_S = 4


def dial(ip, spec, probe):
    """Ask once; None when it is well, else what to say."""
    limit = probe.get("timeoutSeconds", 1)
    if "httpGet" in probe:
        return http_get(ip, port_of(spec, probe["httpGet"]["port"]),
                        probe["httpGet"], limit)
    if "tcpSocket" in probe:
        port = port_of(spec, probe["tcpSocket"]["port"])
        try:
            socket.create_connection((ip, port), limit).close()
        except OSError as error:
            return f"dial tcp {ip}:{port}: connect: {reason(error)}"
    return None


def reason(error):
    """An error in Go's words."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, TimeoutError):
        return "i/o timeout"
    return str(error)


def http_get(ip, port, get, limit):
    """The same for httpGet."""
    path = get.get("path", "/")
    url = f"http://{ip}:{port}{path}"
    link = http.client.HTTPConnection(ip, port, timeout=limit)
    headers = {one["name"]: one["value"]
               for one in get.get("httpHeaders") or ()}
    headers.setdefault("User-Agent", "kube-probe/1.32")
    try:
        link.request("GET", path, headers=headers)
        code = link.getresponse().status
    except TimeoutError:
        return f'Get "{url}": context deadline exceeded (Client.Timeout ' \
            "exceeded while awaiting headers)"
    except (OSError, http.client.HTTPException) as error:
        return f'Get "{url}": dial tcp {ip}:{port}: connect: ' \
            f"{reason(error)}"
    finally:
        link.close()
    if 200 <= code < 400:
        return None
    return f"HTTP probe failed with statuscode: {code}"


def port_of(spec, port):
    """The number of a port that may be a name."""
    if isinstance(port, int):
        return port
    for one in spec.get("ports") or ():
        if one.get("name") == port:
            return one["containerPort"]
    return int(port) if str(port).isdigit() else 0


class Probe:
    """One probe of one run of a container; asks in threads of their own."""

    def __init__(self, probe, container, ip, speed, wake):
        self.probe = probe
        self.container = container
        self.ip = ip
        self.wake = wake
        self.period = probe.get("periodSeconds", 10) / speed
        self.begun = time.monotonic()
        self.next = self.begun + probe.get("initialDelaySeconds",
                                           0) / speed
        self.failures = 0
        self.successes = 0
        self.asking = None
        self.answer = None

    @property
    def passed(self):
        """So often well, one after the other, that it counts."""
        return self.successes >= self.probe.get("successThreshold", 1)

    @property
    def failed(self):
        """So often not."""
        return self.failures >= self.probe.get("failureThreshold", 3)

    @property
    def is_fatal(self):
        """The same for a probe that ends the container."""
        return self.failed and \
            time.monotonic() - self.begun > KILL_AFTER_S

    def step(self):
        """Begin or finish a question; a message when it failed."""
        if self.asking is not None:
            if self.asking.is_alive():
                return None
            self.asking = None
            self.next = time.monotonic() + self.period
            return self.count(self.answer)
        if time.monotonic() >= self.next:
            self.asking = threading.Thread(target=self.ask, daemon=True,
                                           name="kube-probe")
            self.asking.start()
        return None

    def ask(self):
        """The question."""
        self.answer = dial(self.ip, self.container, self.probe)
        self.wake.set()

    def count(self, answer):
        """What an answer means."""
        if answer is None:
            self.successes += 1
            self.failures = 0
        else:
            self.failures += 1
            self.successes = 0
        return answer
