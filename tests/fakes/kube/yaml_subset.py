"""Reads the YAML that manifests are written in: nested mappings and lists,
flow style, quoted and plain scalars, block scalars, comments.  No anchors,
tags or several documents.
"""

import json
import re

KEY = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#\-?][^#]*?"""
                 r"""|-[^\s#][^#]*?)\s*:(?:\s+|$)""")
NUMBER = re.compile(r"[-+]?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}


class Lines:
    """The lines of a document, from the first that is not read yet."""

    def __init__(self, text):
        self.rows = text.replace("\t", "  ").splitlines()
        self.at = 0

    def peek(self):
        """(indent, text) of the next line that says something."""
        while self.at < len(self.rows):
            text = self.rows[self.at]
            if text.strip() and not text.lstrip().startswith("#") \
                    and text.strip() not in ("---", "..."):
                return len(text) - len(text.lstrip()), without_comment(
                    text.strip())
            self.at += 1
        return -1, ""


def without_comment(text):
    """A line without what stands after a # outside of quotes."""
    quote = ""
    for place, one in enumerate(text):
        if quote:
            quote = "" if one == quote else quote
        elif one in "\"'":
            quote = one
        elif one == "#" and place and text[place - 1] == " ":
            return text[:place].rstrip()
    return text


def load(text):
    """The document as JSON's kinds of values; ValueError when it is none."""
    stripped = text.strip()
    if stripped.startswith("{"):
        try:
            return json.loads(stripped)
        except ValueError:
            pass
    lines = Lines(text)
    value = block(lines, 0)
    if lines.peek()[0] >= 0:
        raise ValueError(f"line {lines.at + 1}: could not be read")
    return value


def block(lines, least):
    """A value that begins at the next line."""
    indent, text = lines.peek()
    if indent < least:
        return None
    if text.startswith("- ") or text == "-":
        return sequence(lines, indent)
    if KEY.match(text) and text[0] not in "{[":
        return mapping(lines, indent)
    lines.at += 1
    return scalar(text)


def sequence(lines, indent):
    """A list, whose items begin with a dash."""
    found = []
    while True:
        at, text = lines.peek()
        if at != indent or not (text.startswith("- ") or text == "-"):
            return found
        rest = text[1:].strip()
        if not rest:
            lines.at += 1
            found.append(block(lines, indent + 1))
        else:
            # The item's own lines are as if the dash were a blank.
            row = lines.rows[lines.at]
            lines.rows[lines.at] = row.replace("-", " ", 1)
            found.append(block(lines, indent + 1))


def mapping(lines, indent):
    """A mapping."""
    found = {}
    while True:
        at, text = lines.peek()
        match = KEY.match(text)
        if at != indent or not match:
            return found
        key = scalar(match.group(1))
        rest = text[match.end():].strip()
        lines.at += 1
        if rest[:1] in ("|", ">"):
            found[str(key)] = block_scalar(lines, rest, indent)
        elif rest:
            found[str(key)] = scalar(rest)
        else:
            below, after = lines.peek()
            nested = below > indent or (below == indent
                                        and after.startswith("-"))
            found[str(key)] = block(lines, below) if nested else None


def block_scalar(lines, head, indent):
    """A text over several lines."""
    rows = []
    while lines.at < len(lines.rows):
        row = lines.rows[lines.at]
        if row.strip() and len(row) - len(row.lstrip()) <= indent:
            break
        rows.append(row)
        lines.at += 1
    depth = min((len(row) - len(row.lstrip()) for row in rows
                 if row.strip()), default=0)
    text = "\n".join(row[depth:] for row in rows).rstrip("\n")
    if head[0] == ">":
        text = text.replace("\n", " ")
    return text if head.endswith("-") else f"{text}\n"


def scalar(text):
    """A value that stands in one line."""
    if text[:1] in "{[":
        value, rest = flow(text)
        if rest.strip():
            raise ValueError(f"could not be read: {rest}")
        return value
    if text.startswith('"'):
        return json.loads(text)
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    return plain(text)


def plain(text):
    """A word without quotes."""
    if text in WORDS:
        return WORDS[text]
    if NUMBER.fullmatch(text):
        return json.loads(text.lstrip("+"))
    return text


def flow(text):
    """(value, rest) of flow style: {a: b} and [1, 2]."""
    text = text.lstrip()
    if text[:1] not in "{[":
        found = re.match(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'"""
                         r"""|[^,:{}\[\]]+(?::(?=\S)[^,{}\[\]]*)?)""", text)
        if not found:
            return None, text
        return scalar(found.group(1).strip()), text[found.end():]
    opening, text = text[0], text[1:].lstrip()
    made = {} if opening == "{" else []
    closing = "}" if opening == "{" else "]"
    while not text.startswith(closing):
        if not text:
            raise ValueError("a bracket is not closed")
        value, text = flow(text)
        text = text.lstrip()
        if opening == "{":
            below = None
            if text.startswith(":"):
                below, text = flow(text[1:])
            made[str(value)] = below
        else:
            made.append(value)
        text = text.lstrip()
        text = text[1:].lstrip() if text.startswith(",") else text
    return made, text[1:]
