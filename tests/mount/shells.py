"""What bash, fish and zsh offer for a line, by the build's completions."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

# The line as readline hands it over, cut at '=' and ':', too.
BASH = r"""
source "$1"
table=$2
COMP_WORDBREAKS=$' \t\n=:'
COMP_LINE=$3
shift 3
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMP_POINT=${#COMP_LINE}
options=
compopt() { options+=" $2"; }
_pycloud_mount_table=$table
$(complete -p "$1" | sed 's/.*-F \([^ ]*\).*/\1/')
printf '%s\n' "${COMPREPLY[@]}"
case $options in
*plusdirs* | *dirnames*) compgen -d -- "${COMP_WORDS[COMP_CWORD]}" ;;
*default*) compgen -f -- "${COMP_WORDS[COMP_CWORD]}" ;;
esac
:
"""

# A shell that completes, in a terminal of its own; what it is told to offer
# goes into a file.
ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
line=$1
zpty -w shell "
cd ${(q)PWD}
fpath=(${(q)2} \$fpath)
autoload -Uz compinit
compinit -u -D
_pycloud_mount_table=${(q)4}
compadd() {
	local -a hits
	if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
		builtin compadd \"\$@\"
		return
	fi
	builtin compadd -A hits \"\$@\"
	(( ! \$#hits )) || print -rl -- \$hits >>${(q)3}
	builtin compadd \"\$@\"
}
finish() { print END >>${(q)3}; exit }
zle -N finish
bindkey '^X' finish
bindkey '^I' complete-word
setopt no_beep
LISTMAX=1000
print READY >>${(q)3}
"
until [[ -s $3 ]] { zpty -r shell part; }
zpty -w -n shell "$line"$'\t\x18'
while zpty -r shell part; do :; done
"""


def need(shell):
    """Skip where there is no such shell."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")


class Shells:
    """The completions of a build, in a directory, with programs in PATH."""

    def __init__(self, build, directory, programs=None):
        self.programs = programs or pathlib.Path(build, "fs")
        self.made = pathlib.Path(build, "packaging", "completion")
        self.directory = directory
        self.table = directory / "table-of-mounts"
        self.table.write_text("")

    def _run(self, *command):
        path = f"{self.programs}:{os.environ['PATH']}"
        return subprocess.run(
            [str(word) for word in command], check=True, capture_output=True,
            text=True, timeout=60, cwd=self.directory,
            env={"PATH": path, "HOME": str(self.directory), "TERM": "dumb",
                 "LC_ALL": "C.UTF-8",
                 "_pycloud_mount_table": str(self.table)}).stdout

    def bash(self, line):
        """What is offered for the line's last word."""
        words = [part for word in line.split(" ")
                 for part in re.findall("[=:]|[^=:]+|^$", word)]
        text = self._run("bash", "--norc", "-c", BASH, "bash",
                         self.made / words[0], self.table, line, *words)
        return [row for row in text.splitlines() if row]

    def all(self, line):
        """What each shell that there is offers, as sets."""
        return [set(offer(line)) for shell, offer in (
            ("bash", self.bash), ("fish", self.fish), ("zsh", self.zsh))
            if shutil.which(shell)]

    def fish(self, line):
        """What is offered for the line's last word."""
        need("fish")
        program = line.split()[0]
        text = self._run("fish", "--no-config", "-c",
                         f"source {self.made / program}.fish; "
                         f"complete -C '{line}'")
        return [row.split("\t")[0] for row in text.splitlines()]

    def zsh(self, line):
        """What is offered for the line's last word."""
        need("zsh")
        hits = self.directory / "zsh-hits"
        hits.unlink(missing_ok=True)
        self._run("zsh", "-f", "-c", ZSH, "zsh", line, self.made, hits,
                  self.table)
        found = hits.read_text().splitlines()
        assert found[0] == "READY" and found[-1] == "END", found
        return found[1:-1]
