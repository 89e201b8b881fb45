"""A server that lies: a clear error in time, no crash, no leak, no write
outside, and no more memory than is allowed; then the mount goes on.

The daemon is a sanitized one in the whole test; mounter sees to its reports.
"""

import contextlib
import errno
import json
import os
import threading
import time

import pytest

import liar
from harness import LIMIT, wait_until
from liar import answer, endless_chunked, endless_declared, frame, listing
from liar import model, say, upgrade

pytestmark = pytest.mark.direct("the liar is not in a cluster")

LIMITS = "timeout=2,stall=2,attr_timeout=0,prefetch=off"
# Three tries of two seconds each, and a sanitizer's slowness.
DEADLINE = 15
# What one listing may take, its JSON, and a sanitizer's copy of what is freed.
MEMORY_KIB = 1536 * 1024
DEEP = b'{"content":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.fixture
def server():
    """A liar that has not lied yet."""
    made = liar.Liar()
    yield made
    made.stop()


@pytest.fixture
def mount(mounter, server):
    """Its mount."""
    return mounter(server.url, options=LIMITS,
                   env={"PYCLOUD_TOKEN": server.token}).start()


def is_honest_again(mount):
    """Somebody reads a file as if nothing had been."""
    try:
        return (mount.path / "honest").read_bytes() == b"true" \
            and "honest" in os.listdir(mount.path)
    except OSError:
        return False


def suffer(mount, server, prefix, lie, act):
    """The errno that a lie ends in, soon; 0: none."""
    server.lies[prefix] = lie
    began = time.monotonic()
    code = 0
    try:
        act()
    except OSError as error:
        code = error.errno
    took = time.monotonic() - began
    server.lies.clear()
    assert took < DEADLINE, f"{took} s"
    wait_until(lambda: is_honest_again(mount), "an honest answer")
    return code


