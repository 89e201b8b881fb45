"""One table of pycloud's commands and their options, one of umount.pycloud's:
the parsers, the help, the manuals and the completions have the same."""

import pathlib
import re
import subprocess

import pytest

from shells import Shells, need

SOURCE = pathlib.Path(__file__).resolve().parents[2]
# Of every command, or of all that are about a cluster; and the default.
COMMON = {"--help", "-h", "--context", "--namespace", "-n", "--kubeconfig",
          "--wait"}
# In the manual: of a script, of other programs; the end of a name.
OTHERS = {"--fast", "-m", "-q", "-r", "-a", "-pycloud"}
# Begins a line that begins with a dash; of pycloud itself.
BESIDE = {"--", "--version", "-V"}


def run(*command, check=True):
    """What a command prints; it must succeed."""
    return subprocess.run([str(word) for word in command], check=check,
                          capture_output=True, text=True, timeout=60)


def show_options(build, program):
    """The build's table for bash: the lines of each of its arrays."""
    text = run(pathlib.Path(build, "fs", "show_options"), program,
               "bash").stdout
    arrays = dict(re.findall(r"^(\w+)=\((.*?)\)$", text,
                             re.MULTILINE | re.DOTALL))
    return {name: re.findall(r"'([^']*)'|(\S+)", body)
            for name, body in arrays.items()}


@pytest.fixture(name="table", scope="module")
def table_fixture(build):
    """{command: {option: what its value may be, "" for none}}"""
    arrays = show_options(build, "pycloud")
    table = {word: {} for _, word in arrays["_pycloud_commands"]}
    for line, _ in arrays["_pycloud_options"]:
        command, option, kinds = line.split(" ")
        table[command][option] = kinds
    assert len(table) >= 12 and all("-h" in row for row in table.values())
    return table


@pytest.fixture(name="letters", scope="module")
def letters_fixture(build):
    """What umount.pycloud takes."""
    words = show_options(build, "umount.pycloud")["_pycloud_umount_letters"]
    return {word for _, word in words}


@pytest.fixture(name="shells")
def shells_fixture(build, scratch):
    """The completions, beside a directory and a file."""
    (scratch / "here").mkdir()
    (scratch / "file").write_text("")
    return Shells(build, scratch)


def manual(name):
    """A manual page's text, without its fonts."""
    text = (SOURCE / "fs" / name).read_text()
    text = re.sub(r"\\f[A-Z]", "", text).replace("\\-", "-")
    return re.sub(r'^\.[A-Z]+ |["]', "", text, flags=re.MULTILINE)


def options_in(text):
    """The options that a text names."""
    return set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*|(?<!\S)--(?!\S)",
                          text))


# Not with another one of the same command.
NOT_BOTH = {"--no-wait", "--password-stdin"}


def test_the_parsers_take_each_option(table, build):
    program = pathlib.Path(build, "fs", "pycloud")
    for command, options in table.items():
        alone = [[option] for option in options if option in NOT_BOTH]
        together = [word for option, kinds in options.items()
                    if option not in NOT_BOTH
                    for word in ([option, "1"] if kinds else [option])]
        for words in [*alone, together]:
            done = run(program, command, *words, "--help", check=False)
            assert done.returncode == 0, (command, words, done.stderr)
            assert f"Usage: pycloud {command}" in done.stdout
            assert done.stderr == ""
        for option in (o for o, kinds in options.items() if kinds):
            done = run(program, command, option, check=False)
            assert done.returncode != 0, (command, option)


# Each of all pairs takes minutes: each option is tried with so many commands
# that have not got it, and each command with many such options.
STRANGERS = 3


def test_the_parsers_take_no_other_option(table, build):
    program = pathlib.Path(build, "fs", "pycloud")
    every = {option for options in table.values() for option in options}
    for n, option in enumerate(sorted(every)):
        # What is none of its own begins the line of `run`.
        strangers = [command for command, options in table.items()
                     if option not in options and command != "run"]
        for k in range(min(STRANGERS, len(strangers))):
            command = strangers[(n + k * 7) % len(strangers)]
            done = run(program, command, option, "--help", check=False)
            assert done.returncode == 2 or command == "attach" \
                and done.returncode == 125, (command, option)
            assert option.lstrip("-") in done.stderr


def test_the_help_has_each_option(table, build):
    program = pathlib.Path(build, "fs", "pycloud")
    text = run(program, "help").stdout
    assert re.findall(r"^  (\w+)", text, re.MULTILINE) == list(table)
    for command, options in table.items():
        shown = run(program, "help", command).stdout
        assert options_in(shown.split("\n\n")[1]) == set(options)


def both_names(options):
    """--directory and -C: a letter stands behind its name."""
    found = []
    for option in options:
        if option.startswith("--"):
            found.append(set())
        found[-1].add(option)
    return found


def synopsis():
    """{command: options}, as the manual's first lines have it."""
    found = {}
    text = manual("pycloud.1").split("SYNOPSIS\n")[1].split("DESCRIPTION")[0]
    for part in re.split(r"^\.(?:br|PP)$|^(?:br|PP)$", text,
                         flags=re.MULTILINE):
        names, _, rest = part.strip().partition("\n")
        for name in re.findall(r"\w+", names.removeprefix("pycloud")):
            found.setdefault(name, set()).update(options_in(rest))
    return found


def test_the_manual_has_each_option(table):
    shown = synopsis()
    for command, options in table.items():
        assert shown[command] <= set(options) | BESIDE, command
        for names in both_names(options):
            assert names & (shown[command] | COMMON), (command, names)
    text = manual("pycloud.1")
    every = {option for options in table.values() for option in options}
    assert options_in(text) - (OTHERS - every) - BESIDE == every


