"""Where tokens come from, where they are kept, and where they never are.

Real Jupyter servers, a real JupyterHub, and a real keyring on a private bus.
"""

import contextlib
import errno
import hashlib
import os
import pathlib
import pty
import secrets
import select
import signal
import subprocess
import termios
import urllib.request

import pytest

import harness
from harness import is_mounted, wait_until
from hub import Hub
from keyring import Bus, SilentBus, files_with
from way import VIA

pytestmark = pytest.mark.skipif(
    bool(VIA), reason="a cluster's workspace has its token from the cluster")

LOGIN = "run: pycloud login"


def refusal(mount):
    """What a mount that must fail says."""
    result = mount.attempt()
    assert result.returncode == 32, result.stderr
    assert not is_mounted(mount.directory)
    return result.stderr


def is_offline(mount):
    """Looks for a new name, and whether that is offline."""
    with contextlib.suppress(OSError):
        os.stat(mount.path / f"none-{secrets.token_hex(4)}")
    return mount.status()["state"] == "offline"


def replace_token(server):
    """The server with another token, as an administrator would have it."""
    server.kill()
    server.token = secrets.token_hex(16)
    server.start()


# --- the keyring -------------------------------------------------------------

def test_login_mount_logout(mounter, server, keyring, pycloud):
    """What login keeps, mounts find; what logout removed, they do not."""
    run = pycloud(**keyring.env)
    said = run.login("--token-stdin", server.url, text=server.token + "\n")
    assert "kept in the keyring" in said
    url = server.url.rstrip("/")
    assert keyring.search(server=url, workspace=server.url) == 1

    # A second login takes the place of the first, whatever it was called.
    run.login("--token-stdin", url, text=server.token)
    assert keyring.search(server=url) == 1
    server.write("a", "one")
    mount = mounter(server.url, env=keyring.env).start()
    assert (mount.path / "a").read_text() == "one"
    assert mount.unmount().returncode == 0

    assert "forgotten" in run("logout", server.url).stdout
    assert keyring.search(server=url) == 0
    assert "nothing for" in run("logout", server.url).stdout
    said = refusal(mounter(server.url, env=keyring.env))
    assert "none was found" in said and f"{LOGIN} {url}" in said


def test_login_tries_before_it_keeps(server, keyring, pycloud):
    """A wrong token, an open line and a server that is none leave nothing."""
    run = pycloud(**keyring.env)
    wrong = "wr0ng" + "x" * 20
    result = run("login", "--token-stdin", server.url, text=wrong)
    assert result.returncode == 1
    assert "refuses it" in result.stderr and wrong not in result.stderr
    result = run("login", "--token-stdin", server.url)
    assert result.returncode == 1 and "nothing was given" in result.stderr
    result = run("login", "--token-stdin",
                 f"http://127.0.0.1:{harness.free_port()}", text=server.token)
    assert result.returncode == 1 and "cannot reach" in result.stderr
    result = run("login", f"{server.url}?token={server.token}")
    assert result.returncode == 2
    assert server.token not in result.stderr
    result = run("login", "demo")
    assert result.returncode == 2 and "no login to demo" in result.stderr
    assert keyring.search(server=server.url.rstrip("/")) == 0


def test_login_by_the_name_of_a_workspace(
        mounter, server, keyring, pycloud, scratch):
    """pycloud.conf says what the name stands for, and where its file is."""
    run = pycloud(**keyring.env)
    config = scratch / "config"
    token = scratch / "lab.token"
    config.write_text(f'[workspace "lab"]\nurl = {server.url}\n'
                      f'[workspace "file"]\nurl = {server.url}\n'
                      f'credentials = {token}\n')
    run.login("--config", config, "--token-stdin", "lab", text=server.token)
    assert keyring.search(workspace="lab") == 1
    mount = mounter("lab", env=keyring.env, options=f"config={config}").start()
    assert mount.status()["state"] == "online"
    said = run.login("--config", config, "--token-stdin", "file",
                     text=server.token)
    assert str(token) in said
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.read_text() == server.token + "\n"
    mounter("file", options=f"config={config}").start()


