"""The bytes on the wire: msgpack documents and WebSocket frames.

What this is: the codec of protocol/1-transport.md §1.3 and a WebSocket client whose every frame can be
shaped by hand, so that a case can fragment, interleave, corrupt or withhold what it sends. It
checks what the server sends (accept key, no mask, no reserved bits, control frames whole) and
raises Violation where RFC 6455 is broken. What it is not for: real applications.
"""
import asyncio
import base64
import hashlib
import os
import socket
import struct
from datetime import datetime, timedelta, timezone
from uuid import UUID

import msgpack

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0
DEFAULT_WAIT = 15.0


# --- msgpack -------------------------------------------------------------------------------------


def datetime_to_ext(value):
    microseconds = (value - EPOCH) // timedelta(microseconds=1)
    return msgpack.ExtType(1, struct.pack(">d", microseconds / 1e6))


def ext_to_datetime(octets):
    (seconds,) = struct.unpack(">d", octets)
    whole = int(seconds)
    return EPOCH + timedelta(seconds=whole, microseconds=round((seconds - whole) * 1e6))


def _default(value):
    if isinstance(value, datetime):
        return datetime_to_ext(value)
    if isinstance(value, UUID):
        return msgpack.ExtType(2, value.bytes)
    raise TypeError(f"cannot pack {value!r}")


def _ext_hook(code, octets):
    if code == 1 and len(octets) == 8:
        return ext_to_datetime(octets)
    if code == 2 and len(octets) == 16:
        return UUID(bytes=bytes(octets))
    return msgpack.ExtType(code, octets)


def pack(document):
    return msgpack.packb(document, default=_default, use_bin_type=True)


def unpack(octets):
    return msgpack.unpackb(octets, ext_hook=_ext_hook, raw=False, strict_map_key=False)


def now():
    return datetime.now(timezone.utc)


# --- WebSocket -----------------------------------------------------------------------------------


class Closed(Exception):
    """The connection ended. code: of the server's Close frame, None if TCP just ended."""

    def __init__(self, code):
        super().__init__(f"connection closed by the server (close code {code})")
        self.code = code


class Violation(Exception):
    """The server broke RFC 6455 or the rules of protocol/1-transport.md."""


