#!/usr/bin/env python3
"""run.py, with every connection to a server made over TLS.

    over_tls.py run.py PLAIN_PORT [option of run.py…]

The suite connects in one place, wire.open_tcp; here it gets a TLS context unless the case brings one. So does the
stock WebSocket client that one case uses.
PLAIN_PORT stays plain: that of --tls-server, where cases choose for themselves.
"""
import asyncio.sslproto
import runpy
import ssl
import sys
from pathlib import Path

import websockets


def any_certificate():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def let_ended_transports_abort():
    """The suite aborts what may have ended; Python 3.11's TLS transport breaks there, TCP's does not."""
    transport = asyncio.sslproto._SSLProtocolTransport
    abort = transport.abort
    transport.abort = lambda self: abort(self) if self._ssl_protocol is not None else None


def stock_client_over(context):
    """websockets.connect of a ws:// URL goes to its wss:// one."""
    plain = websockets.connect
    websockets.connect = lambda url, **options: plain(
        url.replace("ws://", "wss://", 1), ssl=context, **options
    )


def main():
    program, plain_port = Path(sys.argv[1]), int(sys.argv[2])
    sys.argv = [str(program), *sys.argv[3:]]
    sys.path.insert(0, str(program.parent))
    import wire

    plain, context = wire.open_tcp, any_certificate()

    async def open_tcp(address, *, tls=None):
        if tls is None and address[1] != plain_port:
            tls = context
        return await plain(address, tls=tls)

    wire.open_tcp = open_tcp
    stock_client_over(context)
    let_ended_transports_abort()
    runpy.run_path(str(program), run_name="__main__")


if __name__ == "__main__":
    main()
