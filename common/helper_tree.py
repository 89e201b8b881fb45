"""Whole trees in one listing, for the helper (helper_files.py says how)."""
import errno
import json
import os
import stat

from helper_place import (PATH_BYTES_MAX, Place, components, entry,
                          is_told_whole)

ANSWER_BYTES = 4 << 20
to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def is_before(path: list, after: list) -> bool:
    """In the order of a walk; what contains `after` is before it, too."""
    return path < after


class Walk:
    """One call of list_tree: the directories to come are a stack."""

    def __init__(self, place: Place, watches, call: dict) -> None:
        self.place = place
        self.top = components(call["top"])
        self.after = components(call["after"])
        self.entries_max = int(call["entries_max"])
        self.is_hidden = bool(call["hidden"])
        # None: nothing is to be watched.
        self.watches = watches if call["watch"] else None
        self.mounts = place.mounts() if self.watches else None
        if self.mounts is None:
            self.watches = None
        self.stack = [self.top]
        self.pieces = []
        self.bytes = 2
        self.entries = 0

    def run(self) -> tuple:
        """(answer, buffers) of list_tree."""
        if self.watches:
            self.watches.guard(self.top[:-1])
        is_over = False
        while self.stack and not is_over:
            path = self.stack.pop()
            try:
                is_over = self._visit(path)
            except OSError:
                if path == self.top:
                    raise
        reply = {"all": not self.stack,
                 "next": to_text(self.stack[-1]) if self.stack else None}
        return reply, [b"[" + b",".join(self.pieces) + b"]"]

    def _visit(self, path: list) -> bool:
        """Lists a directory and puts those in it on the stack; whether this
        was enough."""
        if is_before(path, self.after):
            if self.after[:len(path)] == path:
                self._pass(path)
            return False
        text = to_text(path)
        with self.place.open(path, os.O_RDONLY) as fd:
            is_watched = bool(self.watches) and self.watches.begin(text, fd)
            dropped, entries, inside, is_whole = self._scan(fd, text,
                                                            is_watched)
        if is_watched:
            is_watched = self.watches.settle(text, is_whole, self.is_hidden)
        piece = to_json([text, int(is_watched), dropped, entries])
        if not self._add(piece.encode("utf-8"), path):
            return True
        self.entries += len(entries)
        self._push(path, inside)
        return self.entries >= self.entries_max

    def _add(self, piece: bytes, path: list) -> bool:
        """False: there is no room for it, but in the next answer."""
        if len(piece) + 2 > ANSWER_BYTES:
            if path == self.top:
                raise OSError(errno.EFBIG, "too large for an answer")
            return True
        if self.bytes + len(piece) + 1 > ANSWER_BYTES:
            self.stack.append(path)
            return False
        self.pieces.append(piece)
        self.bytes += len(piece) + 1
        return True

    def _push(self, path: list, inside: list) -> None:
        inside.sort(reverse=True)
        room = PATH_BYTES_MAX - len(b"/".join(path)) - 1
        self.stack.extend(path + [name] for name in inside
                          if len(name) <= room)

    def _pass(self, path: list) -> None:
        """Through a directory that was listed before."""
        with self.place.open(path, os.O_RDONLY) as fd:
            if self.watches:
                self.watches.begin(to_text(path), fd)
            with os.scandir(fd) as scan:
                inside = [os.fsencode(e.name) for e in scan
                          if e.is_dir(follow_symlinks=False)]
        self._push(path, [n for n in inside if is_utf8(n)
                          and (self.is_hidden or not n.startswith(b"."))])

    def _scan(self, fd: int, text: str, is_watched: bool) -> tuple:
        """(dropped, entries, names of directories, is_whole) of a directory;
        is_whole: all that happens to these entries would be heard."""
        dropped, entries, inside, is_whole = 0, [], [], True
        prefix = text + "/" if text else ""
        room = self.watches.inside_max if is_watched else 0
        with os.scandir(fd) as scan:
            for found in scan:
                name = os.fsencode(found.name)
                if name.startswith(b".") and not self._is_shown(name):
                    continue
                if not is_utf8(name):
                    dropped += 1
                    continue
                try:
                    if room > 0 and found.is_dir(follow_symlinks=False):
                        is_room = self.watches.begin_inside(text, fd, name)
                        room = room - 1 if is_room else 0
                    st = found.stat(follow_symlinks=False)
                except OSError:  # removed meanwhile
                    continue
                name_text = name.decode("utf-8")
                if not is_told_whole(st) or (
                        self.mounts and prefix + name_text in self.mounts):
                    is_whole = False
                seen = entry(fd, name, st, self.is_hidden)
                if seen is not None:
                    entries.append([name_text] + seen)
                    if stat.S_ISDIR(st.st_mode):
                        inside.append(name)
        return dropped, entries, inside, is_whole

    def _is_shown(self, name: bytes) -> bool:
        return self.is_hidden and name not in self.place.temporaries


def to_text(path: list) -> str:
    return b"/".join(path).decode("utf-8")


def is_utf8(name: bytes) -> bool:
    try:
        name.decode("utf-8")
        return True
    except UnicodeDecodeError:
        return False
