"""A real JupyterHub on the loopback, for the tests that mount through one.

Debian's hub with its proxy, users who need no password, and single-user
servers that are processes of this computer.  It lives below a prefix, as many
do.
"""

import http.client
import json
import os
import secrets
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import harness

PREFIX = "/jupyter"
CONFIG = """
c.JupyterHub.bind_url = 'http://127.0.0.1:{port}{prefix}/'
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.api_url = 'http://127.0.0.1:{proxy_port}'
c.ConfigurableHTTPProxy.pid_file = '{scratch}/proxy.pid'
c.ConfigurableHTTPProxy.command = ['/usr/bin/configurable-http-proxy']
c.JupyterHub.db_url = 'sqlite:///{scratch}/hub.sqlite'
c.JupyterHub.cookie_secret_file = '{scratch}/cookie'
c.JupyterHub.authenticator_class = 'dummy'
c.JupyterHub.spawner_class = 'simple'
c.JupyterHub.allow_named_servers = True
c.JupyterHub.last_activity_interval = 3600
c.JupyterHub.tornado_settings = {{'slow_spawn_timeout': 0}}
c.SimpleLocalProcessSpawner.home_dir_template = '{scratch}/ws/{{username}}'
c.Spawner.args = ['--allow-root', '--log-level=50']
c.Spawner.environment = {{'NO_COLOR': '1'}}
c.Authenticator.allowed_users = {{'ann', 'bob'}}
c.JupyterHub.services = [
    {{'name': 'narrow', 'api_token': '{narrow}'}},
    {{'name': 'starter', 'api_token': '{starter}'}}]
c.JupyterHub.load_roles = [
    {{'name': 'owner', 'scopes': ['self', 'access:servers!user=ann'],
      'users': ['ann']}},
    {{'name': 'starter', 'services': ['starter'],
      'scopes': ['read:users!user=ann', 'servers!user=ann']}}]
c.JupyterHub.api_tokens = {{'{token}': 'ann'}}
"""
# Where Debian's modules are; not every Node.js looks there by itself.
NODE_PATH = "/usr/share/nodejs:/usr/lib/nodejs"


def kind_of(name):
    """The last words of a server's path in the API."""
    return f"servers/{urllib.parse.quote(name)}" if name else "server"


class Hub:
    """The hub, and the API that its administrator's scripts would use."""

    def __init__(self):
        self.scratch = harness.make_scratch()
        self.port = harness.free_port()
        self.token = secrets.token_hex(16)   # ann's
        self.narrow = secrets.token_hex(16)  # may do nothing
        self.starter = secrets.token_hex(16)  # may start, but not enter
        self.root = self.scratch / "ws" / "ann"
        self.root.mkdir(parents=True)
        self.process = None
        (self.scratch / "config.py").write_text(CONFIG.format(
            port=self.port, prefix=PREFIX, hub_port=harness.free_port(),
            proxy_port=harness.free_port(), scratch=self.scratch,
            token=self.token, narrow=self.narrow, starter=self.starter))

    @property
    def url(self):
        """As a browser shows it, without the hub's own pages."""
        return f"http://127.0.0.1:{self.port}{PREFIX}"

    def start(self):
        """Start (again) and wait until it answers."""
        with open(self.scratch / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["/usr/bin/jupyterhub", "-f", self.scratch / "config.py"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                cwd=self.scratch, start_new_session=True,
                preexec_fn=harness.end_with_parent,
                env={"HOME": str(self.scratch), "LANG": "C.UTF-8",
                     "PATH": harness.SYSTEM_PATH, "NODE_PATH": NODE_PATH})
        harness.wait_until(self.answers, f"the hub at {self.url}")
        return self

    def answers(self):
        """True when it is up and knows ann's token."""
        if self.process.poll() is not None:
            log = (self.scratch / "log").read_text(errors="replace")
            raise AssertionError(f"the hub ended:\n{log}")
        try:
            return self.api("user")["name"] == "ann"
        except (OSError, http.client.HTTPException):
            return False

    def api(self, path, method="GET"):
        """One answer of the hub's API, as Python values."""
        request = urllib.request.Request(
            f"{self.url}/hub/api/{path}", method=method,
            headers={"Authorization": f"token {self.token}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def servers(self):
        """The names of ann's servers that run or are about to."""
        return set(self.api("users/ann")["servers"])

    def made_by_login(self):
        """Ann's tokens that pycloud login has made."""
        return [token["id"] for token
                in self.api("users/ann/tokens")["api_tokens"]
                if token["note"].startswith("pycloud on ")]

    def stop_server(self, name=""):
        """As the hub's page or its culler would."""
        self.api(f"users/ann/{kind_of(name)}", "DELETE")
        harness.wait_until(lambda: name not in self.servers(),
                           "the server's end")

    def start_server(self):
        """As the hub's page would."""
        self.api("users/ann/server", "POST")
        harness.wait_until(lambda: self.api("users/ann")["server"],
                           "the server")

    def end(self):
        """End the hub, its proxy and the servers; it can start again."""
        below = harness.descendants(self.process.pid)
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in below:
            if harness.is_alive(pid):
                os.kill(pid, signal.SIGKILL)

    def stop(self):
        """End it for good."""
        if self.process is not None:
            self.end()
        harness.remove_scratch(self.scratch)
