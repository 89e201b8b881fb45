"""uid=, as root: the mount runs as that user, and root only mounts it."""

import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess

import pytest

from conftest import mount_server
from harness import LIMIT, children, is_alive, is_mounted, wait_until
from mute import Hoarder
from test_credentials import Terminal
from test_umount import KEPT, assert_says, umount

USAGE = 1
FAILED = 32


def facts(pid):
    """/proc/PID/status as a dictionary."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {key: value.split() for key, _, value in
            (line.partition(":") for line in text.splitlines())}


def mounter_of(mount):
    """The process of the mount's that stays root."""
    pid, = pathlib.Path(
        f"/proc/{mount.pid}/task/{mount.pid}/children").read_text().split()
    assert pathlib.Path(f"/proc/{pid}/comm").read_text() \
        == "pycloud-mounter\n"
    return int(pid)


def mount_line(mount):
    """What the kernel's table says of it."""
    lines = pathlib.Path("/proc/self/mounts").read_text().splitlines()
    return next(line for line in lines
                if line.split()[1] == str(mount.directory))


@pytest.fixture(name="ann")
def ann_fixture(machine):
    """A user of a machine of our own."""
    return machine.ann


@pytest.fixture(name="anns")
def anns_fixture(mounter, server, ann):
    """The server, mounted by root for ann."""
    return mount_server(mounter, server, options=f"uid={ann.name}")


def test_the_daemon_is_the_user_and_can_be_nobody_else(anns, ann):
    status = facts(anns.pid)
    assert status["Uid"] == [str(ann.uid)] * 4
    assert status["Gid"] == [str(ann.gid)] * 4
    assert sorted(status["Groups"]) == [str(ann.gid), str(ann.gid + 1)]
    for key in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[key][0], 16) == 0, key
    assert status["NoNewPrivs"] == ["1"]
    assert status["Umask"] == ["0022"]


def test_its_files_are_the_users(anns, ann, scratch):
    done = ann.run("sh", "-c", f"echo text > {anns.directory}/f; "
                   f"stat -c '%U %G' {anns.directory}/f")
    assert done.stdout == "ann ann\n", done.stderr
    state, = (ann.home / ".local" / "state" / "pycloud").iterdir()
    assert state.stat().st_uid == ann.uid
    # What root's session says of places is not the user's.
    assert not any((scratch / name / "pycloud").exists()
                   for name in ("data", "cache", "state"))
    assert umount(anns).returncode == 0


def test_the_mount_is_the_users(anns, ann, machine):
    assert f"user_id={ann.uid},group_id={ann.gid}" in mount_line(anns)
    assert "nosuid,nodev" in mount_line(anns)
    other = machine.bob.run("ls", anns.directory)
    assert "Permission denied" in other.stderr
    assert ann.run("ls", anns.directory).returncode == 0


RUN = """
import sys
with open(sys.argv[1], "r+b", buffering=0) as run:
    run.write(b"-c 'import os; print(os.getuid(), os.getcwd())'\\n")
    print(run.readall().decode(), end="")
"""


def test_a_local_workspace_and_its_runs_are_the_users(mounter, ann):
    mount = mounter("local:lab", options=f"uid={ann.name}").start()
    done = ann.run("/usr/bin/python3", "-c", RUN, mount.directory / ".run")
    place = ann.home / ".local/share/pycloud/workspaces/lab"
    assert done.stdout == f"{ann.uid} {place}\n", done.stderr
    assert place.stat().st_uid == ann.uid
    mount.finish()


@pytest.mark.parametrize("way", ["ann/mnt", "by-root"])
def test_a_link_of_the_users_leads_root_nowhere(mounter, server, ann, scratch,
                                                way):
    """Or the user's files would be where root's programs look for root's."""
    roots = scratch / "roots"
    roots.mkdir(mode=0o755)
    (roots / "passwd").write_text("root\n")
    link = ann.home / "mnt"
    link.symlink_to(roots)
    os.chown(link, ann.uid, ann.gid, follow_symlinks=False)
    (scratch / "ann").symlink_to(ann.home)
    (scratch / "by-root").symlink_to(link)
    mount = mounter(server.url, env={"PYCLOUD_TOKEN": server.token},
                    options=f"uid={ann.name},nonempty", name=way)
    result = mount.attempt(make_directory=False)
    assert_says(result, FAILED, f"{link} is a symbolic link", "root's")
    assert (roots / "passwd").exists() and not is_mounted(roots)


