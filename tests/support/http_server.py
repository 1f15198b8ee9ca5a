#!/usr/bin/env python3
"""An HTTP server that tells each request, and gives every one the same answer: --answer, as it
stands ("" ends the connection without a word), or none at all with --silent."""
import argparse
import asyncio
import re
import sys

import peer


class Connection(asyncio.Protocol):
    def __init__(self, options):
        self.options, self.received = options, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return
        size = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if len(body) < int(size[1] if size else 0):
            return
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        peer.tell(
            line=head.decode().split("\r\n")[0], body=body.decode(),
            **{name.lower(): value for name, value in fields.items()},
        )
        self.received = b""
        if not self.options.silent:
            self.transport.write(self.options.answer.encode().decode("unicode_escape").encode())
            self.transport.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answer", default=r"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    parser.add_argument("--silent", action="store_true")
    options = parser.parse_args()
    peer.serve(lambda: Connection(options))


if __name__ == "__main__":
    sys.exit(main())
