#!/usr/bin/env python3
"""The messages a person can meet, and the table that explains them.

The table is fs/messages, from which pycloud-messages(7) is made.  This finds
the messages in the sources of fs/ and common/ and compares: each has a row,
and each row's message is in the source.  tests/lint/check runs it.

    tests/lint/messages.py             what is missing, what is too much
    tests/lint/messages.py --missing   the rows to add, ready to be pasted
    tests/lint/messages.py --list      every message with its place

A message is a string literal (its neighbours joined, macros put in) that

  - is given to a function that shows it (log_warning, client_error, ...), is
    printed on stderr, or stands in a statement about a `why`: whatever it
    says;
  - or says three words or more (two, for g_strdup and g_strdup_printf),
    wherever it stands: tables of sentences, and functions that return one.

Not messages are: help, log_debug, what pycloud doctor finds (its lines say
themselves what to do), what the program compares with or sends to others, and
pieces that go on in a sentence (they begin with a space, a comma, ...).  What
these rules take for a message and is none stands in NO_MESSAGES, with its
file.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "fs"))
import messages_page  # noqa: E402

TOKEN = re.compile(r'''//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'''
                   r"""'(?:\\.|[^'\\\n])*'|[A-Za-z_]\w*|\s+|.""", re.DOTALL)
MACRO = re.compile(r'^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+(?:\\\n[ \t]*)?'
                   r'((?:(?:"(?:\\.|[^"\\\n])*"|\w+)[ \t]*(?:\\\n[ \t]*)?)+)$',
                   re.MULTILINE)
FORMATS = {"G_GINT64_FORMAT": "d", "G_GUINT64_FORMAT": "d", "PRIu64": "d",
           "PRId64": "d", "PACKAGE_NAME": "pycloud", "PACKAGE_VERSION": "V"}
# Their arguments are shown to somebody, whatever they say.
SHOWS = {"log_error", "log_warning", "log_info", "client_error", "refuse",
         "usage_error", "cluster_failed", "fail",
         "cluster_print", "daemonise_failed", "progress_line",
         "service_notify_status"}
# Their arguments are not.
HIDES = {"log_debug", "puts", "strstr", "strcasestr", "strcmp", "g_strcmp0",
         "strncmp", "g_str_has_prefix", "g_str_has_suffix", "kube_text_has",
         "has_word", "g_getenv", "getenv", "doctor_tell", "doctor_attach",
         "g_regex_new", "log_at", "assert", "setlocale", "sql_open",
         "run_text", "ask_number", "sqlite3_prepare_v2", "json_string",
         "G_GNUC_PRINTF", "service_notify_send"}
# No messages by what they are: SQL, HTTP, status files, programs in others'
# languages, help.
FOREIGN = re.compile(
    r"\s*(?:Usage:|(?:CREATE|ALTER|INSERT|UPDATE|DELETE FROM|SELECT|PRAGMA|"
    r"REPLACE|WITH) [A-Za-z_(]|GET %s|(?:Accept|Range|Upgrade|Sec-[\w-]+): |"
    r"[a-z_]+: %[sd]\n|import |if \[|c\.\w+\.|    app\.|%d %d|"
    r"\[pycloud: %d)")
# Tables of them are help.
HELP = {"option_row", "option_letter", "GOptionEntry"}
SKIPPED_FILES = re.compile(r"fs/(show_options|(option|command)_"
                           r"(help|shell|table))\.c|"
                           r"common/(helper_py|http_errno)\.c")
# Their findings explain themselves: only what they complain of counts.
DOCTOR = re.compile(r"fs/doctor\w*\.c")
# What these files look for in what others say, or hand on to others.
NO_MESSAGES = {
    "common/kube_error.c": {
        "usage per container",
        "usage per pod",
        "usage per persistentvolumeclaim",
        "security context constraint",
        "denied the request",
        "because it is being terminated",
        "in the whole cluster",
        "in the namespace",
    },
    "common/kube_pod.c": {
        "no nodes available",
        "no match for platform",
        "no matching manifest",
        "exec format error",
        "does not exist",
        "no basic auth credentials",
        "no such file or directory",
        "executable file not found",
        "with exit status %d",
        "by signal %d",
    },
    "common/kube_workspace.c": {
        "%s/namespaces/%s/%s/%s",
    },
    "common/kubeconfig_user.c": {
        "the context's user",
        "user `%s` in %s",
    },
    "common/kubeconfig_yaml.c": {
        "of this line",
        "a map (key: value)",
    },
    "fs/client_mount.c": {
        "the current directory",
    },
    "fs/cluster_change.c": {
        "is stopped",
        "stops",
    },
    "fs/status.c": {
        "pending: %d pending_bytes: %d",
        "nothing is left to upload",
    },
    "fs/conflict.c": {
        "%d bytes of %s",
    },
    "fs/umount.c": {
        "%d file%s with %s",
    },
}


def literal(token):
    """What a string literal says."""
    text = token[1:-1]
    for escape, plain in (("\\n", "\n"), ("\\t", "\t"), ('\\"', '"')):
        text = text.replace(escape, plain)
    return text.replace("\\\\", "\\")


def macros(names):
    """String macros of all files: name -> what it says."""
    found = dict(FORMATS)
    for name in names:
        for key, value in MACRO.findall((ROOT / name).read_text()):
            parts = re.findall(r'"(?:\\.|[^"\\\n])*"|\w+', value)
            if any(part.startswith('"') for part in parts):
                found.setdefault(key, "".join(
                    literal(part) if part.startswith('"')
                    else found.get(part, part) for part in parts))
    return found


