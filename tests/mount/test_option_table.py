"""One table of options: the help, the manual and the completions show it."""

import pathlib
import re
import subprocess

import pytest

from shells import Shells

# Of mount(8)'s own, which says them to us alone.
VALUED = {"-t", "-N"}

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def run(*command):
    """What a command prints; it must succeed."""
    return subprocess.run([str(word) for word in command], check=True,
                          capture_output=True, text=True, timeout=60).stdout


def read_table(build):
    """{name: its words}, and the letters, as the build's program has them."""
    text = run(pathlib.Path(build, "fs", "show_options"),
               "mount.pycloud", "bash")
    options, letters = [re.findall(r"^\t'?([^'\s]+)'?$", part,
                                   re.MULTILINE)
                        for part in text.split("\n)\n")[:2]]
    table = {}
    for word in options:
        name, _, value = word.partition("=")
        table.setdefault(name, set()).add(value)
    return table, set(letters)


@pytest.fixture(name="table", scope="module")
def table_fixture(build):
    """The options, and what each may be where that is a choice."""
    return read_table(build)[0]


@pytest.fixture(name="letters", scope="module")
def letters_fixture(build):
    """-v, --verbose and so on."""
    return read_table(build)[1]


@pytest.fixture(name="help_text", scope="module")
def help_fixture(build):
    """What --help shows."""
    return run(pathlib.Path(build, "fs", "mount.pycloud"), "--help")


@pytest.fixture(name="shells")
def shells_fixture(build, scratch):
    """The completions, beside a directory and a file."""
    (scratch / "here").mkdir()
    (scratch / "file").write_text("")
    return Shells(build, scratch)


def shown(help_text):
    """{name: value} of the options that --help shows."""
    return dict(re.findall(r"^  -o (\w+)=?(\S*)", help_text, re.MULTILINE))


def manual_tags():
    """The tags of the manual's section OPTIONS: "prefetch=on|off"."""
    text = (SOURCE / "fs" / "mount.pycloud.8").read_text()
    section = text.split(".SH OPTIONS\n")[1].split("\n.SH ")[0]
    for line in re.findall(r"^\.TP\n\.[BIR]+ (.*)$", section, re.MULTILINE):
        for tag in re.sub(r'[" ]', "", line).split(","):
            yield tag.replace("\\-", "-").replace("\\fR", "")


def test_the_manual_and_the_help_have_the_same_options(help_text, letters):
    manual = {}
    flags = set()
    for tag in manual_tags():
        name, _, value = tag.partition("=")
        if name.startswith("-"):
            flags.add(name.split("\\fI")[0])
        else:
            manual[name] = value
    helped = shown(help_text)
    assert sorted(manual) == sorted(helped)
    for name, value in helped.items():
        assert bool(value) == bool(manual[name]), name
        if "|" in value:
            assert set(value.split("|")) == set(manual[name].split("|")), name
    # -n, --no-mtab: the manual has one of the two at least.
    assert flags <= letters | VALUED
    assert {flag for flag in letters if len(flag) == 2} <= flags
    assert "--foreground" in flags


def test_the_help_shows_what_the_parser_takes(table, help_text, letters):
    helped = shown(help_text)
    assert set(helped) <= set(table)
    # The rest is of mount(8)'s own, and takes no value.
    assert all(table[name] == {""} for name in set(table) - set(helped))
    for name, value in helped.items():
        if "|" in value:
            assert table[name] == set(value.split("|")), name
    for letter in letters:
        assert re.search(rf"(^|\s){letter}\b", help_text), letter


def test_the_parser_takes_each_flag_and_choice(table, help_text, build,
                                               scratch):
    words = [name for name in table if shown(help_text).get(name, "") == ""]
    words += [f"{name}={value}" for name, values in table.items()
              for value in values if value]
    program = pathlib.Path(build, "fs", "mount.pycloud")
    run(program, "-f", "demo", scratch, "-o", ",".join(words))


def test_bash_completes_options(table, letters, shells):
    begun = "mount.pycloud demo /mnt -o "
    offered = {word.rstrip("=") for word in shells.bash(begun)}
    assert offered == {f"{name}={value}" if value else name
                       for name, values in table.items() for value in values}
    assert shells.bash(begun + "ro,pre") == \
        ["ro,prefetch=off", "ro,prefetch=on"]
    # readline has cut the word at '='.
    assert shells.bash(begun + "ro,via=pr") == ["proxy"]
    assert shells.bash(begun + "ro,config=fi") == ["file"]
    assert set(shells.bash("mount.pycloud demo -")) == letters | {"-o"}
    assert shells.bash("mount.pycloud demo he") == ["here"]


def test_fish_completes_options(table, letters, shells):
    begun = "mount.pycloud demo /mnt -o "
    offered = shells.fish(begun)
    assert {word.split("=")[0] for word in offered} == set(table)
    assert "hidden=keep" in offered
    assert shells.fish(begun + "ro,pre") == \
        ["ro,prefetch=off", "ro,prefetch=on"]
    assert shells.fish(begun + "ro,config=fi") == ["ro,config=file"]
    assert set(shells.fish("mount.pycloud demo -")) == letters | {"-o"}


def test_zsh_completes_options(table, letters, shells):
    begun = "mount.pycloud demo /mnt -o "
    assert set(shells.zsh(begun)) == set(table)
    assert shells.zsh(begun + "ro,via=") == ["proxy", "portforward"]
    assert shells.zsh(begun + "ro,config=fi") == ["file"]
    assert set(shells.zsh("mount.pycloud -")) == letters | {"-o"}
    assert set(shells.zsh("mount.pycloud demo he")) == {"here"}
