"""Writes kubeconfig files, in JSON (which is YAML too) or as YAML."""

import base64
import json
import pathlib

FORMS = ("token", "token-file", "certificate", "certificate-file", "basic",
         "exec", "none")
EXEC = """#!/bin/sh
cat <<'END'
{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",
"status":{"token":"%s"}}
END
"""


def encoded(path):
    """A file as base64."""
    return base64.b64encode(pathlib.Path(path).read_bytes()).decode()


def private(path, text, mode=0o600):
    """A file that only its owner reads."""
    path = pathlib.Path(path)
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def credentials(form, folder, name, token=None, password=None, issue=None):
    """The `user` part: one of FORMS."""
    if form == "token":
        return {"token": token}
    if form == "token-file":
        return {"tokenFile": private(folder / f"{name}.token", token)}
    if form == "basic":
        return {"username": name, "password": password}
    if form == "exec":
        command = private(folder / f"{name}-credential", EXEC % token, 0o700)
        return {"exec": {"apiVersion": "client.authentication.k8s.io/v1",
                         "command": command, "args": [], "env": None,
                         "interactiveMode": "Never",
                         "provideClusterInfo": False}}
    if form == "none":
        return {}
    certificate, key = issue(name)
    if form == "certificate-file":
        return {"client-certificate": str(certificate),
                "client-key": str(key)}
    return {"client-certificate-data": encoded(certificate),
            "client-key-data": encoded(key)}


def make(server, authority, user, credential, context, namespace,
         authority_file=False):
    """The whole document."""
    cluster = {"server": server}
    if authority and authority_file:
        cluster["certificate-authority"] = str(authority)
    elif authority:
        cluster["certificate-authority-data"] = encoded(authority)
    return {"apiVersion": "v1", "kind": "Config", "preferences": {},
            "clusters": [{"name": "stand-in", "cluster": cluster}],
            "users": [{"name": user, "user": credential}],
            "contexts": [{"name": context, "context": {
                "cluster": "stand-in", "user": user,
                "namespace": namespace}}],
            "current-context": context}


def to_yaml(value, indent=""):
    """Enough of YAML for a kubeconfig, as kubectl writes it."""
    lines = []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, below in items:
        head = f"{key}:" if isinstance(value, dict) else "-"
        if isinstance(below, (dict, list)) and below:
            text = to_yaml(below, f"{indent}  ")
            if isinstance(value, dict):
                lines.append(f"{indent}{head}\n{text}")
            else:
                lines.append(f"{indent}- {text[len(indent) + 2:]}")
        else:
            lines.append(f"{indent}{head} {json.dumps(below)}")
    return "\n".join(lines)
