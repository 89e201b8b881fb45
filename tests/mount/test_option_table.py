"""One table of options: the help, the manual and the completions show it."""

import pathlib
import re
import shutil
import subprocess

import pytest

# Of mount(8)'s own, which says them to us alone.
VALUED = {"-t", "-N"}

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def run(*command):
    """What a command prints; it must succeed."""
    return subprocess.run([str(word) for word in command], check=True,
                          capture_output=True, text=True, timeout=60).stdout


def read_table(build):
    """{name: its words}, and the letters, as the build's program has them."""
    text = run(pathlib.Path(build, "fs", "show_options"), "bash")
    options, letters = [re.findall(r"^\t(\S+)$", part, re.MULTILINE)
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


def completion(build, name):
    """A completion that the build made."""
    return pathlib.Path(build, "packaging", "completion", name)


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


def bash_answers(build, *words):
    """What bash offers for the last of the words."""
    script = f"source {completion(build, 'mount.pycloud')}\n" \
        "compopt() { :; }\nCOMP_WORDBREAKS=$' \\t\\n=:'\n" \
        "COMP_WORDS=(\"$@\")\nCOMP_CWORD=$(($# - 1))\nCOMP_LINE=\"$*\"\n" \
        "COMP_POINT=${#COMP_LINE}\n_pycloud_mount\n" \
        "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    return run("bash", "--norc", "-c", script, "bash", "mount.pycloud",
               *words).split()


def test_bash_completes_options(table, letters, build):
    begun = ["demo", "/mnt", "-o"]
    expected = {f"{name}={value}" if value else name
                for name, values in table.items() for value in values}
    offered = {word.rstrip("=") for word in bash_answers(build, *begun, "")}
    assert offered == {word.rstrip("=") for word in expected}
    assert bash_answers(build, *begun, "ro,pre") == \
        ["ro,prefetch=off", "ro,prefetch=on"]
    # readline has cut the word at '='.
    assert bash_answers(build, *begun, "ro,via=pr") == ["proxy"]
    assert set(bash_answers(build, "demo", "-")) == letters | {"-o"}


def test_fish_completes_options(table, letters, build):
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    script = completion(build, "mount.pycloud.fish")

    def answers(line):
        text = run("fish", "--no-config", "-c",
                   f"source {script}; complete -C '{line}'")
        return [row.split("\t")[0] for row in text.splitlines()]

    offered = answers("mount.pycloud demo /mnt -o ")
    assert {word.split("=")[0] for word in offered} == set(table)
    assert "hidden=keep" in offered
    assert answers("mount.pycloud demo /mnt -o ro,pre") == \
        ["ro,prefetch=off", "ro,prefetch=on"]
    assert {flag for flag in letters if flag.startswith("--")} <= \
        set(answers("mount.pycloud --"))


ZSH = r"""
_arguments() { print -l -- "$@" }
source $1
print -l -- $_pycloud_mount_options
"""


def test_zsh_has_every_option(table, letters, build):
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    text = run("zsh", "-f", "-c", ZSH, "zsh",
               completion(build, "_mount.pycloud"))
    names = re.findall(r"^(\w+)\[", text, re.MULTILINE)
    assert sorted(names) == sorted(table)
    assert set(re.findall(r"^(--?[\w-]+)\[", text, re.MULTILINE)) == letters
    assert ":via:(proxy portforward)" in text
    assert re.search(r"^cacert\[.*\]:cacert:_files$", text, re.MULTILINE)
