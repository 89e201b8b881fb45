"""A server of this computer behind TLS, with a certificate of its own."""

import asyncio
import contextlib
import queue
import ssl
import subprocess
import threading

from harness import LIMIT


def make_certificate(folder):
    """cert.pem and key.pem, of 127.0.0.1."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=stand-in",
         "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True)


async def carry(reader, writer):
    """What one side says to the other, until its end."""
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


async def serve(port, folder, tell):
    """Until the second of what it tells is called; the first is its port."""
    async def serve_one(reader, writer):
        behind = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(carry(reader, behind[1]),
                             carry(behind[0], writer))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server = await asyncio.start_server(serve_one, "127.0.0.1", 0,
                                        ssl=context)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    tell((server.sockets[0].getsockname()[1],
          lambda: loop.call_soon_threadsafe(ended.set)))
    await ended.wait()
    server.close()


@contextlib.contextmanager
def front(port, folder):
    """The https URL of what listens on that port; cert.pem in the folder."""
    make_certificate(folder)
    told = queue.Queue()
    thread = threading.Thread(
        target=lambda: asyncio.run(serve(port, folder, told.put)))
    thread.start()
    own, end = told.get(timeout=LIMIT)
    try:
        yield f"https://127.0.0.1:{own}/"
    finally:
        end()
        thread.join()