def test_a_locked_keyring_is_said(mounter, server, keyring, pycloud):
    """Nobody is asked to unlock it, and nothing waits for that."""
    run = pycloud(**keyring.env)
    run.login("--token-stdin", server.url, text=server.token)
    keyring.lock()
    assert "locked" in refusal(mounter(server.url, env=keyring.env))
    result = run("login", "--token-stdin", server.url, text=server.token)
    assert result.returncode == 1
    assert "locked" in result.stderr and "--file" in result.stderr
    result = run("logout", server.url)
    assert result.returncode == 1 and "locked" in result.stderr


def test_without_a_keyring_login_says_what_to_do(
        mounter, server, pycloud, scratch):
    """No bus, a bus with nobody on it, a bus that says nothing; and none is
    ever started."""
    starter = scratch / "bin" / "dbus-launch"
    starter.parent.mkdir()
    starter.write_text(f"#!/bin/sh\ntouch {scratch}/started\n")
    starter.chmod(0o755)
    path = {"PATH": f"{starter.parent}:{harness.SYSTEM_PATH}"}
    empty = Bus(scratch).start()
    silent_place = scratch / "silent"
    silent_place.mkdir()
    silent = SilentBus(silent_place).start()
    try:
        for env in ({"DBUS_SESSION_BUS_ADDRESS": ""},
                    {"DBUS_SESSION_BUS_ADDRESS": "autolaunch:",
                     "DISPLAY": ":99"},
                    {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent"},
                    empty.env, silent.env):
            run = pycloud(**path, **env)
            result = run("login", "--token-stdin", server.url,
                         text=server.token)
            assert result.returncode == 1, env
            assert "the keyring cannot keep it" in result.stderr, env
            assert "--file FILE" in result.stderr
            assert "none was found" in refusal(
                mounter(server.url, env={**path, **env}))
    finally:
        empty.stop()
        silent.stop()
    assert not (scratch / "started").exists()


def test_the_end_of_the_bus_is_not_the_mounts(
        mounter, server, keyring, pycloud):
    """The desktop's session ends; the mount stays."""
    pycloud(**keyring.env).login("--token-stdin", server.url,
                                 text=server.token)
    mount = mounter(server.url, env=keyring.env).start()
    keyring.stop()
    server.write("a", "one")
    wait_until((mount.path / "a").exists, "the file")
    assert (mount.path / "a").read_text() == "one"
    assert harness.is_alive(mount.pid)


# --- files, programs and others ----------------------------------------------

def test_a_file_of_ones_own(mounter, server, scratch):
    """The option credentials=, and the file's mode and owner."""
    path = scratch / "token"
    path.write_text(f"{server.token}\nits notes\n")
    path.chmod(0o600)
    mounter(server.url, options=f"credentials={path}").start()
    path.chmod(0o640)
    said = refusal(mounter(server.url, options=f"credentials={path}"))
    assert "chmod 600" in said and server.token not in said
    path.chmod(0o600)
    link = scratch / "link"
    link.symlink_to(path)
    assert "symbolic link" in refusal(
        mounter(server.url, options=f"credentials={link}"))
    assert "No such file" in refusal(
        mounter(server.url, options=f"credentials={scratch}/none"))
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
        assert "somebody else" in refusal(
            mounter(server.url, options=f"credentials={path}"))


def test_a_file_named_from_where_one_stands(mounter, server, scratch):
    """A daemon stands elsewhere when it reads it again."""
    path = scratch / "token"
    path.write_text(server.token)
    path.chmod(0o600)
    here = os.getcwd()
    os.chdir(scratch)
    try:
        mounter(server.url, options="credentials=token").start()
    finally:
        os.chdir(here)


def test_systemds_credential(mounter, server, scratch):
    """As LoadCredential= places it."""
    folder = scratch / "credentials"
    folder.mkdir()
    (folder / "pycloud.token").write_text(server.token)
    (folder / "pycloud.token").chmod(0o440)
    mounter(server.url, env={"CREDENTIALS_DIRECTORY": str(folder)}).start()


def test_a_program_gives_the_token(mounter, server, scratch):
    """token_command, without a shell; what it complains is shown."""
    program = scratch / "give"
    program.write_text("#!/bin/sh\necho touch your key >&2\n"
                       "[ \"$1\" = 'two words' ] || exit 9\n"
                       f"[ \"$PYCLOUD_SERVER\" = '{server.url[:-1]}' ] "
                       f"&& cat '{scratch}/kept'\n")
    program.chmod(0o755)
    (scratch / "kept").write_text(server.token)
    server.write("a", "one")
    mount = mounter(server.url,
                    options=f"token_command={program} 'two words'").start()
    assert "touch your key" in mount.result.stderr
    assert server.token not in mount.result.stderr
    assert (mount.path / "a").read_text() == "one"
    said = refusal(mounter(server.url, options=f"token_command={program}"))
    assert "exit status 9: touch your key" in said
    assert "no program" in refusal(
        mounter(server.url, options="token_command=/nonexistent/give"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_mount_that_waits_for_its_program(
        mounter, scratch, number):
    """And the program with it."""
    note = scratch / "pid"
    mount = mounter("http://127.0.0.1:9/", options=(
        f"token_command=sh -c 'echo $$ > {note}; exec sleep 600'"))
    mount.directory.mkdir()
    with subprocess.Popen(mount.command(), env=mount.env, text=True,
                          stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL) as waiting:
        pid = int(wait_until(
            lambda: note.exists() and note.read_text().strip(),
            "the program"))
        os.kill(waiting.pid, number)
        assert waiting.wait(harness.LIMIT) == 8
        assert "interrupted" in waiting.stderr.read()
    wait_until(lambda: not harness.is_alive(pid), "the program's end")


def test_a_server_of_this_computer_needs_no_token(mounter, server):
    """Its runtime file says it, to whom the file belongs."""
    runtime = server.home / ".local" / "share" / "jupyter" / "runtime"
    env = {"JUPYTER_RUNTIME_DIR": str(runtime)}
    mount = mounter(server.url, env=env).start()
    assert mount.status()["state"] == "online"
    other = server.home / "other"
    other.mkdir(exist_ok=True)
    assert "none was found" in refusal(
        mounter(server.url, env={"JUPYTER_RUNTIME_DIR": str(other)}))


# --- a running mount ---------------------------------------------------------

def test_a_new_token_in_the_file_is_found_in_use(
        mounter, own_server, scratch):
    """Nobody who uses the mount notices that the server's token is another."""
    path = scratch / "token"
    path.write_text(own_server.token)
    path.chmod(0o600)
    mount = mounter(own_server.url,
                    options=f"credentials={path},attr_timeout=0").start()
    harness.watch_for(5.1)  # it is read again no sooner
    replace_token(own_server)
    path.write_text(own_server.token)
    own_server.write("a", "one")
    assert (mount.path / "a").read_text() == "one"
    (mount.path / "b").write_text("two")
    assert (own_server.root / "b").read_text() == "two"
    assert mount.status()["state"] == "online"


def test_login_brings_a_running_mount_back(
        mounter, own_server, keyring, pycloud):
    """Offline, with what to do; and online again after it was done."""
    run = pycloud(**keyring.env)
    run.login("--token-stdin", own_server.url, text=own_server.token)
    own_server.write("a", "one")
    mount = mounter(own_server.url, env=keyring.env,
                    options="attr_timeout=0").start()
    assert (mount.path / "a").read_text() == "one"
    replace_token(own_server)
    wait_until(lambda: is_offline(mount), "that it is offline")
    why = mount.status()["why"]
    assert f"{LOGIN} {own_server.url.rstrip('/')}" in why
    assert "the keyring" in why
    with pytest.raises(OSError) as caught:
        os.mkdir(mount.path / "made")
    assert caught.value.errno == errno.EHOSTUNREACH
    run.login("--token-stdin", own_server.url, text=own_server.token)
    own_server.write("b", "two")
    wait_until((mount.path / "b").exists, "the files' return")
    assert (mount.path / "b").read_text() == "two"
    assert mount.status()["state"] == "online"


def test_the_keyring_is_searched_behind_the_environment(
        mounter, own_server, keyring, pycloud):
    """A token of the environment that has expired is not the end."""
    mount = mounter(own_server.url, options="attr_timeout=0", env={
        "PYCLOUD_TOKEN": own_server.token, **keyring.env}).start()
    replace_token(own_server)
    wait_until(lambda: is_offline(mount), "that it is offline")
    pycloud(**keyring.env).login("--token-stdin", own_server.url,
                                 text=own_server.token)
    own_server.write("b", "two")
    wait_until((mount.path / "b").exists, "the files' return")


def test_a_program_is_not_asked_in_a_storm(mounter, own_server, scratch):
    """Every use of a refused mount may be what starts it, but not each one."""
    calls = scratch / "calls"
    (scratch / "kept").write_text(own_server.token)
    mount = mounter(own_server.url, options=(
        "attr_timeout=0,token_command="
        f"sh -c 'echo >> {calls}; cat {scratch}/kept'")).start()
    replace_token(own_server)
    wait_until(lambda: is_offline(mount), "that it is offline")
    before = len(calls.read_text())
    for _ in range(200):
        assert is_offline(mount)
    assert len(calls.read_text()) - before <= 3
    (scratch / "kept").write_text(own_server.token)
    own_server.write("b", "two")
    wait_until((mount.path / "b").exists, "the files' return")


# --- passwords ---------------------------------------------------------------

class PasswordServer(harness.Server):
    """A server that knows a password, and no token."""

    password = "pass w0rd+&%"

    def start(self):
        """As its user would set it up."""
        app, _ = harness.SECTIONS[self.generation]
        digest = hashlib.sha1(f"{self.password}5a17".encode()).hexdigest()
        self.token = ""
        self.arguments = [f"--{app}.password=sha1:5a17:{digest}"]
        return super().start()

    def answers(self):
        """It says its version to everybody."""
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"{self.url}api", timeout=30):
                return True
        return False


@pytest.fixture
def password_server(generation):
    """A server with a password."""
    server = PasswordServer(generation)
    try:
        yield server.start()
    finally:
        server.stop()


def test_a_password_becomes_a_cookie(
        mounter, password_server, keyring, pycloud):
    """Files and runs work with it; when it is good no more, login is said."""
    server = password_server
    run = pycloud(**keyring.env)
    result = run("login", "--password-stdin", server.url, text="wrong")
    assert result.returncode == 1 and "refuses it" in result.stderr
    said = run.login("--password-stdin", server.url, text=server.password)
    assert "the cookie is kept in the keyring" in said
    server.write("a.py", "print('it runs')\n")
    mount = mounter(server.url, env=keyring.env,
                    options="attr_timeout=0").start()
    assert (mount.path / "a.py").read_text() == "print('it runs')\n"
    (mount.path / "b").write_text("two")
    assert (server.root / "b").read_text() == "two"
    os.rename(mount.path / "b", mount.path / "c")
    os.remove(mount.path / "c")
    result = run("run", "a.py", cwd=mount.path)
    assert result.stdout == "it runs\n", result.stderr

    server.kill()  # with what it signs its cookies with
    for secret in server.home.rglob("*cookie_secret"):
        secret.unlink()
    server.start()
    wait_until(lambda: is_offline(mount), "that it is offline")
    assert LOGIN in mount.status()["why"]
    run.login("--password-stdin", server.url, text=server.password)
    wait_until(lambda: not is_offline(mount), "that it is online")
    assert (mount.path / "a.py").read_text() == "print('it runs')\n"


@pytest.fixture(scope="module")
def hub():
    """One hub for all tests."""
    made = Hub()
    try:
        yield made.start()
    finally:
        made.stop()


def test_a_hubs_password_becomes_a_token(mounter, hub, keyring, pycloud):
    """The hub makes a token that expires; mounts find it by hub and user."""
    run = pycloud(**keyring.env)
    result = run("login", "--password-stdin", f"hub+{hub.url}", text="any")
    assert result.returncode == 1 and "--user" in result.stderr
    said = run.login("--password-stdin", f"hub+{hub.url}/user/ann",
                     text="any")
    assert "as ann; the token is kept" in said
    assert keyring.search(server=hub.url, user="ann") == 1
    made = [token for token in hub.api("users/ann/tokens")["api_tokens"]
            if token["note"].startswith("pycloud on ")]
    assert len(made) == 1 and made[0]["expires_at"]
    for path in ("", "/user/ann"):
        mount = mounter(f"hub+{hub.url}{path}", env=keyring.env).start()
        (mount.path / "f").write_text("hub")
        assert (hub.root / "f").read_text() == "hub"
        assert mount.unmount().returncode == 0


def test_logout_revokes_what_login_has_made(hub, keyring, pycloud):
    """Of the users that are meant; what a person made is left alone."""
    spec = f"hub+{hub.url}"
    run = pycloud(**keyring.env)
    before = hub.made_by_login()
    run.login("--password-stdin", f"{spec}/user/ann", text="any")
    run.login("--token-stdin", spec, text=hub.starter)
    kept, = set(hub.made_by_login()) - set(before)
    assert keyring.search(server=hub.url, user="ann", token_id=kept) == 1
    result = run("logout", "--user", "ann", spec)
    assert result.returncode == 0 and not result.stderr
    assert "has revoked the token of ann" in result.stdout
    assert hub.made_by_login() == before
    assert keyring.search(server=hub.url) == 1
    run.login("--token-stdin", spec, text=hub.token)
    result = run("logout", "--user", "ann", spec)
    assert "of ann was not made by login, and stays good" in result.stdout
    assert f"{hub.url}/hub/token" in result.stdout
    assert hub.api("user")["name"] == "ann"
    assert "of a service" in run("logout", spec).stdout
    assert keyring.search(server=hub.url) == 0


def test_logout_says_what_it_could_not_revoke(hub, keyring, pycloud):
    """A hub that is not there; and one that knows the token no more."""
    spec = f"hub+{hub.url}/user/ann"
    run = pycloud(**keyring.env)
    run.login("--password-stdin", spec, text="any")
    hub.end()
    try:
        result = run("logout", spec)
    finally:
        hub.start()
    assert result.returncode == 0
    assert "did not revoke the token of ann" in result.stderr
    assert f"{hub.url}/hub/token" in result.stderr
    assert keyring.search(server=hub.url) == 0
    run.login("--password-stdin", spec, text="any")
    for token in hub.made_by_login():
        hub.api(f"users/ann/tokens/{token}", "DELETE")
    result = run("logout", spec)
    assert "has revoked" in result.stdout and not result.stderr


def test_what_cannot_be_kept_is_not_left_at_the_hub(hub, keyring, pycloud):
    """Nobody else has it."""
    before = hub.made_by_login()
    keyring.lock()
    result = pycloud(**keyring.env)(
        "login", "--password-stdin", f"hub+{hub.url}/user/ann", text="any")
    assert result.returncode == 1 and "locked" in result.stderr
    assert hub.made_by_login() == before


def test_users_of_a_hub_do_not_displace_each_other(
        mounter, hub, keyring, pycloud):
    """Nor does a service, whose token opens the servers of those without one.
    """
    spec = f"hub+{hub.url}"
    run = pycloud(**keyring.env)
    for name in ("ann", "bob"):
        run.login("--password-stdin", f"{spec}/user/{name}", text="any")
    for count in (1, 2):  # the second replaces the first alone
        said = run.login("--token-stdin", spec, text=hub.starter)
        assert " as " not in said, count
        assert keyring.search(server=hub.url) == 3
    for name in ("ann", "bob"):
        assert keyring.search(server=hub.url, user=name) == 1
    mount = mounter(f"{spec}/user/ann", env=keyring.env).start()
    assert os.listdir(mount.path) is not None
    assert mount.unmount().returncode == 0
    assert run("logout", "--user", "ann", spec).returncode == 0
    # The service's may not enter; but it is known, and that is said.
    said = refusal(mounter(f"{spec}/user/ann", env=keyring.env))
    assert "no token" not in said and "none was found" not in said
    assert run("logout", spec).returncode == 0
    assert keyring.search(server=hub.url) == 0


def test_a_mount_stays_with_the_user_whose_token_it_found(
        mounter, hub, keyring, pycloud):
    """Without a name, the newest's; another's later one opens nothing."""
    spec = f"hub+{hub.url}"
    run = pycloud(**keyring.env)
    run.login("--password-stdin", f"{spec}/user/ann", text="any")
    mount = mounter(spec, env=keyring.env, options="attr_timeout=0").start()
    for token in hub.made_by_login():
        hub.api(f"users/ann/tokens/{token}", "DELETE")
    run.login("--password-stdin", f"{spec}/user/bob", text="any")
    hub.stop_server()  # which remembers the token for a while
    wait_until(lambda: is_offline(mount), "that it is offline")
    assert "the keyring" in mount.status()["why"]
    run.login("--password-stdin", f"{spec}/user/ann", text="any")
    wait_until(lambda: not is_offline(mount), "that it is online")
    (mount.path / "anns").write_text("text")
    assert (hub.root / "anns").read_text() == "text"


def test_a_hubs_token_that_is_revoked(mounter, hub, keyring, pycloud):
    """Offline until somebody logs in again."""
    spec = f"hub+{hub.url}/user/ann"
    run = pycloud(**keyring.env)
    run.login("--password-stdin", spec, text="any")
    mount = mounter(spec, env=keyring.env, options="attr_timeout=0").start()
    for token in hub.api("users/ann/tokens")["api_tokens"]:
        if token["note"].startswith("pycloud on "):
            hub.api(f"users/ann/tokens/{token['id']}", "DELETE")
    hub.stop_server()  # which remembers the token for a while
    wait_until(lambda: is_offline(mount), "that it is offline")
    assert f"{LOGIN} {spec}" in mount.status()["why"]
    run.login("--password-stdin", spec, text="any")
    wait_until(lambda: not is_offline(mount), "that it is online")


# --- people ------------------------------------------------------------------

class Terminal:
    """A program at a terminal, and what a person sees there."""

    def __init__(self, command, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(command[0], [str(word) for word in command], env)
        self.seen = b""

    def look(self):
        """Takes what is there to be read; True at the end."""
        if not select.select([self.fd], [], [], 0)[0]:
            return False
        try:
            chunk = os.read(self.fd, 4096)
        except OSError:
            chunk = b""
        self.seen += chunk
        return chunk == b""

    def until(self, words):
        """Read until these words are there."""
        wait_until(lambda: self.look() or words in self.seen, words)
        assert words in self.seen, self.seen

    def echoes(self):
        """Whether what is typed is shown."""
        return termios.tcgetattr(self.fd)[3] & termios.ECHO != 0

    def type(self, text):
        """As a person would."""
        os.write(self.fd, text.encode())

    def end(self):
        """Its exit status; everything it said is seen then."""
        try:
            wait_until(self.look, "the program's end")
        except AssertionError:
            os.kill(self.pid, signal.SIGKILL)
            raise
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return code


def test_login_asks_without_an_echo(server, keyring, pycloud):
    """A token is typed, and nobody sees it."""
    run = pycloud(**keyring.env)
    terminal = Terminal([run.program, "login", server.url], run.env)
    terminal.until(b"Token or password of ")
    assert not terminal.echoes()  # from now on what is typed is the answer
    terminal.type(server.token + "\n")
    assert terminal.end() == 0
    assert b"kept in the keyring" in terminal.seen
    assert server.token.encode() not in terminal.seen
    assert keyring.search(server=server.url.rstrip("/")) == 1


def test_ctrl_c_ends_login(server, keyring, pycloud):
    """With the terminal as it was."""
    run = pycloud(**keyring.env)
    terminal = Terminal([run.program, "login", server.url], run.env)
    terminal.until(b"Token or password of ")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert b"interrupted" in terminal.seen


def test_a_quit_at_login_leaves_no_terminal_without_an_echo(server, pycloud):
    """Ctrl-backslash is a character as any other, and no token."""
    run = pycloud()
    shell = Terminal(["/bin/sh", "-c", '"$@"; exec cat', "sh", run.program,
                      "login", server.url], run.env)
    shell.until(b"Token or password of ")
    shell.type("\x1c\n")
    shell.until(b"control characters")
    shell.type("there\n")
    shell.until(b"there\r\nthere")
    shell.type("\x04")
    assert shell.end() == 0


def test_a_mount_at_a_terminal_asks_for_the_token(mounter, server):
    """Last of all, and where the server wants one."""
    mount = mounter(server.url)
    for name in ("home", "data", "cache", "state"):
        (mount.scratch / name).mkdir()
    (mount.scratch / "run").mkdir(mode=0o700)
    mount.directory.mkdir()
    server.write("a", "one")
    before = set(harness.children())
    terminal = Terminal(mount.command(), mount.env)
    terminal.until(b"Token of ")
    terminal.type(server.token + "\n")
    assert terminal.end() == 0, terminal.seen
    assert server.token.encode() not in terminal.seen
    mount.result = True
    mount.pid = next(pid for pid in harness.children() if pid not in before
                     and mount.comm(pid) == "mount.pycloud")
    assert (mount.path / "a").read_text() == "one"


# --- where it never is -------------------------------------------------------

def process_words(pids):
    """What others may read of processes."""
    for pid in pids:
        for name in ("cmdline", "environ", "comm", "mountinfo", "maps"):
            with contextlib.suppress(OSError):
                yield (f"/proc/{pid}/{name}",
                       pathlib.Path("/proc", str(pid), name).read_bytes())


def control_texts(mount):
    """All that .pycloud shows, but for what waits for events."""
    for folder, _, names in os.walk(mount.path / ".pycloud"):
        for name in names:
            path = pathlib.Path(folder, name)
            if name in ("trace", "ctl") or not os.access(path, os.R_OK):
                continue
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            with contextlib.suppress(OSError):
                yield str(path), os.read(fd, 1 << 20)
            os.close(fd)


def test_the_secret_is_nowhere_else(
        mounter, own_server, keyring, pycloud, scratch):
    """After a life with files, runs, an outage and a new login, all that the
    token could have got into is searched for it."""
    server = own_server
    needles = [server.token.encode()]
    run = pycloud(**keyring.env)
    said = [run.login("--token-stdin", server.url, text=server.token)]
    mount = mounter(server.url, env=keyring.env, arguments=["-d"],
                    options="attr_timeout=0")
    mount.start_foreground()
    (mount.path / "a.py").write_text("print('it runs')\n")
    result = run("run", "a.py", cwd=mount.path)
    assert result.stdout == "it runs\n", result.stderr
    replace_token(server)
    needles.append(server.token.encode())
    wait_until(lambda: is_offline(mount), "that it is offline")
    said += [run("login", "--token-stdin", server.url, text="x" * 20).stderr]
    said += [run.login("--token-stdin", server.url, text=server.token)]
    wait_until(lambda: not is_offline(mount), "that it is online")
    assert run("run", "a.py", cwd=mount.path).stdout == "it runs\n"
    os.kill(mount.pid, signal.SIGUSR1)
    wait_until(lambda: "endpoint: " in mount.log.read_text(), "the status")

    pids = [mount.pid, *harness.descendants(mount.pid)]
    places = [*process_words(pids), *control_texts(mount),
              ("/proc/mounts", pathlib.Path("/proc/mounts").read_bytes()),
              *[(word, result.encode()) for word in ("status", "--json")
                for result in [run("status", word, mount.path).stdout]],
              *[("what login said", text.encode()) for text in said]]
    for needle in needles:
        assert not [name for name, text in places if needle in text]
    limits = pathlib.Path(f"/proc/{mount.pid}/limits").read_text()
    core = [x for x in limits.splitlines() if x.startswith("Max core")]
    assert core[0].split()[4:6] == ["0", "0"]

    assert mount.unmount().returncode == 0
    assert mount.wait_end() == 0
    for needle in needles:
        assert not files_with(needle, scratch, skip=[keyring.scratch])
        # And where it is kept, it is not to be read either.
        assert not files_with(needle, keyring.folder)


@pytest.mark.plain
def test_a_daemon_that_dies_leaves_no_core(mounter, server):
    """Not even where it is told to."""
    mount = mounter(server.url, env={"PYCLOUD_TOKEN": server.token}).start()
    os.kill(mount.pid, signal.SIGQUIT)
    _, status = os.waitpid(mount.pid, 0)
    mount.status_code = os.waitstatus_to_exitcode(status)
    assert mount.status_code == -signal.SIGQUIT
    assert not os.WCOREDUMP(status)
    mount.clear_away()
    mount.pid = None
