"""A plain client of the stand-in, for its tests."""

import http.client
import json
import ssl
import urllib.parse


class Client:
    """Speaks to one API server as one user."""

    def __init__(self, cluster, user="admin"):
        self.cluster = cluster
        self.port = cluster.server.port
        self.headers = {"Authorization": f"Bearer {cluster.token(user)}"}
        self.context = ssl.create_default_context(
            cafile=cluster.authority.certificate)

    def connect(self, timeout=30):
        """A new connection."""
        return http.client.HTTPSConnection("127.0.0.1", self.port,
                                           context=self.context,
                                           timeout=timeout)

    def ask(self, method, path, body=None, kind="application/json",
            **headers):
        """(code, body as bytes, headers)."""
        link = self.connect()
        if isinstance(body, dict):
            body = json.dumps(body)
        sent = {**self.headers, **headers}
        if body is not None:
            sent["Content-Type"] = kind
        try:
            link.request(method, path, body, sent)
            answer = link.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            link.close()

    def json(self, method, path, body=None, kind="application/json",
             **headers):
        """(code, body)."""
        code, raw, _ = self.ask(method, path, body, kind, **headers)
        return code, json.loads(raw)

    def apply(self, item, namespace, force=False):
        """Server-side apply: (code, object)."""
        group = item["apiVersion"]
        root = f"/apis/{group}" if "/" in group else f"/api/{group}"
        plural = f"{item['kind'].lower()}s"
        name = urllib.parse.quote(item["metadata"]["name"])
        path = f"{root}/namespaces/{namespace}/{plural}/{name}" \
            f"?fieldManager=pycloud{'&force=true' if force else ''}"
        return self.json("PATCH", path, item,
                         "application/apply-patch+yaml")

    def watch(self, path, until, timeout=30):
        """The events of a watch up to the first that `until` likes."""
        link = self.connect(timeout)
        link.request("GET", path, headers=self.headers)
        answer = link.getresponse()
        found = []
        try:
            for line in answer:
                found.append(json.loads(line))
                if until(found[-1]):
                    break
        finally:
            link.close()
        return found


def workspace(name, *, command=None, image="pycloud/workspace:latest",
              secret="token", probe=True, claim="home", **more):
    """A Deployment like that of a workspace."""
    labels = {"app.kubernetes.io/name": name}
    container = {"name": "jupyter", "image": image,
                 "ports": [{"name": "http", "containerPort": 8888}],
                 "resources": {"requests": {"cpu": "50m",
                                            "memory": "64Mi"}}, **more}
    if secret:
        container["env"] = [{"name": "JUPYTER_TOKEN", "valueFrom": {
            "secretKeyRef": {"name": f"{name}-{secret}", "key": "token"}}}]
    container["command"] = command or [
        "jupyter-server", "--ip=0.0.0.0", "--port=8888", "--no-browser",
        "--ServerApp.root_dir=/workspace"]
    if probe:
        container["readinessProbe"] = {
            "httpGet": {"path": "/api", "port": 8888}, "periodSeconds": 2,
            "timeoutSeconds": 5, "failureThreshold": 3}
    spec = {"terminationGracePeriodSeconds": 5, "containers": [container]}
    if claim:
        container["volumeMounts"] = [{"name": "home",
                                      "mountPath": "/workspace"}]
        spec["volumes"] = [{"name": "home", "persistentVolumeClaim": {
            "claimName": f"{name}-{claim}"}}]
    return {"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "labels": labels},
            "spec": {"replicas": 1, "strategy": {"type": "Recreate"},
                     "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels},
                                  "spec": spec}}}


def parts_of(name, storage_class=None):
    """What stands beside it: Secret, claim, Service."""
    spec = {"accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}}
    if storage_class:
        spec["storageClassName"] = storage_class
    return ({"apiVersion": "v1", "kind": "Secret",
             "metadata": {"name": f"{name}-token"},
             "stringData": {"token": "SECRET"}},
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim",
             "metadata": {"name": f"{name}-home"}, "spec": spec},
            {"apiVersion": "v1", "kind": "Service",
             "metadata": {"name": name}, "spec": {
                 "selector": {"app.kubernetes.io/name": name},
                 "ports": [{"name": "http", "port": 8888}]}})
