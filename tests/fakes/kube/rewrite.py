"""Paths on their way to a pod, and links on their way back, as Go does it.

What looks odd here (a "#" that vanishes, blanks that become %20, a prefix
that is wrong behind "..") is what the real API server does.
"""

import gzip
import html.entities
import posixpath
import re
import urllib.parse
import zlib

# What Go leaves as it is in a path, and in a path that was escaped already.
PATH_SAFE = "$&+,/:;=@-_.~"
WRITTEN = re.compile(
    r"(?:[A-Za-z0-9$&+,/:;=@\-_.~!'()*\[\]]|%[0-9A-Fa-f]{2})*")
BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
BAD_HOST = re.compile(r"[ \\^`{|}%#?]|:[^:\]]*[^0-9:\]]$")
CODINGS = (None, "gzip", "deflate")

LINKS = {
    "a": {"href"}, "applet": {"codebase"}, "area": {"href"},
    "audio": {"src"}, "base": {"href"}, "blockquote": {"cite"},
    "body": {"background"}, "button": {"formaction"}, "command": {"icon"},
    "del": {"cite"}, "embed": {"src"}, "form": {"action"},
    "frame": {"longdesc", "src"}, "head": {"profile"}, "html": {"manifest"},
    "iframe": {"longdesc", "src"}, "img": {"longdesc", "src", "usemap"},
    "input": {"src", "usemap", "formaction"}, "ins": {"cite"},
    "link": {"href"}, "object": {"classid", "codebase", "data", "usemap"},
    "q": {"cite"}, "script": {"src"}, "source": {"src"},
    "video": {"poster", "src"}}
RAW_TEXT = {"iframe", "noembed", "noframes", "noscript", "plaintext",
            "script", "style", "textarea", "title", "xmp"}
# One piece of a page that is not text; what follows "<!" and the like.
MARKUP = re.compile(r"<(?=[A-Za-z/!?])")
COMMENT = re.compile(r"<!--(?:-?>|.*?--!?>)", re.DOTALL)
TAG_NAME = re.compile(r"</?([A-Za-z][^ \n\r\t\f/>]*)[ \n\r\t\f]*")
ATTRIBUTE = re.compile(
    r"""(=?[^ \n\r\t\f/>=]*)[ \n\r\t\f]*"""
    r"""(?:/|=[ \n\r\t\f]*(?:"([^"]*)(?:"|\Z)|'([^']*)(?:'|\Z)|"""
    r"""(?=>)|([^ \n\r\t\f>"'][^ \n\r\t\f>]*)))?[ \n\r\t\f]*""")
ENTITY = re.compile(r"&(#[xX][0-9a-fA-F]+;?|#[0-9]+;?|[A-Za-z0-9]+;?)(=?)")
ESCAPES = {"&": "&amp;", "'": "&#39;", "<": "&lt;", ">": "&gt;",
           '"': "&#34;", "\r": "&#13;"}
LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                      "abcdefghijklmnopqrstuvwxyz")


def text_of(data):
    """Bytes as text that keeps what is no UTF-8."""
    return data.decode("utf-8", "surrogateescape")


def data_of(text):
    """The opposite of text_of()."""
    return text.encode("utf-8", "surrogateescape")


def unescape(path):
    """A path without its % escapes."""
    return text_of(urllib.parse.unquote_to_bytes(path))


def escape(path):
    """A path with % escapes where Go puts them."""
    return urllib.parse.quote(data_of(path), safe=PATH_SAFE)


def join(*parts):
    """Go's path.Join(): joined and cleaned."""
    joined = "/".join(part for part in parts if part)
    if not joined:
        return ""
    cleaned = posixpath.normpath(joined)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def clean(path):
    """A decoded path, rooted and cleaned; a slash at its end is kept."""
    cleaned = join("/", path)
    if path.endswith("/") and not cleaned.endswith("/"):
        cleaned += "/"
    return cleaned


class Url:
    """A URL in the parts that Go's url.Parse() makes.

    Raises ValueError where Go has an error.
    """

    def __init__(self, raw):
        if CONTROL.search(raw):
            raise ValueError("invalid control character in URL")
        rest, _, self.fragment = raw.partition("#")
        self.scheme, rest = split_scheme(rest)
        rest, mark, query = rest.partition("?")
        self.query = mark + query
        self.host = ""
        self.has_host = False
        self.opaque = ""
        if self.scheme and not rest.startswith("/"):
            self.opaque, rest = rest, ""
        elif not self.scheme and not rest.startswith("/") \
                and ":" in rest.split("/")[0]:
            raise ValueError("first path segment in URL cannot contain colon")
        if rest.startswith("//") and (self.scheme
                                      or not rest.startswith("///")):
            self.host, slash, path = rest[2:].partition("/")
            rest = slash + path
            self.has_host = True
        if BAD_HOST.search(self.host.rpartition("@")[2]) \
                or BAD_ESCAPE.search(rest) or BAD_ESCAPE.search(self.fragment):
            raise ValueError("invalid character")
        self.path = unescape(rest)
        self.written = rest if WRITTEN.fullmatch(rest) else None

    def move(self, path):
        """Point to another path."""
        self.path = path
        self.written = None

    def __str__(self):
        text = self.scheme + ":" if self.scheme else ""
        if self.opaque:
            text += self.opaque
        else:
            if self.has_host and (self.host or self.scheme):
                text += "//" + self.host
            text += escape(self.path) if self.written is None \
                else self.written
        text += self.query
        return text + "#" + self.fragment if self.fragment else text