def test_a_link_of_roots_is_followed(mounter, server, ann, scratch):
    (scratch / "mnt").mkdir()
    (scratch / "home").mkdir(exist_ok=True)
    (scratch / "by").symlink_to(scratch)
    (scratch / "way").symlink_to("by/home/../mnt")
    mount = mounter(server.url, env={"PYCLOUD_TOKEN": server.token},
                    options=f"uid={ann.name}", name="way")
    result = mount.attempt(make_directory=False)
    assert result.returncode == 0, result.stderr
    assert is_mounted(scratch / "mnt")
    assert ann.run("ls", scratch / "mnt").returncode == 0
    assert umount(mount, str(scratch / "mnt")).returncode == 0
    assert not is_mounted(scratch / "mnt")


def test_its_flags_are_roots(mounter, server, ann):
    mount = mount_server(mounter, server, options=f"uid={ann.uid},ro,noexec,"
                         "noatime,allow_other")
    options = mount_line(mount).split()[3].split(",")
    assert {"ro", "noexec", "noatime", "nosuid", "nodev", "allow_other",
            "default_permissions"} <= set(options)
    assert os.stat(mount.directory).st_uid == ann.uid


def test_a_directory_that_only_root_can_reach(mounter, server, ann, scratch):
    locked = scratch / "locked"
    locked.mkdir(mode=0o700)
    (locked / "mnt").mkdir(mode=0o755)
    mount = mount_server(mounter, server, options=f"uid={ann.name}",
                         name="locked/mnt")
    assert facts(mount.pid)["Uid"][0] == str(ann.uid)
    aide = mounter_of(mount)
    os.kill(mount.pid, signal.SIGTERM)
    assert mount.wait_end() == 0
    assert not is_mounted(mount.directory)
    wait_until(lambda: not is_alive(aide), "the mounter's end")


def test_sigterm_saves_and_takes_it_off(anns, ann, server):
    """Even while a program has a file open."""
    with subprocess.Popen(
            ["sh", "-c", f"exec 3> {anns.directory}/f; echo text >&3; "
             "echo open; read wait"], user=ann.uid, group=ann.gid,
            extra_groups=[], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True) as program:
        assert program.stdout.readline() == "open\n"
        os.kill(anns.pid, signal.SIGTERM)
        assert anns.wait_end() == 0
        assert not is_mounted(anns.directory)
        program.communicate("\n", timeout=LIMIT)
    assert (server.root / "f").read_text() == "text\n"


def test_root_unmounts_it_and_waits(mounter, server, ann):
    mount = mount_server(mounter, server,
                         options=f"uid={ann.name},writeback=3600")
    assert ann.run("sh", "-c",
                   f"echo text > {mount.directory}/f").returncode == 0
    assert not (server.root / "f").exists()
    result = umount(mount)
    assert result.returncode == 0, result.stderr
    assert (server.root / "f").read_text() == "text\n"
    assert mount.wait_end(5) == 0


def test_root_reads_nothing_that_the_user_serves(anns, ann):
    """Where the daemon says its note is the user may mount what never answers,
    and root would wait for it in the kernel."""
    state, = (ann.home / ".local" / "state" / "pycloud").iterdir()
    hoarder = Hoarder(state, ann.uid)
    try:
        result = umount(anns)
        assert not hoarder.taken.is_set()
        assert_says(result, KEPT, "cannot be waited for")
        assert not is_mounted(anns.directory)
    finally:
        hoarder.end()
    assert anns.wait_end() == 0


def test_root_waits_for_one_that_only_root_can_reach(mounter, server, ann,
                                                     scratch, machine):
    """Root is not let into the mount, nor its user to where it is."""
    locked = scratch / "locked"
    locked.mkdir(mode=0o700)
    (locked / "mnt").mkdir(mode=0o755)
    mount = mount_server(mounter, server, name="locked/mnt",
                         options=f"uid={ann.name},writeback=3600")
    # The only way in: a descriptor that root hands on.
    root = os.open(mount.directory, os.O_PATH)
    done = ann.run("sh", "-c", "cd /proc/self/fd/%d && echo text > f" % root,
                   pass_fds=[root])
    os.close(root)
    assert done.returncode == 0, done.stderr
    assert machine
    result = umount(mount)
    assert (result.returncode, result.stderr.count("\n") <= 1) == (0, True)
    assert (server.root / "f").read_text() == "text\n"
    assert mount.wait_end(5) == 0


