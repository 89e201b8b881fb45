"""Images: what they run by themselves, and those that cannot be had."""

import json
import pathlib

SERVER = ["jupyter-server", "--ip=0.0.0.0", "--port=8888", "--no-browser"]
NOTEBOOK = ["jupyter-notebook", "--ip=0.0.0.0", "--port=8888",
            "--no-browser"]
# By the last part of the name, without its tag.
COMMANDS = {"workspace": SERVER, "jupyter-server": SERVER,
            "notebook": NOTEBOOK, "base-notebook": NOTEBOOK,
            "jupyter-notebook": NOTEBOOK}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Jupyter may not run as root otherwise; and nothing of a test's own user.
CONFIG = {"jupyter_server_config.json": "ServerApp",
          "jupyter_notebook_config.json": "NotebookApp"}


def is_missing(image):
    """An image that no registry has."""
    return "no-such" in image or "nosuch" in image


def command_of(image):
    """What a container of an image runs when its spec does not say."""
    name = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return COMMANDS.get(name, SERVER)


def write_config(folder):
    """The configuration in every image; answers where it is."""
    # A server that listens everywhere takes any Host; here it only seems to
    # listen to the loopback, and would not.
    for kind, is_open in (("open", True), ("local", False)):
        place = pathlib.Path(folder) / kind
        place.mkdir(parents=True, exist_ok=True)
        for name, section in CONFIG.items():
            settings = {"allow_root": True}
            if is_open:
                settings["allow_remote_access"] = True
            (place / name).write_text(json.dumps({section: settings}))
    return str(folder)


def pull_problem(image, policy):
    """(reason, message) of an image that cannot be had, or None."""
    if not is_missing(image):
        return None
    if policy == "Never":
        return "ErrImageNeverPull", f'Container image "{image}" is not ' \
            "present with pull policy of Never"
    return "ErrImagePull", 'failed to pull and unpack image "' \
        f'{image}": failed to resolve reference "{image}": ' \
        f"{image}: not found"
