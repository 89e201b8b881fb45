"""What a workspace is in a cluster, without one: the manifests for people are
those that pycloud sends, and their command line starts both of Debian's
Jupyter servers with the settings that a mount needs.
"""

import base64
import json
import os
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "mount"))
import harness  # noqa: E402 (it is found where the line above says)

MANIFESTS = HERE.parents[1] / "packaging" / "kubernetes"
TOKEN = "0123456789abcdef"
# What the start script calls besides the server, and what the server is.
TOOLS = ["cat", "env", "id", "mkdir", "python3", "sh"]


def load(name):
    """The objects in one of the files."""
    yaml = pytest.importorskip("yaml", reason="python3-yaml is missing")
    return list(yaml.safe_load_all((MANIFESTS / name).read_text()))


def sent(name):
    """What pycloud sends for a workspace of that name."""
    build = pathlib.Path(os.environ.get("PYCLOUD_BUILD", "build")).resolve()
    shown = subprocess.run(
        [build / "tests" / "services" / "show_kube_spec", name],
        env={**os.environ, "PYCLOUD_TOKEN": TOKEN}, stdout=subprocess.PIPE,
        check=True, timeout=60)
    return json.loads(shown.stdout)


def test_people_and_pycloud_make_the_same():
    """workspace.yaml is what pycloud sends, but for the token."""
    written = load("workspace.yaml")
    written[0]["data"]["token"] = base64.b64encode(TOKEN.encode()).decode()
    assert written == sent("demo")


def test_another_name_is_a_matter_of_replacing_a_word():
    """As the comment in workspace.yaml says."""
    text = json.dumps(sent("demo")).replace("demo", "lab-2")
    assert json.loads(text) == sent("lab-2")


def test_a_user_may_do_what_pycloud_asks():
    """Every kind that is sent may be made, changed and deleted."""
    role = load("role.yaml")[0]
    allowed = {(group, resource): set(rule["verbs"])
               for rule in role["rules"] for group in rule["apiGroups"]
               for resource in rule["resources"]}
    for manifest in sent("demo"):
        group = manifest["apiVersion"].rpartition("/")[0]
        resource = manifest["kind"].lower() + "s"
        assert {"get", "create", "patch", "delete"} \
            <= allowed[group, resource], resource
    for listed in (("apps", "deployments"), ("", "persistentvolumeclaims"),
                   ("", "pods"), ("", "events")):
        assert "list" in allowed[listed], listed
    for proxy in ("services/proxy", "pods/proxy"):
        assert allowed["", proxy] == {"get", "create", "update", "patch",
                                      "delete"}


class Pod(harness.Server):
    """A server started as the Deployment's container would start it."""

    def container(self):
        """The container, with this computer's places for the pod's."""
        text = json.dumps(load("workspace.yaml")[2]["spec"]["template"]
                          ["spec"]["containers"][0])
        for there, here in (("/tmp/", f"{self.home}/"),
                            ("/workspace", self.root),
                            ("0.0.0.0", "127.0.0.1"),
                            ("--port=8888", f"--port={self.port}")):
            assert there in text
            text = text.replace(there, str(here))
        return json.loads(text)

    def programs(self, names):
        """A PATH with nothing but these programs."""
        folder = self.scratch / "bin"
        folder.mkdir()
        for name in names:
            (folder / name).symlink_to(
                subprocess.check_output(["which", name], text=True).strip())
        return folder

    def begin(self, *names):
        """Start it where only these servers are installed."""
        identity = {}
        if self.user is not None:
            identity = {"user": self.user.pw_uid, "group": self.user.pw_gid,
                        "extra_groups": []}
        with open(self.scratch / "log", "ab") as log:
            self.process = subprocess.Popen(
                self.container()["command"], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, cwd=self.root,
                start_new_session=True, preexec_fn=harness.end_with_parent,
                env={"HOME": "/nonexistent", "JUPYTER_TOKEN": self.token,
                     "PATH": str(self.programs([*TOOLS, *names])),
                     "LANG": "C.UTF-8"}, **identity)


@pytest.fixture(scope="module", params=sorted(harness.PROGRAMS))
def pod(request):
    """A pod whose image has one of the servers, and a user without a home."""
    server = Pod(request.param, unprivileged=True)
    try:
        server.begin(pathlib.Path(harness.PROGRAMS[request.param]).name)
        harness.wait_until(server.answers, "the server in the pod")
        yield server
    finally:
        server.stop()


def put(pod, name):
    """Save a file."""
    request = urllib.request.Request(
        f"{pod.url}api/contents/{name}", method="PUT",
        data=b'{"type":"file","format":"text","content":"a"}',
        headers={"Authorization": f"token {pod.token}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 201


def test_the_token_is_asked_for(pod):
    """Without it nobody gets in; the probe's path needs none."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{pod.url}api/contents", timeout=30)
    assert refused.value.code == 403
    with urllib.request.urlopen(f"{pod.url}api", timeout=30) as answer:
        assert "version" in json.load(answer)


def test_every_name_is_served(pod):
    """Dot names and those that Jupyter hides can be saved and are listed."""
    for name in (".hidden", "a~", "b.pyc"):
        put(pod, name)
    listed = {entry["name"] for entry in pod.api("contents")["content"]}
    assert {".hidden", "a~", "b.pyc"} <= listed


def test_what_is_deleted_is_gone(pod):
    """Nothing goes to a trash, and nothing is kept beside the files."""
    put(pod, "gone")
    pod.api("contents/gone", method="DELETE")
    assert not (pod.root / "gone").exists()
    assert not list(pod.root.glob(".ipynb_checkpoints"))
    assert not [path for path in pod.home.rglob("*")
                if "rash" in path.name]


def test_an_image_without_jupyter_says_so():
    """Exit status 127, which kube_status explains."""
    server = Pod("server")
    try:
        server.begin()
        assert server.process.wait(60) == 127
        assert "no jupyter-server" in (server.scratch / "log").read_text()
    finally:
        server.stop()