@pytest.mark.parametrize("command", [
    ["umount"], ["fusermount3", "-u"], ["umount.pycloud"]])
def test_the_user_unmounts_it(anns, ann, command):
    aide = mounter_of(anns)
    done = ann.run(*command, anns.directory)
    assert done.returncode == 0, done.stderr
    assert not is_mounted(anns.directory)
    assert anns.wait_end() == 0
    assert not is_alive(aide)


def test_a_killed_daemon_is_replaced(mounter, server, ann, anns):
    aide = mounter_of(anns)
    anns.crash()
    anns.pid = None
    wait_until(lambda: not is_alive(aide), "the mounter's end")
    assert is_mounted(anns.directory)
    again = mounter(server.url, env={"PYCLOUD_TOKEN": server.token},
                    options=f"uid={ann.name}", name=anns.directory.name)
    assert again.attempt(make_directory=False).returncode == 0
    assert ann.run("ls", again.directory).returncode == 0
    assert umount(again).returncode == 0
    assert not is_mounted(again.directory)


def test_a_killed_daemons_mount_is_detached(anns):
    anns.crash()
    anns.pid = None
    assert_says(umount(anns), 0, "had died")
    assert not is_mounted(anns.directory)


def test_root_is_told_how_it_is(build, anns, machine):
    """Though root is not let in; others are not told."""
    def status(run):
        done = run(build / "fs" / "pycloud", "status", "--json",
                   anns.directory)
        return json.loads(done.stdout)[0]

    def as_root(*command):
        return subprocess.run(command, capture_output=True, text=True,
                              check=True, timeout=LIMIT)

    assert status(as_root)["state"] == "online"
    bobs = machine.bob.run("test", "-x", build / "fs" / "pycloud")
    if bobs.returncode != 0:
        pytest.skip("the build cannot be entered by a plain user")
    assert status(machine.bob.run)["state"] != "online"


def test_a_living_mount_is_not_replaced(mounter, server, ann, anns):
    again = mounter(server.url, env={"PYCLOUD_TOKEN": server.token},
                    options=f"uid={ann.name}", name=anns.directory.name)
    result = again.attempt(make_directory=False)
    assert_says(result, FAILED, "busy")
    assert ann.run("ls", anns.directory).returncode == 0


# --- the user's configuration ------------------------------------------------

def mode_of(mount, ann):
    """Of the root directory, as the user sees it."""
    return ann.run("stat", "-c", "%a", mount.directory).stdout.strip()


def test_the_users_file_is_read(mounter, server, ann):
    ann.config("[defaults]\ndmask=077\n")
    mount = mount_server(mounter, server, options=f"uid={ann.name}")
    assert mode_of(mount, ann) == "700"


def test_the_users_file_is_read_with_the_users_rights(mounter, server, ann,
                                                      scratch):
    secret = scratch / "secret"
    secret.write_text("[defaults]\ndmask=077\n")
    secret.chmod(0o600)
    file = ann.config("")
    file.unlink()
    file.symlink_to(secret)
    mount = mount_server(mounter, server, options=f"uid={ann.name}")
    assert mode_of(mount, ann) == "755"


def test_the_users_file_does_not_say_who_that_is(mounter, server, ann):
    ann.config("[defaults]\nuid=0\ngid=0\n")
    mount = mount_server(mounter, server, options=f"uid={ann.name}")
    assert facts(mount.pid)["Uid"] == [str(ann.uid)] * 4


def test_the_users_file_lets_others_in_where_fuse_conf_does(
        mounter, server, ann, machine):
    ann.config("[defaults]\nallow_other=true\n")
    mount = mounter(server.url, env={"PYCLOUD_TOKEN": server.token},
                    options=f"uid={ann.name}")
    assert_says(mount.attempt(), FAILED, "user_allow_other")
    assert not is_mounted(mount.directory)
    machine.fuse_conf.write_text("user_allow_other\n")
    mount.start()
    assert machine.bob.run("ls", mount.directory).returncode == 0


# --- the user's programs -----------------------------------------------------

PRINTS = """#!/bin/sh
: > "$HOME/ran"
test -t 0 && echo stdin >> "$HOME/ran"
(: < /dev/tty) 2> /dev/null && echo tty >> "$HOME/ran"
echo '%s'
"""


