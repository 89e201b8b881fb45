"""The workspace's files, for the helper (helper.py): what the contents API
cannot do, or only one file at a time.

Paths are the workspace's: "" is its root, "a/b" a name below it, in UTF-8. A
path is walked one component at a time by directory descriptors, and no link is
followed on the way, so nothing leads out of the workspace, not even what is
changed meanwhile. ENOTSUP says: this is not for us (a link, a FIFO), ask the
contents API. Errors that belong to what a path names are errno's, as always.

An entry is [kind, size, mtime_us, ctime_us, writable], and says what the
contents API would: kind "f" or "d" is what a link leads to, all else is the
link's own; size is null for a directory; the times are microseconds since the
epoch, rounded as datetime.fromtimestamp rounds a float (0 for years that it
does not know); writable is 0 or 1. A version is [size, mtime_us] of a file.

From the client. All with an `id` but those marked with -; `buf` is the first
binary buffer. What only reads may be repeated: it is done again.

    prove     {} -> {"ctime_us", "tells", "uid"}   changes the root's ctime, and
                      nothing else, and says what it is now: the contents API
                      must say the same. tells: watching can work here
    list_tree {top, after, entries_max, hidden, watch} -> {"all", "next"} buf
                      buf is JSON: [[path, watched, dropped, [[name, kind, size,
                      mtime_us, ctime_us, writable], ...]], ...] of `top` and
                      the directories below it (not through links), in the order
                      of a walk: a directory, all below it, its next sibling,
                      names by their bytes. Those before `after` are left out;
                      `after` itself is not ("" or top: nothing is left out).
                      Ends after the directory with which there are entries_max
                      entries, or before the one that would make the answer
                      larger than 4 MiB. all: there are no more; else next is
                      where to go on: the next call's `after`. A directory that
                      cannot be listed (or would not fit in any answer) is left
                      out, which for `top` is an error (EFBIG where it does not
                      fit). Names that are not UTF-8 are counted in dropped.
                      hidden: dot names, too. watched: 1 if from before it was
                      read every change of these entries is told; never with
                      "watch": false
    read_many {paths, bytes_max} -> {"files": [[error name or "", size,
                      mtime_us, ctime_us, length], ...]} buf   all bytes, one
                      file after the other. EFBIG: did not fit any more (nor
                      will more than 4 MiB together, ever); EAGAIN: was written
                      to meanwhile
    read      {path, offset, length} -> {"size", "mtime_us"} buf   at most 4 MiB
    stat      {path} -> {"kind", "size", "mtime_us", "ctime_us", "writable"}
    piece   - {file, path, offset} buf   a piece of a save of `path`. `file`: a
                      name of the client's choice ([0-9a-f]{1,64}), the same in
                      each of its pieces and in the save. Kept for two minutes
                      after the last one; at most eight files, the oldest goes.
                      What goes wrong is told by the save
    save      {path, size, condition, base, file, ranges, sync} [buf] -> as stat
                      condition "any", "version" (what is there must have the
                      version `base`, of a file) or "absent". Else ESTALE with
                      "now": an entry, or null when nothing is there. The bytes
                      are buf, or the pieces when `file` is not null (EAGAIN:
                      not all are there). ranges: null, or with
                      "version" [[start, length], ...], in order and apart:
                      these follow each other in the bytes, the rest is as in
                      the old file. sync: to the disk before the answer.
                      The pieces are kept until a save went well. EISDIR: a
                      directory is there; ENOTSUP: a link out of the workspace,
                      or with ranges
    unwatch - {dirs}

To the client, each with "told": how many of these two were sent since the
client came, with this one. The answers to prove, list_tree and stat say it too
(how many were sent before): a gap means that the server dropped one.

    {"event": "changed", "told"} buf   JSON: [[dir, name, kind, size, mtime_us,
                      ctime_us, writable], ...] of what changed in watched
                      directories: an entry as it is now, or kind null (nothing
                      is there that a listing would show) or "?" (cannot be
                      said: ask). Each name once, gathered for at most 50 ms
    {"event": "unwatched", "told", "dirs"}   of these, and not of those below
                      them, nothing is told any more; "*": of all

Not told: what is written through a mapping until it is unmapped and closed,
and through another name that a file gets (link(2)) where nobody watches.
"""