def tokens(text):
    """(token, line) without white space, comments and the preprocessor."""
    line = 1
    lines = text.split("\n")
    skipped = set()
    continued = False
    for number, content in enumerate(lines, 1):
        if continued or content.lstrip().startswith("#"):
            skipped.add(number)
            continued = content.endswith("\\")
    for match in TOKEN.finditer(text):
        token = match.group(0)
        if not token.isspace() and not token.startswith(("//", "/*")) \
                and line not in skipped:
            yield token, line
        line += token.count("\n")


def literals(name, known):
    """(line, text, names of the calls around it, words of its statement)."""
    stream = list(tokens((ROOT / name).read_text()))
    calls, statement = [], []
    table, depth = [], 0  # of what is initialised, between its braces
    at = 0
    while at < len(stream):
        token, line = stream[at]
        if token == "{":
            if depth == 0 and statement[-1:] == ["="]:
                table, depth = statement, 1
            elif depth > 0:
                depth += 1
        elif token == "}" and depth > 0:
            depth -= 1
            table = table if depth > 0 else []
        if token == "(":
            calls.append(statement[-1] if statement else "")
        elif token == ")" and calls:
            calls.pop()
        if token in ";{}" and not calls:
            statement = []
        if not token.startswith('"') and not (
                token in known and (
                    known[token].count(" ") > 2 or at + 1 < len(stream)
                    and stream[at + 1][0].startswith('"'))):
            statement.append(token)
            at += 1
            continue
        text = ""
        while at < len(stream) and (stream[at][0].startswith('"')
                                    or stream[at][0] in known):
            part = stream[at][0]
            text += literal(part) if part.startswith('"') else known[part]
            at += 1
        yield line, text, list(calls), table + statement


def joined(found):
    """Halves of a sentence around what somebody else says: one message."""
    before = None
    for line, text, calls, statement in found:
        if before and before[1].endswith("(") and text.startswith(")"):
            yield before[0], f"{before[1]}%s{text}", before[2], before[3]
            before = None
            continue
        if before:
            yield before
        before = (line, text, calls, statement)
    if before:
        yield before


def normal(text):
    """As the table has it."""
    text = re.sub(r"%[-0-9.*]*(?:hh|h|ll|l|z|j)?[diuxo]", "%d", text)
    text = re.sub(r"%[-0-9.*]*s", "%s", text)
    text = re.sub(r"^(?:(?:mount|umount)\.pycloud|pycloud|why|note): ", "",
                  text.strip())
    return re.sub(r"\s+", " ", text)


def is_shown(text, calls, statement, is_doctor):
    """Whether the literal is a message, by its place and by what it says."""
    words = re.findall(r"[A-Za-z][a-z']+", re.sub(r"%\w", "", text))
    if not words or FOREIGN.match(text) or HIDES.intersection(calls):
        return False
    if text[0] in " ,;)" or text.startswith("%s:%d: %s") \
            or HELP.intersection(statement):
        return False
    if SHOWS.intersection(calls):
        return True
    if "fprintf" in calls and "stderr" in statement:
        return True
    if any(word in ("why", "ret_why") for word in statement):
        return len(words) > 1 or "%" in text
    least = 2 if calls and calls[-1] in ("g_strdup", "g_strdup_printf") else 3
    return len(words) >= least and " " in text and not is_doctor


def messages(met=None):
    """(file, line, message) of all; `met` gets what NO_MESSAGES holds of it.
    """
    names = sorted(str(path.relative_to(ROOT)) for folder in ("common", "fs")
                   for path in (ROOT / folder).glob("*.[ch]"))
    known = macros(names)
    for name in names:
        if not name.endswith(".c") or SKIPPED_FILES.fullmatch(name):
            continue
        ignored = NO_MESSAGES.get(name, ())
        for line, text, calls, statement in joined(literals(name, known)):
            message = normal(text)
            if not is_shown(text, calls, statement,
                            bool(DOCTOR.fullmatch(name))):
                continue
            if message not in ignored:
                yield name, line, message
            elif met is not None:
                met.add((name, message))


def compare():
    """(file, line, what is wrong) of each difference."""
    rows = {}
    for area in messages_page.read(ROOT / "fs" / "messages"):
        for row in area.rows:
            for line, message in row.messages:
                if message in rows:
                    yield "fs/messages", line, \
                        f"the same row is in line {rows[message]} already"
                rows[message] = line
    seen, met = set(), set()
    for name, line, message in messages(met):
        if message not in rows and message not in seen:
            yield name, line, "its message has no row in fs/messages; add " \
                "this one, and below it, indented, what it means and what " \
                f"to do:\n{message}"
        seen.add(message)
    for message, line in rows.items():
        if message not in seen:
            yield "fs/messages", line, "this message is not in the source " \
                f"any more; correct it, or take the row out: {message}"


    for name, texts in NO_MESSAGES.items():
        for text in texts:
            if (name, text) not in met:
                yield "tests/lint/messages.py", 1, \
                    f"NO_MESSAGES: this is not in {name} any more: {text}"


def main():
    """See the top."""
    if "--list" in sys.argv:
        for found in messages():
            print(*found, sep="\t")
        return 0
    differences = list(compare())
    for name, line, text in differences:
        if "--missing" not in sys.argv:
            print(f"{name}:{line}: {text}")
        elif "\n" in text:
            print(f"{text.partition(chr(10))[2]}\n\t({name}:{line})\n")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