def test_the_users_programs_do_not_get_roots_terminal(mounter, server, ann):
    """Where root types, and where they could type to root's shell."""
    program = ann.home / "prints"
    program.write_text(PRINTS % server.token)
    program.chmod(0o755)
    ann.config(f"[defaults]\ntoken_command={program}\n")
    mount = mounter(server.url, options=f"uid={ann.name}")
    mount.directory.mkdir()
    # A shell of root's leads the terminal's session, as after a login.
    terminal = Terminal(["/bin/sh", "-c", '"$@"; exit $?', "sh",
                         *mount.command()], mount.env)
    assert terminal.end() == 0, terminal.seen
    assert is_mounted(mount.directory)
    assert umount(mount).returncode == 0
    assert (ann.home / "ran").read_text() == ""


# --- credentials -------------------------------------------------------------

def systemds(scratch, token):
    """As LoadCredential= places it for a unit of root's."""
    folder = scratch / "credentials"
    folder.mkdir()
    if token is not None:
        (folder / "pycloud.token").write_text(token)
        (folder / "pycloud.token").chmod(0o400)
    folder.chmod(0o500)
    return {"CREDENTIALS_DIRECTORY": str(folder)}


def test_systemds_credential_is_read_by_root(mounter, server, ann, scratch):
    server.write("a", "one")
    mount = mounter(server.url, options=f"uid={ann.name}",
                    env=systemds(scratch, server.token)).start()
    assert ann.run("cat", mount.directory / "a").stdout == "one"
    assert facts(mount.pid)["Uid"] == [str(ann.uid)] * 4
    assert umount(mount).returncode == 0


def test_systemds_credentials_without_ours(mounter, server, ann, scratch):
    """They are for another program, and that says nothing."""
    env = systemds(scratch, None) | {"PYCLOUD_TOKEN": server.token}
    mounter(server.url, options=f"uid={ann.name}", env=env).start()


def test_root_reads_no_credential_of_somebody_elses(mounter, server, ann,
                                                    scratch):
    env = systemds(scratch, server.token)
    os.chown(scratch / "credentials" / "pycloud.token", ann.uid, ann.gid)
    result = mounter(server.url, options=f"uid={ann.name}", env=env).attempt()
    assert_says(result, FAILED, "pycloud.token", "somebody else than root")
    assert server.token not in result.stderr


TELLS = """#!/bin/sh
/usr/bin/env -0 > "$HOME/environment"
echo '%s'
"""


def test_the_users_programs_do_not_get_roots_environment(mounter, server, ann):
    """What root's session knows may be a secret of root's."""
    program = ann.home / "tells"
    program.write_text(TELLS % server.token)
    program.chmod(0o755)
    roots = {"AWS_SECRET_ACCESS_KEY": "s3cret", "SSH_AUTH_SOCK": "/root/agent",
             "KUBECONFIG": "/root/.kube/config", "MAIL": "/var/mail/root",
             "LD_LIBRARY_PATH": "/root/lib", "JUPYTER_TOKEN": "s3cret",
             "SHELL": "/root/shell", "USER": "root", "SUDO_USER": "eve"}
    everybodys = {"LC_TIME": "C.UTF-8", "TZ": "UTC", "TERM": "dumb",
                  "no_proxy": "*"}
    mount = mounter(server.url, env=roots | everybodys,
                    options=f"uid={ann.name},token_command={program}")
    mount.start()
    told = dict(line.split("=", 1) for line in (
        ann.home / "environment").read_text().split("\0") if line)
    for name in "PWD", "SHLVL", "_", "OLDPWD":  # the shell's
        told.pop(name, None)
    expected = everybodys | {
        "PATH": mount.env["PATH"], "LANG": mount.env["LANG"],
        "HOME": str(ann.home), "USER": "ann", "LOGNAME": "ann",
        "SHELL": "/bin/sh", "PYCLOUD_SERVER": server.url.rstrip("/")}
    assert told == expected
    assert umount(mount).returncode == 0


# --- who cannot be meant -----------------------------------------------------

@pytest.mark.parametrize("options, words", [
    ("uid=nosuch", ["no user 'nosuch'", "getent passwd"]),
    ("gid=nosuch", ["no group 'nosuch'", "getent group"]),
    ("uid=3999999999", ["number 3999999999", "getent passwd", "gid=N"]),
])
def test_nobody_by_that_name(mounter, server, options, words):
    if os.geteuid() != 0 and "3999999999" in options:
        pytest.skip("a plain user mounts as nobody else")
    result = mounter(server.url, options=options,
                     env={"PYCLOUD_TOKEN": server.token}).attempt()
    assert_says(result, USAGE, *words)
    assert len(result.stderr.splitlines()) == 1


