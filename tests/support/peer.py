"""What the scripts that play other servers have in common: they listen on a free port of loopback,
and tell what happens as one flat JSON document of texts a line, numbered."""
import asyncio
import json
import os
import subprocess
from pathlib import Path

count = 0


def tell(**values):
    """Another thing that the test may wait for."""
    global count
    count += 1
    # Python's mail parser leaves bytes beyond ASCII as lone surrogates.
    texts = {
        key: str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        for key, value in values.items()
    }
    print(json.dumps(texts))
    print(f"told {count}", flush=True)


def certificate():
    """A key and a certificate for 127.0.0.1, signed by itself, in one file of the test's."""
    path = Path(os.environ["PEER_DIRECTORY"]) / "peer.pem"
    alone = path.with_suffix(".certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", path, "-out", alone],
        check=True, stderr=subprocess.DEVNULL,
    )
    with open(path, "a") as both:
        both.write(alone.read_text())
    return path


def serve(factory, tls=None):
    """Makes a protocol for each connection, for ever: the test ends the process."""

    async def run():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(factory, "127.0.0.1", 0, ssl=tls)
        print(f"listening on {server.sockets[0].getsockname()[1]}.", flush=True)
        await server.serve_forever()

    asyncio.run(run())
