"""The answer to the client, buffered and framed as Go's HTTP server does.

A short answer whose length was not known gets a Content-Length, a longer one
goes out in chunks.  Nothing is sent before 2 KiB are there, some time has
passed, or the answer is complete; so a pod that dies early leaves nothing.
"""

import email.utils
import http
import re
import time
import uuid

BUFFER_SIZE = 2048
LATENCY_S = 0.2
NO_BODY = (204, 304)
HTML = re.compile(rb"\s*<(!DOCTYPE HTML|HTML|HEAD|SCRIPT|IFRAME|H1|DIV|FONT|"
                  rb"TABLE|A|STYLE|TITLE|B|BODY|BR|P|!--)[ >]", re.IGNORECASE)
BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")


def standard_headers():
    """What the API server puts into every answer of a pod as well."""
    return [("Audit-Id", str(uuid.uuid4())),
            ("Cache-Control", "no-cache, private")]


def phrase(code):
    """The words after a status code."""
    try:
        return http.HTTPStatus(code).phrase
    except ValueError:
        return f"status code {code}"


def sniff(data):
    """The Content-Type that Go sees in a body that came without one."""
    first = data[:512]
    if HTML.match(first):
        return "text/html; charset=utf-8"
    return "application/octet-stream" if BINARY.search(first) \
        else "text/plain; charset=utf-8"


def write_head(handler, code, headers):
    """The status line and these headers, as they are."""
    handler.wfile.write(encode_head(code, headers))


def encode_head(code, headers):
    """The status line and these headers, as they are."""
    lines = [f"HTTP/1.1 {code} {phrase(code)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Reply:
    """One answer on its way.

    IS_LIVE: each piece goes out at once.  Writing raises OSError.
    """

    def __init__(self, handler, code, headers, is_live):
        self.handler = handler
        self.code = code
        self.headers = sorted(headers, key=lambda item: item[0])
        self.is_live = is_live
        self.has_body = handler.command != "HEAD" and code not in NO_BODY
        self.is_chunked = False
        self.is_begun = False
        self.pending = b""
        self.since = time.monotonic()
        if is_live:
            self.flush()

    def _names(self):
        return {name for name, _ in self.headers}

    def _begin(self, is_complete):
        """The head, once it is known whether this is all."""
        names = self._names()
        added = []
        if "Date" not in names:
            added.append(("Date", email.utils.formatdate(usegmt=True)))
        if "Content-Length" not in names and self.has_body:
            if is_complete:
                added.append(("Content-Length", str(len(self.pending))))
            elif self.handler.request_version == "HTTP/1.1":
                self.is_chunked = True
            else:
                self.handler.close_connection = True
        if self.pending and not names & {"Content-Type", "Content-Encoding"}:
            added.append(("Content-Type", sniff(self.pending)))
        if self.handler.close_connection:
            added.append(("Connection", "close"))
        if self.is_chunked:
            added.append(("Transfer-Encoding", "chunked"))
        self.is_begun = True
        return encode_head(self.code, self.headers + added)

    def write(self, data):
        """The next piece of the body."""
        if self.since is None:
            self.since = time.monotonic()
        self.pending += data
        if self.is_live or len(self.pending) > BUFFER_SIZE:
            self.flush()

    def patience_s(self):
        """How long what is there may still wait; None: it is all out."""
        if self.since is None:
            return None
        return max(0, self.since + LATENCY_S - time.monotonic())

    def flush(self, is_complete=False):
        """Send what there is."""
        data = b"" if self.is_begun else self._begin(is_complete)
        if self.has_body:
            data += self._framed(self.pending)
        if is_complete and self.is_chunked:
            data += b"0\r\n\r\n"
        self.pending = b""
        self.since = None
        if data:
            self.handler.wfile.write(data)

    def _framed(self, data):
        if self.is_chunked and data:
            return b"%x\r\n%s\r\n" % (len(data), data)
        return data

    def finish(self):
        """It is complete."""
        self.flush(is_complete=True)
