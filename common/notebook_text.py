"""A notebook's file as text: reads what is to be executed, and puts outputs
and execution counts into the text. Nothing else of it is written anew, so all
the rest stays as it was, byte for byte.
"""
import json
import re

SPACE = re.compile(r"[ \t\r\n]*")
SURROGATE = re.compile("[\ud800-\udfff]")
DIGITS_MAX = 1000


def read_int(text: str):
    """Python refuses to read numbers of some thousand digits."""
    return int(text) if len(text) <= DIGITS_MAX else text


DECODER = json.JSONDecoder(parse_int=read_int)


class NotebookError(Exception):
    """Why that is no notebook we can execute."""


class Member:
    """A member of a JSON object: its key, its value, and where they are."""

    def __init__(self, key, key_at: int, value, at: int, end: int) -> None:
        self.key = key
        self.key_at = key_at
        self.value = value
        self.at = at
        self.end = end


def skip_space(text: str, at: int) -> int:
    return SPACE.match(text, at).end()


def members(text: str, at: int) -> list:
    """Of the object at that place in a text that is JSON."""
    found = []
    at = skip_space(text, at + 1)
    while text[at] != "}":
        key, end = DECODER.raw_decode(text, at)
        begin = skip_space(text, skip_space(text, end) + 1)
        value, end = DECODER.raw_decode(text, begin)
        found.append(Member(key, at, value, begin, end))
        at = skip_space(text, end)
        if text[at] == ",":
            at = skip_space(text, at + 1)
    return found


def items(text: str, at: int) -> list:
    """Where the items of the array at that place begin."""
    found = []
    at = skip_space(text, at + 1)
    while text[at] != "]":
        found.append(at)
        at = skip_space(text, DECODER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = skip_space(text, at + 1)
    return found


class Cell:
    """A cell; `outputs` (None: those of the file) and `count` change."""

    def __init__(self, text: str, at: int) -> None:
        self.at = at
        # Of a key that comes twice the last one counts, as for all of Python.
        self.members = {m.key: m for m in members(text, at)}
        self.source = self._source()
        self.is_code = self._value("cell_type") == "code"
        metadata = self._value("metadata")
        tags = metadata.get("tags") if isinstance(metadata, dict) else None
        self.tags = tags if isinstance(tags, list) else []
        self.outputs = None
        self.count = None

    def _value(self, key: str):
        return self.members[key].value if key in self.members else None

    def _source(self) -> str:
        source = self._value("source")
        if isinstance(source, list):
            source = "".join(s for s in source if isinstance(s, str))
        return source if isinstance(source, str) else ""


class Notebook:
    """The text of a notebook, and its cells."""

    def __init__(self, data: bytes) -> None:
        try:
            self.text = data.decode("utf-8")
            self.at = skip_space(self.text, self.text.startswith("\ufeff"))
            root = DECODER.decode(self.text[self.at:])
        except json.JSONDecodeError as e:
            line = e.lineno + self.text.count("\n", 0, self.at)
            raise NotebookError("not JSON: line %d: %s" % (line, e.msg))
        except UnicodeDecodeError as e:
            line = data.count(b"\n", 0, e.start) + 1
            raise NotebookError("not UTF-8: line %d" % line)
        except RecursionError:
            raise NotebookError("nested too deeply")
        if not isinstance(root, dict) or not isinstance(
                root.get("cells", []), list):
            raise NotebookError("not a notebook")
        if root.get("nbformat") != 4:
            raise NotebookError(
                "its nbformat is %s; 4 is what can be executed"
                % json.dumps(root.get("nbformat")))
        metadata = root.get("metadata")
        self.metadata = metadata if isinstance(metadata, dict) else {}
        self.cells = self._find_cells()
        self._find_style()

    def _find_cells(self) -> list:
        found = {m.key: m for m in members(self.text, self.at)}
        if "cells" not in found:
            raise NotebookError("it has no cells")
        at = items(self.text, found["cells"].at)
        if any(self.text[i] != "{" for i in at):
            raise NotebookError("not a notebook")
        return [Cell(self.text, i) for i in at]

    def _find_style(self) -> None:
        """How whoever wrote the file writes JSON."""
        text = self.text
        first = re.compile(r"\{[ \t\r]*\n([ \t]*)").match(text, self.at)
        colon = re.compile(r'\{\s*"[^"]*":( ?)').match(text, self.at)
        space = colon.group(1) if colon else " "
        self.indent = first.group(1) if first else None
        self.separators = ("," + ("" if first else space), ":" + space)
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.is_ascii = text.isascii() and bool(
            re.search(r"\\u(?!00[0-7])[0-9a-fA-F]{4}", text))

    def render(self) -> bytes:
        """The file with the outputs that the cells have now."""
        pieces, at = [], 0
        for cell in self.cells:
            if cell.outputs is None:
                continue
            changes = [
                self._change(cell, "execution_count", cell.count),
                self._change(cell, "outputs",
                             [o.to_json() for o in cell.outputs])]
            for begin, end, new in sorted(changes):
                pieces += [self.text[at:begin], new]
                at = end
        text = "".join(pieces) + self.text[at:]
        return text.encode("utf-8")

    def _change(self, cell: Cell, key: str, value) -> tuple:
        """(begin, end, new text) of one member's value, or of its place."""
        member = cell.members.get(key)
        if member is not None:
            return (member.at, member.end,
                    self._dump(value, self._prefix(member.key_at)))
        # It should be there; it comes before all others.
        begin = skip_space(self.text, cell.at + 1)
        new = '"%s"%s%s,%s' % (
            key, self.separators[1], self._dump(value, self._prefix(begin)),
            self.text[cell.at + 1:begin] or self.separators[0][1:])
        return begin, begin, new

    def _prefix(self, at: int) -> str:
        """The white space that begins the line of that place."""
        line = self.text.rfind("\n", 0, at) + 1
        return re.compile(r"[ \t]*").match(self.text, line).group()

    def _dump(self, value, prefix: str) -> str:
        new = json.dumps(value, ensure_ascii=self.is_ascii, indent=self.indent,
                         separators=self.separators)
        # No string of JSON has a line break, or half a character, in it.
        new = SURROGATE.sub(lambda m: "\\u%04x" % ord(m.group()), new)
        return new.replace("\n", self.newline + prefix)