ANSWERED = {errno.EIO, errno.EPROTO, errno.EFBIG, errno.ENOTDIR}
CUT = ANSWERED | {errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH}
# A server that is cut off is away: what is known of it is answered.
KNOWN = CUT | {0}
LISTINGS = {
    "nothing": (say(b""), KNOWN),
    "no HTTP": (say(b"\x00\xff" * 1000), KNOWN),
    "empty": (say(answer(b"")), ANSWERED),
    "no JSON": (say(answer(b"{" * 50)), ANSWERED),
    "deep JSON": (say(answer(DEEP)), ANSWERED),
    "a number": (say(answer(b"7")), ANSWERED),
    "a file": (say(answer(model(""))), ANSWERED),
    "content is an object": (say(answer(listing({}))), ANSWERED),
    "content is a string": (say(answer(listing("x" * 1000))), ANSWERED),
    "no type": (say(answer({"content": []})), ANSWERED),
    "shorter than promised": (
        say(answer(listing([]), headers=["X: y"])[:-5]), KNOWN),
    "negative length": (say(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"
                            b"{}"), KNOWN),
    "endless, declared": (endless_declared(), KNOWN),
    "endless, chunked": (endless_chunked(), KNOWN),
    "endless error": (endless_declared(status="500 No"), KNOWN),
    "header flood": (liar.endless_headers, KNOWN),
    "slow": (liar.dribble(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"),
             KNOWN),
    "slow header": (liar.dribble(b"HTTP/1.1 200 OK\r\nX: "), KNOWN),
}


def check_known(mount):
    """Whatever is answered was once the truth."""
    names = set(os.listdir(mount.path)) - {".run", ".pycloud"}
    assert names == {"honest"}


def test_listings_that_are_none(mount, server):
    # What greeted the server is used up first.
    wait_until(lambda: is_honest_again(mount), "an honest answer")
    for name, (lie, codes) in LISTINGS.items():
        code = suffer(mount, server, "api/contents", lie,
                      lambda: check_known(mount))
        assert code in codes, f"{name}: {errno.errorcode.get(code, code)}"
    assert mount.memory_kib("VmHWM") < MEMORY_KIB


# What the server calls its files, and whether that can be a name here.
NAMES = ["", ".", "..", "/", "/etc/passwd", "../outside", "a/b", "x" * 256,
         "y" * 100_000, "nul\0nul"]


def test_names_that_are_none_are_left_out(mount, server):
    children = [model(name) for name in NAMES]
    children += [model("honest"), model("honest", 9), model("line\nfeed"),
                 model("\u001b[31m"), model(".pycloud"), model(".run"),
                 model("elsewhere", path="../../etc/passwd"),
                 {"name": 7, "type": "file"}, {"type": "file"}, "x", None,
                 model("odd", type="symlink"), model("list", type=["file"])]
    server.lies["api/contents?"] = say(answer(listing(children)))
    server.lies["api/contents/?"] = say(answer(listing(children)))
    names = os.listdir(mount.path)
    assert len(names) == len(set(names))
    assert names.count("honest") == 1
    assert all("/" not in name and len(name) < 256 for name in names)
    assert not {"odd", "list", "outside", "b"} & set(names)
    # The mount's own files are its own.
    assert (mount.path / ".pycloud").is_dir()
    assert "state: online" in (mount.path / ".pycloud/status").read_text()
    # An item is what stands below its name, wherever it says it lies.
    server.files["elsewhere"] = b"mine"
    before = len(server.requests)
    assert (mount.path / "elsewhere").read_bytes() == b"mine"
    asked = [request.target for request in server.requests[before:]]
    assert not [target for target in asked if "passwd" in target]


@pytest.mark.parametrize("size", [-1, -2**63, 2**62, 1e300, 4.5, "4", None,
                                  True, [4]], ids=str)
def test_sizes_that_are_none_do_no_harm(mount, server, size):
    for prefix in ("api/contents?", "api/contents/?"):
        server.lies[prefix] = say(answer(listing([model("honest", size)])))
    server.lies["api/contents/honest"] = say(answer(model("honest", size)))
    try:
        assert (mount.path / "honest").stat().st_size >= 0
        with open(mount.path / "honest", "rb") as file:
            assert file.read(100) in (b"true", b"")
    except OSError as error:
        assert error.errno in CUT
    server.lies.clear()
    wait_until(lambda: is_honest_again(mount), "an honest answer")


def test_times_that_are_none_do_no_harm(mount, server):
    for text in ("9999-99-99T99:99:99Z", "0000-01-01T00:00:00Z", "x" * 9999,
                 "-1", "2026-11-22T07:16:21.143629+99:99", ""):
        entry = model("honest", last_modified=text, created=text)
        for prefix in ("api/contents?", "api/contents/?"):
            server.lies[prefix] = say(answer(listing([entry])))
        server.lies["api/contents/honest"] = say(answer(entry))
        (mount.path / "honest").stat()


PART = ["Content-Range: bytes 5-8/9"]
FILES = {
    "nothing": say(b""),
    "longer than the listing says": say(answer(b"true and more")),
    "shorter than promised": say(answer(b"true")[:-2]),
    "another part": say(answer(b"true", "206 Partial Content", PART)),
    "a part without a range": say(answer(b"true", "206 Partial Content")),
    "a huge part": say(answer(b"true", "206 Partial Content", [
        "Content-Range: bytes 0-9223372036854775807/9223372036854775807"])),
    "no number": say(answer(b"true", "206 Partial Content", [
        "Content-Range: bytes a-b/c"])),
    "endless, declared": endless_declared(b"x"),
    "endless, chunked": endless_chunked(b"x"),
    "endless error": endless_declared(b"x", "404 Not Found"),
    "header flood": liar.endless_headers,
    "silence": lambda sock, request: sock.recv(1),
    "a byte now and then": liar.dribble(
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"),
    "a part, byte by byte": liar.dribble(
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/4\r\n"
        b"Content-Length: 4\r\nX: "),
}


def test_files_that_are_not_what_was_said(mount, server):
    for name, lie in FILES.items():
        code = suffer(mount, server, "files/", lie,
                      (mount.path / "honest").read_bytes)
        assert code == 0 or code in CUT, f"{name}: {code}"
    assert mount.memory_kib("VmHWM") < MEMORY_KIB
    # Nothing of an endless file stays either.
    spent = sum(path.stat().st_blocks * 512 for path
                in mount.scratch.glob("cache/**/*") if path.is_file())
    assert spent < 64 << 20


def test_base64_that_is_none(mount, server):
    # files/ refuses, so the contents API is asked for the bytes.
    for content in ("!!!!", "dHJ1", "dHJ1ZQ", "=" * 1000, 7, None, ["dHJ1ZQ"]):
        server.lies["files/"] = say(answer(b"", "404 Not Found"))
        code = suffer(mount, server, "api/contents/honest",
                      say(answer(model("honest", format="base64",
                                       content=content))),
                      (mount.path / "honest").read_bytes)
        assert code == 0 or code in CUT, f"{content}: {code}"


def test_base64_byte_by_byte_is_given_up(mount, server):
    server.lies["files/"] = say(answer(b"", "404 Not Found"))
    code = suffer(mount, server, "api/contents/honest", liar.dribble(
        b'HTTP/1.1 200 OK\r\nServer: T\r\nContent-Length: 9999\r\n\r\n'
        b'{"content":"'), (mount.path / "honest").read_bytes)
    assert code in CUT


# --- trees that are none -----------------------------------------------------

def walk(path, names, depth=0):
    """How deep one gets by always going into the same name, and why no
    deeper."""
    try:
        children = os.listdir(path)
    except OSError as error:
        return depth, error.errno
    if names not in children or depth > 100:
        return depth, 0
    return walk(path / names, names, depth + 1)


def test_a_directory_that_contains_itself_comes_to_an_end(mount, server):
    # As a link to its parent looks to a server that follows it.
    loop = "loop" * 50
    children = [model(loop, None, type="directory"), model("honest"),
                model(".run", None, type="directory"),
                model(".pycloud", None, type="directory")]
    server.lies["api/contents"] = say(answer(listing(children)))
    depth, code = walk(mount.path, loop)
    assert code == errno.ENAMETOOLONG
    assert 4096 // 201 - 1 <= depth <= 4096 // 201 + 1
    # What the mount says of itself is a file in each of them, and no link
    # leads out of any.
    assert (mount.path / loop / ".run").is_file()
    assert not (mount.path / loop / loop).is_symlink()
    server.lies.clear()
    wait_until(lambda: is_honest_again(mount), "an honest answer")


def test_a_name_that_is_now_this_and_now_that(mount, server):
    """Between a file and a directory, at each look."""
    count = [0]

    def flip(sock, _):
        count[0] += 1
        is_file = count[0] % 2 == 0
        flipping = model("flip", 4 if is_file else None,
                         type="file" if is_file else "directory")
        sock.sendall(answer(listing([flipping, model("honest")])))

    def flip_itself(sock, _):
        count[0] += 1
        is_file = count[0] % 2 == 0
        sock.sendall(answer(model("flip") if is_file
                            else {**listing([model("in")]), "name": "flip"}))

    def act():
        for _ in range(20):
            for what in (lambda path: path.read_bytes(), os.listdir, os.stat,
                         lambda path: path.write_bytes(b"mine"), os.rmdir,
                         lambda path: (path / "in").stat(), os.unlink):
                try:
                    what(mount.path / "flip")
                except OSError as error:
                    assert error.errno in CUT | {
                        errno.ENOENT, errno.EISDIR, errno.ESTALE,
                        errno.EEXIST, errno.EPERM, errno.ENOTEMPTY,
                        errno.EACCES, errno.EBUSY, errno.EINVAL}

    server.lies["api/contents/flip"] = flip_itself
    assert suffer(mount, server, "api/contents?", flip, act) == 0
    assert count[0] > 20


def test_values_without_end_are_no_listing(mount, server):
    # 40 MiB of text would be more than a GiB of values.
    text = b'{"type":"directory","name":"","content":[' + b"1," * (20 << 20)
    code = suffer(mount, server, "api/contents", say(answer(text + b"1]}")),
                  lambda: check_known(mount))
    assert code in KNOWN
    assert mount.memory_kib("VmHWM") < MEMORY_KIB


def test_the_token_goes_nowhere_else(mount, server):
    other = liar.Liar()
    try:
        for status in ("302 Found", "308 Permanent Redirect"):
            there = liar.redirect(f"{other.url}files/honest", status)
            for prefix in ("files/", "api/contents", "api/kernels"):
                _ = suffer(mount, server, prefix, there,
                           (mount.path / "honest").read_bytes)
                _ = suffer(mount, server, prefix, there,
                           lambda: (mount.path / "new").write_text("mine"))
                _ = suffer(mount, server, prefix, there,
                           lambda: run(mount))
        assert not [request.headers for request in other.requests
                    if server.token in json.dumps(request.headers)
                    + request.target]
        before = len(server.requests)
        code = suffer(mount, server, "api/contents",
                      liar.redirect(f"{server.url}api/contents"),
                      lambda: os.listdir(mount.path))
        assert code in CUT | {errno.ELOOP, errno.ENOENT}
        assert len(server.requests) - before < 100
    finally:
        other.stop()


# --- kernels -----------------------------------------------------------------

def run(mount):
    """A run's line is written; what it printed is awaited."""
    with open(mount.path / ".run", "r+b", buffering=0) as file:
        file.write(b"-c 'print(6 * 7)'\n")
        return file.read(100)


def messages(*texts):
    """Text frames, whatever is in them."""
    return b"".join(frame(0x81, text) for text in texts)


def flood(data):
    """The same for ever, or until nobody listens."""
    def then(sock):
        for _ in range(liar.ENDLESS // len(data)):
            sock.sendall(data)
    return then


def spoken(data):
    """Once."""
    return lambda sock: sock.sendall(data)


MESSAGE = {"channel": "iopub", "header": {"msg_type": "stream"},
           "parent_header": {"msg_id": "x"}, "metadata": {}, "content": {}}
CHANNELS = {
    "a wrong key": upgrade(spoken(b""), accept="bm90IHRoZSByaWdodCBrZXk="),
    "no upgrade": say(answer(b"{}")),
    "too long": upgrade(spoken(frame(0x81, b"x", length=1 << 62))),
    "negative": upgrade(spoken(frame(0x81, b"x", length=(1 << 64) - 1))),
    "masked": upgrade(spoken(frame(0x81, b"{}", masked=True))),
    "a length in too many bytes": upgrade(spoken(
        b"\x81\x7f\0\0\0\0\0\0\0\x02{}")),
    "bad UTF-8": upgrade(spoken(frame(0x81, b"\xff\xfe\xc0"))),
    "reserved bits": upgrade(spoken(frame(0xf1, b"{}"))),
    "no such opcode": upgrade(spoken(frame(0x8b, b"{}"))),
    "a long ping": upgrade(spoken(frame(0x89, b"x" * 1000))),
    "pings for ever": upgrade(flood(frame(0x89, b"") * 32768)),
    "nothing for ever": upgrade(lambda sock: (
        sock.sendall(frame(0x01, b"x")),
        flood(frame(0x00, b"") * 32768)(sock))),
    "continues nothing": upgrade(spoken(frame(0x80, b"x"))),
    "fragments for ever": upgrade(lambda sock: (
        sock.sendall(frame(0x01, b"x")), flood(frame(0x00, b"x" * 65536))(
            sock))),
    "wrong types": upgrade(spoken(messages(
        b"7", b"[]", b"{}", b"null", b'"x"', b"{", DEEP,
        json.dumps({**MESSAGE, "content": []}).encode(),
        json.dumps({**MESSAGE, "header": 7}).encode(),
        json.dumps({**MESSAGE, "channel": None}).encode()))),
    "wrong buffers": upgrade(spoken(
        frame(0x82, b"\xff" * 64) + frame(0x82, b"") + frame(
            0x82, b"\x00\x00\x00\x02\xff\xff\xff\xff\x00\x00\x00\x00"))),
}
STARTS = {
    "specs: empty": ("api/kernelspecs", say(answer(b""))),
    "specs: no content": ("api/kernelspecs", say(
        b"HTTP/1.1 204 No Content\r\nServer: T\r\n\r\n")),
    "specs: wrong": ("api/kernelspecs", say(answer({"kernelspecs": [7]}))),
    "specs: deep": ("api/kernelspecs", say(answer(DEEP))),
    "kernel: no content": ("api/kernels", say(
        b"HTTP/1.1 204 No Content\r\nServer: T\r\n\r\n")),
    "kernel: elsewhere": ("api/kernels", say(answer({"id": "../../x"}))),
    "kernel: a number": ("api/kernels", say(answer({"id": 7}))),
    "kernel: endless": ("api/kernels", endless_declared()),
}


def test_kernels_that_are_none(mount, server):
    for name, (prefix, lie) in STARTS.items():
        code = suffer(mount, server, prefix, lie, lambda: run(mount))
        assert code != 0, name


@pytest.mark.parametrize("name", CHANNELS)
def test_channels_that_are_none(mount, server, name):
    # The helper is sought again and again, until there is no server at all.
    server.lies[f"api/kernels/{liar.KERNEL}/channels"] = CHANNELS[name]

    def start():
        with contextlib.suppress(OSError):
            run(mount)

    starter = threading.Thread(target=start, daemon=True)
    starter.start()
    wait_until(lambda: [request for request in server.requests
                        if "/channels" in request.target], "a channel")
    wait_until(lambda: is_honest_again(mount), "an honest answer")
    server.stop()
    assert mount.memory_kib("VmHWM") < MEMORY_KIB
    starter.join(LIMIT)
    assert not starter.is_alive(), "it still keeps the mount busy"


# --- at the start ------------------------------------------------------------

@pytest.mark.parametrize("lie", [
    say(b""), say(answer(b"")), say(answer(DEEP)), say(answer(b"[]")),
    say(answer({"version": 7})), endless_declared(), endless_chunked(),
    liar.endless_headers, liar.dribble(b"HTTP/1.1 200 OK\r\nX: ")],
    ids=["nothing", "empty", "deep", "list", "number", "endless", "chunked",
         "headers", "slow"])
def test_mounting_a_liar_says_so(mounter, server, lie):
    server.lies["api"] = lie
    mount = mounter(server.url, options=LIMITS,
                    env={"PYCLOUD_TOKEN": server.token})
    began = time.monotonic()
    result = mount.attempt()
    assert time.monotonic() - began < DEADLINE
    assert result.returncode == 32
    assert result.stderr.startswith("mount.pycloud: ")
    assert result.stderr.count("\n") == 1
    assert server.token not in result.stderr
    assert not mount.sanitizer_reports()
