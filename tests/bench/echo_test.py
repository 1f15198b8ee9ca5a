#!/usr/bin/env python3
"""parsec-bench-echo speaks enough WebSocket for a load generator. Argument: the program."""
import re
import socket
import struct
import subprocess
import sys

PATIENCE = 30  # seconds
OPENING = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 section 1.3


def length(size, mask_bit):
    if size < 126:
        return bytes([mask_bit | size])
    if size < 1 << 16:
        return bytes([mask_bit | 126]) + struct.pack(">H", size)
    return bytes([mask_bit | 127]) + struct.pack(">Q", size)


def masked(payload):
    mask = b"\x11\x22\x33\x44"
    return b"\x82" + length(len(payload), 0x80) + mask + bytes(
        byte ^ mask[i % 4] for i, byte in enumerate(payload)
    )


def plain(payload):
    return b"\x82" + length(len(payload), 0) + payload


def receive(connection, size):
    received = b""
    while len(received) < size:
        part = connection.recv(size - len(received))
        assert part, f"the echo ended the connection after {len(received)} of {size} bytes"
        received += part
    return received


def check(port):
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall(OPENING)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += receive(connection, 1)
        assert head.startswith(b"HTTP/1.1 101 ") and ACCEPT in head, head
        for size in (0, 1, 125, 126, 4000, 65535, 65536, 200_000):
            payload = bytes(i % 251 for i in range(size))
            connection.sendall(masked(payload))
            expected = plain(payload)
            assert receive(connection, len(expected)) == expected, f"payload of {size} bytes"
        # Two in one packet, and one in two.
        frames = masked(b"first") + masked(b"second")
        connection.sendall(frames[:-3])
        expected = plain(b"first")
        assert receive(connection, len(expected)) == expected
        connection.sendall(frames[-3:])
        expected = plain(b"second")
        assert receive(connection, len(expected)) == expected
        connection.sendall(b"\x88\x80\0\0\0\0")
        assert connection.recv(1) == b"", "a Close ends it"


def main():
    echo = subprocess.Popen([sys.argv[1]], stdout=subprocess.PIPE, text=True)
    try:
        line = echo.stdout.readline()
        found = re.fullmatch(r"listening on (\d+)\n", line)
        assert found, f"unexpected: {line!r}"
        for _ in range(3):
            check(int(found[1]))
        assert echo.poll() is None, "it goes on"
    finally:
        echo.kill()
        echo.wait()
        echo.stdout.close()


main()
