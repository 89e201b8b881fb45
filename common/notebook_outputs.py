"""What a kernel says while it executes cells, as a notebook of format 4 keeps
it.
"""
BYTES_MAX = 64 << 20
# Jupyter writes these, and text/*, as lists of lines.
SPLIT = ("application/javascript", "image/svg+xml")


class Output:
    """One output; a stream's grows."""

    def __init__(self, kind: str, fields: dict) -> None:
        self.kind = kind
        self.fields = fields
        self.pieces = []  # of a stream's text

    def to_json(self) -> dict:
        """With the keys in the order Jupyter writes them."""
        fields = dict(self.fields, output_type=self.kind)
        if self.kind == "stream":
            fields["text"] = "".join(self.pieces).splitlines(True)
            self.pieces = ["".join(self.pieces)]
        if "data" in fields:
            fields["data"] = {mime: split(mime, fields["data"][mime])
                              for mime in sorted(fields["data"])}
        return {key: fields[key] for key in sorted(fields)}


def split(mime: str, value):
    if isinstance(value, str) and (mime.startswith("text/") or mime in SPLIT):
        return value.splitlines(True)
    return value


def size_of(value) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(size_of(v) for v in value.values())
    if isinstance(value, list):
        return sum(size_of(v) for v in value)
    return 8


class Sheet:
    """Puts messages into the outputs of cells."""

    def __init__(self) -> None:
        self.displays = {}  # display_id: outputs that show it
        self.clearing = set()  # ids of lists, at the next output
        self.left = BYTES_MAX

    def take(self, cell, kind: str, content: dict) -> bool:
        """A message of the IOPub channel; False: the outputs are too much."""
        if kind == "clear_output":
            if content.get("wait"):
                self.clearing.add(id(cell))
            else:
                self._clear(cell)
        elif kind == "update_display_data":
            return self._update(content)
        elif kind in ("stream", "display_data", "execute_result", "error"):
            if id(cell) in self.clearing:
                self._clear(cell)
            return self._add(cell, kind, content)
        return True

    def _clear(self, cell) -> None:
        self.clearing.discard(id(cell))
        del cell.outputs[:]

    def _spend(self, content) -> bool:
        self.left -= size_of(content)
        return self.left >= 0

    def _update(self, content: dict) -> bool:
        if not self._spend(content.get("data", {})):
            return False
        for output in self.displays.get(display_id(content), ()):
            output.fields["data"] = content.get("data", {})
            output.fields["metadata"] = content.get("metadata", {})
        return True

    def _add(self, cell, kind: str, content: dict) -> bool:
        if not self._spend(content):
            return False
        if kind == "stream":
            name, last = content.get("name"), cell.outputs[-1:]
            if not last or last[0].fields.get("name") != name:
                last = [Output(kind, {"name": name})]
                cell.outputs += last
            last[0].pieces.append(content.get("text", ""))
            return True
        if kind == "error":
            names = ("ename", "evalue", "traceback")
        elif kind == "execute_result":
            names = ("data", "metadata", "execution_count")
        else:
            names = ("data", "metadata")
        output = Output(kind, {n: content.get(n, {}) for n in names})
        cell.outputs.append(output)
        if display_id(content) is not None:
            self.displays.setdefault(display_id(content), []).append(output)
        return True


def display_id(content: dict):
    return (content.get("transient") or {}).get("display_id")