def test_the_shells_complete_commands(table, shells):
    for offered in shells.all("pycloud "):
        assert {word for word in offered if word[0] != "-"} == \
            set(table) | {"help"}
    for offered in shells.all("pycloud help "):
        assert offered == set(table), offered ^ set(table)


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_the_shells_complete_options(table, shells, shell):
    need(shell)
    for command, options in table.items():
        offered = getattr(shells, shell)(f"pycloud {command} -")
        assert set(offered) == set(options), command


def test_the_shells_complete_values(table, shells):
    for command, options in table.items():
        for option, kinds in options.items():
            expected = set(kinds.split("|"))
            if len(expected) > 1:
                line = f"pycloud {command} {option} "
                assert all(expected == offered for offered in
                           shells.all(line)), line
    for offered in shells.all("pycloud kill --signal=K"):
        assert {word.rpartition("=")[2] for word in offered} == {"KILL"}
    for offered in shells.all("pycloud runs -C he"):
        assert {word.rstrip("/") for word in offered} == {"here"}
    for offered in shells.all("pycloud list --kubeconfig fi"):
        assert offered == {"file"}
    for offered in shells.all("pycloud create --image "):
        assert offered == set()


def test_the_shells_leave_the_line_that_runs_alone(shells):
    for offered in shells.all("pycloud run fi"):
        assert offered == {"file"}
    for offered in shells.all("pycloud run file -"):
        assert offered == set()
    for offered in shells.all("pycloud run -C here fi"):
        assert offered == {"file"}


STAND_IN = """#!/bin/sh
echo "$@" >>"$0.log"
case $1 in
runs) printf '  RUN  STATE\\n    9  exit 0\\n   12  running\\n' ;;
list) printf 'NAME  STATE\\nlab  ready\\n$(boo)  ready\\n' ;;
esac
"""


def test_the_shells_ask_for_runs_and_workspaces(build, scratch):
    programs = scratch / "bin"
    programs.mkdir()
    (programs / "pycloud").write_text(STAND_IN)
    (programs / "pycloud").chmod(0o755)
    shells = Shells(build, scratch, programs)
    log = programs / "pycloud.log"
    for line, expected, asked in [
            ("attach ", {"last", "9", "12"}, {"runs", "runs -C ."}),
            ("kill -C /x ", {"last", "9", "12"}, {"runs -C /x"}),
            ("kill --directory=/x 1", {"12"},
             {"runs -C /x", "runs --directory=/x"}),
            # What is no name of a workspace is not offered.
            ("logs ", {"lab"}, {"list"}),
            ("stop -n x --context=c ", {"lab"},
             {"list --context c -n x", "list -n x --context=c"})]:
        for offered in shells.all(f"pycloud {line}"):
            assert offered == expected, line
        assert set(log.read_text().splitlines()) <= asked, line
        log.unlink()


CONFIG = """# [workspace "not"]
[defaults]
timeout=9
[workspace "lab"]
url=https://lab.example.org/
 [workspace "l4st.one"]\t
[workspace "$(touch boo)"]
[workspace "two words"]
[workspace "-o"]
"""


@pytest.fixture(name="configured")
def configured_fixture(scratch):
    """The user's pycloud.conf(5), and another; what it names."""
    config = scratch / ".config" / "pycloud" / "config"
    config.parent.mkdir(parents=True)
    config.write_text(CONFIG)
    (scratch / "other.conf").write_text('[workspace "away"]\n')
    return {"lab", "l4st.one"}


def test_the_shells_know_the_workspaces_of_the_files(build, scratch,
                                                     configured):
    programs = scratch / "bin"
    programs.mkdir()
    (programs / "pycloud").write_text(STAND_IN.replace("lab", "lpod"))
    (programs / "pycloud").chmod(0o755)
    shells = Shells(build, scratch, programs)
    for line, expected in [
            ("pycloud login ", configured),
            ("pycloud logout --config=other.conf ", {"away"}),
            ("pycloud doctor l", configured | {"lpod"}),
            ("mount.pycloud la", {"lab"}),
            ("mount.pycloud -v -o ro,url=x:y ", configured),
            ("mount.pycloud lab b", {"bin"})]:
        for offered in shells.all(line):
            assert {word.rstrip("/") for word in offered} == expected, line
    assert not (scratch / "boo").exists()


def test_umount_has_one_table(letters, build, shells):
    program = pathlib.Path(build, "fs", "umount.pycloud")
    shown = run(program, "--help").stdout
    assert options_in(shown.split("\n\n")[1]) == letters
    section = manual("umount.pycloud.8").split("OPTIONS\n")[1]
    assert options_in(section.split("EXIT STATUS")[0]) == letters
    for letter in letters - {"-N", "--namespace"}:
        value = ["x"] if letter in ("-t", "--types") else []
        run(program, letter, *value, "--help")
    for letter in ("-N", "--namespace"):
        done = run(program, letter, "7", "/mnt", check=False)
        assert done.returncode == 1 and "nsenter" in done.stderr
    for offered in shells.all("umount.pycloud -"):
        assert offered == letters


def test_umount_completes_what_is_mounted(shells):
    shells.table.write_text(
        "x /mnt/other ext4 rw 0 0\n"
        "pycloud:a /mnt/two\\040words fuse.pycloud rw 0 0\n"
        "pycloud:b /mnt/one fuse.pycloud rw 0 0\n")
    for offered in shells.all("umount.pycloud "):
        assert {word.replace("\\", "") for word in offered} == \
            {"/mnt/two words", "/mnt/one"}


def test_help_knows_no_other_command(build):
    done = run(pathlib.Path(build, "fs", "pycloud"), "help", "nosuch",
               check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert "there is no command nosuch" in done.stderr