def test_a_number_without_a_user(mounter, server, machine):
    """In containers that is usual; the group has to be said."""
    home = pathlib.Path("/var/tmp/pycloud-4545")
    assert machine and not home.exists()
    try:
        mount = mount_server(mounter, server, options="uid=4545,gid=4646")
        status = facts(mount.pid)
        assert status["Uid"] == ["4545"] * 4
        assert status["Gid"] == ["4646"] * 4
        assert status["Groups"] == ["4646"]
        assert home.stat().st_uid == 4545
        mount.finish()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def test_a_home_that_another_has_made_is_not_used(mounter, server, machine):
    home = pathlib.Path("/var/tmp/pycloud-4545")
    assert not home.exists()
    config = home / ".config" / "pycloud" / "config"
    kubeconfig = home / ".kube" / "config"
    try:
        for file, text in (config, "[defaults]\ntimeout=soon\n"), \
                (kubeconfig, "nonsense"):
            done = machine.bob.run("sh", "-c", f"mkdir -p {file.parent} && "
                                   f"printf '{text}' > {file}")
            assert done.returncode == 0, done.stderr
        for spec in server.url, "kube:demo":
            result = mounter(spec, options="uid=4545,gid=4646",
                             env={"PYCLOUD_TOKEN": server.token}).attempt()
            assert_says(result, FAILED)
            assert "/var/tmp" not in result.stderr
    finally:
        shutil.rmtree(home, ignore_errors=True)


def test_the_users_programs_have_no_terminal_of_roots(mounter, server, ann):
    """Or they could type commands into it."""
    said = ann.home / "said"
    program = ann.home / "token"
    program.write_text("#!/bin/sh\n"
                       "(: < /dev/tty) 2> /dev/null && word=some\n"
                       f"echo ${{word:-none}} > {said}\n"
                       f"echo {server.token}\n")
    program.chmod(0o755)
    mount = mounter(server.url,
                    options=f"uid={ann.name},token_command={program}")
    mount.directory.mkdir()
    before = set(children())
    # script(1) gives what it runs a terminal.
    done = subprocess.run(
        ["script", "-qec", shlex.join(mount.command()), "/dev/null"],
        env=mount.env, check=False, timeout=LIMIT, capture_output=True,
        stdin=subprocess.DEVNULL, text=True)
    assert done.returncode == 0, done.stdout
    mount.pid, = [pid for pid in set(children()) - before
                  if mount.comm(pid) == "mount.pycloud"]
    assert said.read_text() == "none\n"
    assert umount(mount).returncode == 0


def test_root_that_cannot_become_the_user_says_so(mounter, server, machine):
    """Root of a user namespace that has no other users."""
    mount = mounter(server.url, env={"PYCLOUD_TOKEN": server.token},
                    options=f"uid={machine.ann.uid}")
    mount.directory.mkdir()
    result = subprocess.run(
        ["unshare", "--user", "--map-root-user", *mount.command()],
        env=mount.env, capture_output=True, text=True, check=False)
    if "unshare" in result.stderr:
        pytest.skip(f"no user namespace: {result.stderr}")
    assert_says(result, USAGE, f"rights of the user {machine.ann.uid}")


def test_a_plain_users_uid_only_names_the_owner(machine, server):
    """It gives no rights: the daemon is who mounts, whoever is named."""
    ann = machine.ann
    directory = ann.home / "mnt"
    directory.mkdir()
    os.chown(directory, ann.uid, ann.gid)
    done = ann.run("mount.pycloud", server.url, directory, "-o", "uid=0",
                   env={"PYCLOUD_TOKEN": server.token})
    assert done.returncode == 0, done.stderr
    try:
        owner = ann.run("stat", "-c", "%u", directory).stdout
        assert owner == "0\n"
        daemon, = [pid for pid in children() if pathlib.Path(
            f"/proc/{pid}/comm").read_text() == "mount.pycloud\n"]
        assert facts(daemon)["Uid"] == [str(ann.uid)] * 4
    finally:
        done = ann.run("umount.pycloud", directory)
    assert done.returncode == 0, done.stderr


def test_a_token_of_roots_is_none_of_the_users(mounter, server, ann, scratch):
    token = scratch / "token"
    token.write_text(server.token + "\n")
    token.chmod(0o600)
    result = mounter(server.url, options=f"uid={ann.name},"
                                         f"credentials={token}").attempt()
    assert_says(result, FAILED, str(token), "that user's own", "0600")
