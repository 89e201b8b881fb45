"""What a container sees at its mount paths: directories of this machine.

There is no file system of its own for a container.  So each mount path, in
every argument and every value of the environment, becomes the directory that
is really meant.  A mount path below another one is a link there, as long as
the container lives.
"""

import base64
import contextlib
import os
import pathlib
import re

from . import resources


class Missing(Exception):
    """A Secret or a ConfigMap that is not there (yet)."""


def values_of(store, resource, namespace, name, optional=False):
    """The data of a Secret or a ConfigMap as bytes."""
    found = store.view(resource, namespace, name)
    if found is None:
        if optional:
            return {}
        word = "secret" if resource is resources.SECRETS else "configmap"
        raise Missing(f'{word} "{name}" not found')
    data = found.get("data") or {}
    if resource is resources.SECRETS:
        return {key: base64.b64decode(value) for key, value in data.items()}
    return {key: value.encode() for key, value in data.items()}


def write_files(folder, values, items):
    """Files of a Secret or a ConfigMap."""
    folder.mkdir(parents=True, exist_ok=True)
    if items:
        values = {item["path"]: values[item["key"]] for item in items
                  if item["key"] in values}
    for name, value in values.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(value)
        path.chmod(0o600)


def sources_of(volume):
    """(resource, name, items, optional) of what a volume is made of."""
    if "secret" in volume:
        one = volume["secret"]
        yield resources.SECRETS, one["secretName"], one
    if "configMap" in volume:
        one = volume["configMap"]
        yield resources.CONFIG_MAPS, one["name"], one
    for source in volume.get("projected", {}).get("sources") or ():
        if "secret" in source:
            yield resources.SECRETS, source["secret"]["name"], \
                source["secret"]
        if "configMap" in source:
            yield resources.CONFIG_MAPS, source["configMap"]["name"], \
                source["configMap"]


def folder_of(store, pod, volume, scratch, folder_of_claim):
    """The directory of one volume of a pod."""
    namespace = pod["metadata"]["namespace"]
    if "persistentVolumeClaim" in volume:
        claim = store.view(resources.CLAIMS, namespace,
                           volume["persistentVolumeClaim"]["claimName"])
        if claim is None:
            raise Missing("persistentvolumeclaim not found")
        return folder_of_claim(claim)
    if "hostPath" in volume:
        return pathlib.Path(volume["hostPath"]["path"])
    folder = pathlib.Path(scratch) / volume["name"]
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for resource, name, one in sources_of(volume):
        values = values_of(store, resource, namespace, name,
                           one.get("optional"))
        write_files(folder, values, one.get("items"))
    return folder


class Mounts:
    """The mount paths of one container."""

    def __init__(self, folders, mounts):
        self.links = []
        self.places = {}
        for mount in sorted(mounts, key=lambda one: one["mountPath"]):
            folder = folders[mount["name"]]
            if mount.get("subPath"):
                folder = folder / mount["subPath"]
                if not folder.exists():
                    folder.mkdir(parents=True)
            path = mount["mountPath"].rstrip("/") or "/"
            self._link(path, folder)
            self.places[path] = folder
        # The longest first: a path below another one is its own.
        self.pattern = re.compile("|".join(
            rf"(?<![\w./-]){re.escape(path)}(?![\w.-])"
            for path in sorted(self.places, key=len, reverse=True))
            or r"(?!)")

    def _link(self, path, folder):
        """Show a volume inside the volume that it is mounted in."""
        above = [one for one in self.places if path.startswith(f"{one}/")]
        if not above:
            return
        parent = max(above, key=len)
        link = self.places[parent] / path[len(parent) + 1:]
        link.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):
            if link.is_dir() and not link.is_symlink():
                link.rmdir()
        if link.is_symlink():
            link.unlink()
        if not link.exists():
            link.symlink_to(folder)
            self.links.append(link)

    def put_into(self, text):
        """A text with the directories that are meant."""
        return self.pattern.sub(
            lambda found: str(self.places[found.group(0)]), text)

    def real(self, path):
        """The directory of one path of the container, or None."""
        changed = self.put_into(path)
        return changed if changed != path or os.path.isdir(path) else None

    def remove(self):
        """The container has ended."""
        for link in self.links:
            with contextlib.suppress(OSError):
                link.unlink()