def split_scheme(text):
    """(scheme in lower case or "", what follows)."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.\-]*):", text)
    if found:
        return found.group(1).lower(), text[found.end():]
    if text.startswith(":"):
        raise ValueError("missing protocol scheme")
    return "", text


class Places:
    """Where a request goes, and what its links would have to be outside."""

    def __init__(self, target, prefix, raw_path, host):
        decoded = unescape(raw_path)
        path = clean(decoded)
        whole = unescape(prefix) + decoded
        self.pod_path = escape(path)
        self.prepend = whole[:-len(path)] if whole.endswith(path) else whole
        self.forwarded_uri = join(escape(self.prepend), self.pod_path)
        if path.endswith("/"):
            self.forwarded_uri += "/"
        self.pod_host = f"{target.ip}:{target.port}"
        self.host = host

    def rewrite_url(self, url):
        """The text of this Url, as it has to be outside."""
        if url.host not in ("", self.pod_host, self.host) \
                or not url.path.startswith("/"):
            return str(url)
        if url.host == self.pod_host:
            url.scheme = url.host = ""
            url.has_host = False
        if url.path.startswith(self.prepend):
            return str(url)
        path = join(self.prepend, url.path)
        url.move(path + "/" if url.path.endswith("/") else path)
        return str(url)

    def rewrite_location(self, raw):
        """A Location with the prefix where it needs one."""
        try:
            return self.rewrite_url(Url(text_of(raw.encode("latin-1"))))
        except ValueError:
            return raw

    def rewrite_link(self, raw):
        """The same for an attribute."""
        try:
            return self.rewrite_url(Url(raw))
        except ValueError:
            return raw


def entity_text(found):
    """What an entity in an attribute stands for."""
    name, equals = found.groups()
    if name.startswith("#"):
        return html.unescape("&" + name.rstrip(";") + ";") + equals
    value = html.entities.html5.get(name)
    if value is None or (equals and not name.endswith(";")):
        return found.group(0)
    return value + equals


def value_text(raw):
    """The value of an attribute as it was written in the page."""
    raw = raw.replace("\r\n", "\n").replace("\r", "\n")
    return ENTITY.sub(entity_text, raw)


def quoted(value):
    """A value as Go writes it between double quotes."""
    return "".join(ESCAPES.get(character, character) for character in value)


def read_tag(page, at):
    """(name, attributes, end) of the tag that begins there, or None when the
    page ends inside it."""
    found = TAG_NAME.match(page, at)
    name = found.group(1).translate(LOWER)
    attributes = []
    at = found.end()
    while at < len(page) and page[at] != ">":
        found = ATTRIBUTE.match(page, at)
        if found.end() == at:
            return None
        key = found.group(1).translate(LOWER)
        value = next((part for part in found.groups()[1:]
                      if part is not None), "")
        if key:
            attributes.append((key, value_text(value)))
        at = found.end()
    return (name, attributes, at + 1) if at < len(page) else None


def written_tag(name, attributes, is_closed, places):
    """A tag as Go writes it, with its links rewritten."""
    links = LINKS.get(name, ())
    text = "<" + name
    for key, value in attributes:
        if key in links:
            value = places.rewrite_link(value)
        text += f' {key}="{quoted(value)}"'
    return text + ("/>" if is_closed else ">")


def skip_other(page, at):
    """The end of the comment, declaration or end tag that begins there; None
    when what is left of the page is dropped."""
    if page.startswith("<!--", at):
        found = COMMENT.match(page, at)
        return found.end() if found else len(page)
    if TAG_NAME.match(page, at):
        tag = read_tag(page, at)
        return tag and tag[2]
    end = page.find(">", at)
    return end + 1 if end >= 0 else len(page)


def raw_text_end(page, at, name):
    """Where the text of a <script> and the like ends."""
    if name == "plaintext":
        return len(page)
    found = re.compile(f"</{name}(?=[ \n\r\t\f/>])",
                       re.IGNORECASE | re.ASCII).search(page, at)
    return found.start() if found else len(page)


def rewrite_text(page, places):
    """A page with the prefix in its links."""
    out = []
    at = 0
    while at is not None and at < len(page):
        found = MARKUP.search(page, at)
        start = found.start() if found else len(page)
        out.append(page[at:start])
        if not found:
            break
        if page[start + 1] in "/!?":
            at = skip_other(page, start)
            out.append(page[start:at] if at is not None else "")
            continue
        tag = read_tag(page, start)
        if tag is None:
            break
        name, attributes, at = tag
        out.append(written_tag(name, attributes, page[at - 2] == "/", places))
        if name in RAW_TEXT:
            end = raw_text_end(page, at, name)
            out.append(page[at:end])
            at = end
    return "".join(out)


def rewrite_page(data, coding, places):
    """A text/html body in one of CODINGS, in the same coding.

    Raises zlib.error, or OSError for what is no gzip.
    """
    if coding == "gzip":
        data = gzip.decompress(data)
    elif coding == "deflate":
        data = zlib.decompress(data, -15)
    data = data_of(rewrite_text(text_of(data), places))
    if coding == "gzip":
        return gzip.compress(data, mtime=0)
    if coding == "deflate":
        engine = zlib.compressobj(9, zlib.DEFLATED, -15)
        return engine.compress(data) + engine.flush()
    return data