def frame(opcode, payload=b"", *, fin=True, reserved=0, masked=True):
    """The bytes of one client frame; the arguments may make it an illegal one."""
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    mask_bit = 0x80 if masked else 0
    size = len(payload)
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 1 << 16:
        head += bytes([mask_bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([mask_bit | 127]) + struct.pack(">Q", size)
    if not masked:
        return head + payload
    key = os.urandom(4)
    repeated = (key * (size // 4 + 1))[:size]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return head + key + mixed.to_bytes(size, "big")


async def open_tcp(address, *, tls=None):
    host, port = address
    reader, writer = await asyncio.open_connection(
        host, port, limit=1 << 22, ssl=tls, server_hostname=host if tls else None
    )
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return reader, writer


def upgrade_request(address, *, path="/ws", key=None, headers=(), connection="Upgrade", version="13"):
    key = key or base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {address[0]}:{address[1]}",
        "Upgrade: websocket",
        f"Connection: {connection}",
        f"Sec-WebSocket-Key: {key}",
        f"Sec-WebSocket-Version: {version}",
        *headers,
    ]
    return key, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def read_head(reader, timeout=DEFAULT_WAIT):
    """Status line and headers (names lowered) of an HTTP response."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), timeout)
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in filter(None, lines):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return status, headers


class WebSocket:
    """One WebSocket. A task of its own reads frames; messages wait in a queue until received."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.answer_pings = True
        self.close_code = None  # of the Close frame the server sent
        self.failure = None
        self.ended = asyncio.Event()
        self._messages = asyncio.Queue()
        self._pongs = asyncio.Queue()
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, address, *, tls=None, timeout=DEFAULT_WAIT, **request):
        reader, writer = await asyncio.wait_for(open_tcp(address, tls=tls), timeout)
        try:
            key, octets = upgrade_request(address, **request)
            writer.write(octets)
            status, headers = await read_head(reader, timeout)
            if not status.startswith("HTTP/1.1 101"):
                raise Violation(f"upgrade refused: {status}")
            guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            accept = base64.b64encode(hashlib.sha1((key + guid).encode()).digest()).decode()
            if headers.get("sec-websocket-accept") != accept:
                raise Violation(f"wrong sec-websocket-accept {headers.get('sec-websocket-accept')!r}")
            if headers.get("upgrade", "").lower() != "websocket":
                raise Violation(f"wrong upgrade header {headers.get('upgrade')!r}")
            if "sec-websocket-protocol" in headers or "sec-websocket-extensions" in headers:
                raise Violation("subprotocol or extension that was not asked for")
        except BaseException:
            writer.transport.abort()
            raise
        return cls(reader, writer)

    # reading

    async def _read_frame(self):
        first, second = await self.reader.readexactly(2)
        if first & 0x70 or second & 0x80:
            raise Violation(f"reserved bit or mask in a server frame: {first:#x} {second:#x}")
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", await self.reader.readexactly(8))
        fin, opcode = bool(first & 0x80), first & 0x0F
        if opcode >= 8 and (not fin or size > 125):
            raise Violation("fragmented or long control frame")
        return fin, opcode, await self.reader.readexactly(size)

    async def _read(self):
        parts, kind = [], None
        try:
            while True:
                fin, opcode, payload = await self._read_frame()
                if opcode == PING:
                    if self.answer_pings:
                        self.writer.write(frame(PONG, payload))
                elif opcode == PONG:
                    self._pongs.put_nowait(payload)
                elif opcode == CLOSE:
                    self.close_code = struct.unpack(">H", payload[:2])[0] if payload else 1005
                    self.writer.write(frame(CLOSE, payload[:2]))
                elif self.close_code is not None:
                    raise Violation("data after Close")
                else:
                    if (opcode == CONTINUATION) != (kind is not None) or opcode not in (0, 1, 2):
                        raise Violation(f"unexpected opcode {opcode}")
                    kind = opcode or kind
                    parts.append(payload)
                    if fin:
                        self._messages.put_nowait((kind, b"".join(parts)))
                        parts, kind = [], None
        except Violation as failure:
            self.failure = failure
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self.ended.set()
            self._messages.put_nowait(None)
            self._pongs.put_nowait(None)
            self.writer.close()

    async def recv_any(self, timeout=DEFAULT_WAIT):
        """(TEXT or BINARY, payload) of the next message."""
        item = await asyncio.wait_for(self._messages.get(), timeout)
        if item is None:
            self._messages.put_nowait(None)
            raise self.failure or Closed(self.close_code)
        return item

    async def recv(self, timeout=DEFAULT_WAIT):
        kind, payload = await self.recv_any(timeout)
        if kind != BINARY:
            raise Violation("the server sent a text message")
        return payload

    # writing

    async def send_raw(self, octets):
        self.writer.write(octets)
        try:
            await self.writer.drain()
        except OSError:
            pass  # the reading side tells the end of the connection

    async def send(self, payload):
        await self.send_raw(frame(BINARY, payload))

    async def ping(self, payload=b"are you there", timeout=DEFAULT_WAIT):
        """Sends a Ping and waits for its Pong."""
        await self.send_raw(frame(PING, payload))
        answer = await asyncio.wait_for(self._pongs.get(), timeout)
        if answer is None:
            raise self.failure or Closed(self.close_code)
        if answer != payload:
            raise Violation(f"Pong {answer!r} for Ping {payload!r}")

    # ending

    async def wait_end(self, timeout=DEFAULT_WAIT):
        """Waits until the server has ended the TCP connection; the code of its Close, or None."""
        await asyncio.wait_for(self.ended.wait(), timeout)
        if self.failure:
            raise self.failure
        return self.close_code

    async def close(self, code=1000, timeout=DEFAULT_WAIT):
        """The polite end: Close, wait for the server's Close and for the end of TCP."""
        await self.send_raw(frame(CLOSE, struct.pack(">H", code)))
        return await self.wait_end(timeout)

    async def abort(self):
        """The rude end: TCP reset, no Close frame."""
        self.writer.transport.abort()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
