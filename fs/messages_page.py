#!/usr/bin/env python3
"""Makes pycloud-messages(7) of the table fs/messages.

    messages_page.py TABLE >PAGE

The table's form is described in its first lines.
"""

import re
import sys

HEAD = r'''.\" Made from fs/messages.
.TH PYCLOUD\-MESSAGES 7 "2026-11-27" "pycloud" "Miscellaneous Information"
.SH NAME
pycloud\-messages \- what the messages of pycloud mean, and what to do
.SH DESCRIPTION
Every message of
.BR mount.pycloud (8),
.BR umount.pycloud (8)
and
.BR pycloud (1)
is here, by areas. Where a message has a name, a number or the system's own
words, three dots stand here; search for the words around them. What is part of
a longer message, behind a colon or in brackets, has an entry of its own.
.PP
What
.B pycloud doctor
prints says itself what to do, and is not repeated here. It is the first thing
to try:
.PP
.nf
    pycloud doctor WORKSPACE
.fi
.PP
Where messages are shown: commands write to stderr. A daemon writes to the
system's log
.RB ( "journalctl \-t mount.pycloud" ),
and to stderr with
.BR \-\-foreground .
What keeps a mount from its server is in
.I .pycloud/status
in the mount, what is not uploaded in
.IR .pycloud/pending .
'''
TAIL = r'''.SH SEE ALSO
.BR pycloud (1),
.BR mount.pycloud (8),
.BR umount.pycloud (8),
.BR pycloud.conf (5),
.BR pycloud\-run (7)
'''


class Row:
    """Messages that mean the same, and what they mean."""

    def __init__(self):
        self.messages = []  # (line, text)
        self.explanation = []


class Area:
    """A heading and its rows."""

    def __init__(self, title):
        self.title = title
        self.rows = []


def fail(path, number, what):
    """A table that cannot be read is an error of the build."""
    raise SystemExit(f"{path}:{number}: {what}")


def read(path):
    """The areas of the table."""
    areas, row = [], None
    with open(path, encoding="utf-8") as table:
        lines = table.read().splitlines()
    for number, line in enumerate([*lines, ""], 1):
        if line.startswith("#"):
            continue
        if not line.strip() or line.startswith("== "):
            if row is not None and not row.explanation:
                fail(path, number, "the messages above have no explanation")
            row = None
            if line.startswith("== "):
                areas.append(Area(line[3:].strip()))
        elif line.startswith("\t"):
            if row is None:
                fail(path, number, "an explanation without a message")
            row.explanation.append(line.strip())
        elif not areas:
            fail(path, number, "a message before the first == AREA")
        else:
            if row is None or row.explanation:
                row = Row()
                areas[-1].rows.append(row)
            row.messages.append((number, line))
    return areas


def quote(text):
    """As roff wants it."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    text = text.replace("`", r"\(ga").replace("'", r"\(aq")
    text = text.replace("^", r"\(ha").replace("~", r"\(ti")
    return f"\\&{text}" if text.startswith((".", "'")) else text


def page(areas):
    """The whole manual page."""
    yield HEAD
    for area in areas:
        yield f".SH {quote(area.title.upper())}\n"
        for row in area.rows:
            for at, (_, message) in enumerate(row.messages):
                shown = re.sub(r"%[sd]|%%",
                               lambda m: "%" if m.group(0) == "%%" else "...",
                               message)
                yield f"{'.TQ' if at else '.TP'}\n.B {quote(shown)}\n" \
                    .replace('"', r"\(dq")
            for line in row.explanation:
                yield f"{quote(line)}\n"
    yield TAIL


if __name__ == "__main__":
    sys.stdout.write("".join(page(read(sys.argv[1]))))
