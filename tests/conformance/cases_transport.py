"""protocol/1-transport.md: the port, WebSocket frames, msgpack, requests and their validation."""
import asyncio
import struct
from datetime import timedelta
from uuid import uuid4

import msgpack
import websockets

from harness import (
    ANY, Better, better, case, check, expect, expect_end, expect_invalid, expect_ok, expect_silent,
    same, table,
)
from parsec_client import Connection, authenticated_answer, connect_device, open_challenge
from wire import (
    BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Closed, frame, now, open_tcp, pack, unpack,
)

INVALID_FORMAT = {"status": "invalid_msg_format", "reason": "Invalid message format"}
MIB = 1_048_576


# --- §1.1 first bytes ----------------------------------------------------------------------------


@table({
    "GET /ws": {"path": "/ws"},
    "GET /": {"path": "/"},
    "GET of any path": {"path": "/redirect/some/thing?x=1"},
    "Connection: upgrade": Better("answers 404", {"connection": "upgrade"}),
    "Connection: UPGRADE": Better("answers 404", {"connection": "UPGRADE"}),
    "Connection: keep-alive, Upgrade": Better(
        "answers 404", {"connection": "keep-alive, Upgrade"}
    ),
    "other headers": {"headers": ["User-Agent: parsec/2.0", "Cookie: a=b"]},
    "extension offered": {"headers": ["Sec-WebSocket-Extensions: permessage-deflate"]},
})
async def becomes_a_websocket(t, request):
    """1.1, 1.2: an upgrade request becomes a WebSocket whatever its path; no extension is needed."""
    socket, challenge = await open_challenge(t.address, **request)
    t.keep(Connection(socket))
    same(challenge["handshake"], "challenge", "first message")


@case
async def upgrade_header_in_any_case(t):
    """1.1: header names and the value websocket are compared without case."""
    reader, writer = await open_tcp(t.address)
    writer.write(
        b"GET /ws HTTP/1.1\r\nhOST: x\r\nUPGRADE: WebSocket\r\nconnection: Upgrade\r\n"
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
    )
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    writer.transport.abort()
    check(head.startswith(b"HTTP/1.1 101 "), f"got {head!r}")
    check(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head, f"wrong accept key in {head!r}")


@case
async def upgrade_in_small_pieces(t):
    """1.1: the request head may arrive in any number of pieces."""
    reader, writer = await open_tcp(t.address)
    head = (
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    for start in range(0, len(head), 7):
        writer.write(head[start:start + 7])
        await writer.drain()
        await asyncio.sleep(0.001)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    writer.transport.abort()
    check(answer.startswith(b"HTTP/1.1 101 "), f"got {answer!r}")


@case
async def the_stock_websockets_client_works(t):
    """1.2: an independent WebSocket implementation, with the extensions it offers, is served."""
    alice = await t.alice()
    url = f"ws://{t.address[0]}:{t.address[1]}/ws"
    async with websockets.connect(url, ping_interval=None, compression="deflate") as client:
        challenge = unpack(await client.recv())["challenge"]
        await client.send(pack(authenticated_answer(alice.device, challenge)))
        same(unpack(await client.recv())["result"], "ok", "handshake")
        for size in (0, 10, 130, 70_000):
            request = pack({"cmd": "ping", "ping": "x", "more": bytes(size)})
            for message in (request, [request], [request[:9], request[9:]]):
                await client.send(message)
                same(unpack(await client.recv()), {"status": "ok", "pong": "x"}, "reply")
        await asyncio.wait_for(await client.ping(b"hello"), 5)


# --- §1.2 frames ---------------------------------------------------------------------------------


def ping_request(text="x"):
    return pack({"cmd": "ping", "ping": text})


@table({
    "two": [1],
    "three, the middle one empty": [5, 5],
    "the first one empty": [0],
    "the last one empty": [14],
    "one octet each": list(range(1, 15)),
})
async def fragmented_message(t, cuts):
    """1.2: a message may be fragmented by the client."""
    alice = await t.alice()
    request = ping_request("xyz")
    bounds = [0, *[min(cut, len(request)) for cut in cuts], len(request)]
    for number in range(len(bounds) - 1):
        await alice.socket.send_raw(
            frame(
                BINARY if number == 0 else CONTINUATION,
                request[bounds[number]:bounds[number + 1]],
                fin=number == len(bounds) - 2,
            )
        )
    expect_ok(await alice.recv_reply(), pong="xyz")


@case
async def ping_between_fragments(t):
    """1.2: control frames may be interleaved with the fragments of a message."""
    alice = await t.alice()
    request = ping_request("xyz")
    await alice.socket.send_raw(frame(BINARY, request[:4], fin=False))
    await alice.socket.ping(b"inside")
    await alice.socket.send_raw(frame(PONG, b"unasked"))
    await alice.socket.send_raw(frame(CONTINUATION, request[4:8], fin=False))
    await alice.socket.ping(b"again")
    await alice.socket.send_raw(frame(CONTINUATION, request[8:]))
    expect_ok(await alice.recv_reply(), pong="xyz")


@table({"octet by octet": 1, "in odd pieces": 5, "many frames in one packet": 10_000})
async def any_packet_boundaries(t, size):
    """1.2: frames are found whatever the boundaries of the TCP packets."""
    alice = await t.alice()
    stream = b"".join(frame(BINARY, ping_request(str(number))) for number in range(8))
    for start in range(0, len(stream), size):
        await alice.socket.send_raw(stream[start:start + size])
        if size < 100:
            await asyncio.sleep(0)
    for number in range(8):
        expect_ok(await alice.recv_reply(), pong=str(number))


@table({"empty": b"", "short": b"abc", "125 octets": bytes(range(125))})
async def ping_gets_its_pong(t, payload):
    """1.2: the server answers Ping with Pong, payload kept."""
    alice = await t.alice()
    await alice.socket.ping(payload)


@case
async def pongs_are_ignored(t):
    """1.2: an unasked Pong has no effect."""
    alice = await t.alice()
    for payload in (b"", b"x", b"y" * 125):
        await alice.socket.send_raw(frame(PONG, payload))
    expect_ok(await alice.call("ping", ping="x"), pong="x")


@table({
    "1000": struct.pack(">H", 1000),
    "1000 with a reason": struct.pack(">H", 1000) + b"bye",
    "1001": struct.pack(">H", 1001),
    "4000": struct.pack(">H", 4000),
    "no code": b"",
})
async def close_is_answered_with_close(t, payload):
    """1.2: the server answers Close with Close and ends the connection."""
    alice = await t.alice()
    await alice.socket.send_raw(frame(CLOSE, payload))
    code = await alice.wait_end()
    check(code is not None, "TCP ended without a Close frame")


@case
async def close_during_the_handshake(t):
    """1.2: Close is answered in every state, before the answer of the handshake too."""
    socket, _ = await open_challenge(t.address)
    t.keep(Connection(socket))
    check(await socket.close() is not None, "TCP ended without a Close frame")


@table({"text": b"hello", "empty": b"", "json": b'{"cmd": "ping", "ping": "x"}'})
async def text_message(t, payload):
    """1.2: a text message gets invalid_msg_format, then a Close, then the end of TCP."""
    alice = await t.alice()
    await alice.socket.send_raw(frame(TEXT, payload))
    same(await alice.recv_reply(5), INVALID_FORMAT, "reply")
    await expect_end(alice)


VIOLATIONS = {
    "frame without mask": frame(BINARY, ping_request(), masked=False),
    "reserved bit 1": frame(BINARY, ping_request(), reserved=4),
    "reserved bit 3": frame(BINARY, ping_request(), reserved=1),
    "reserved opcode 3": frame(3, b""),
    "reserved control opcode 11": frame(11, b""),
    "continuation of nothing": frame(CONTINUATION, ping_request()),
    "new message inside a fragmented one": frame(BINARY, b"\x81", fin=False)
    + frame(BINARY, ping_request()),
    "fragmented Ping": frame(PING, b"x", fin=False),
    "Ping of 126 octets": frame(PING, bytes(126)),
    "Close of one octet": frame(CLOSE, b"\x03"),
    "Close with code 1005": frame(CLOSE, struct.pack(">H", 1005)),
    "Close with a reason that is not UTF-8": frame(CLOSE, struct.pack(">H", 1000) + b"\xff\xfe"),
    "text that is not UTF-8": frame(TEXT, b"\xff\xfe"),
    "length with its top bit set": b"\x82\xff" + struct.pack(">Q", 1 << 63) + b"\0\0\0\0",
}


@table(VIOLATIONS)
async def rfc6455_violation(t, octets):
    """1.2: a violation of RFC 6455 ends the connection with a Close; invalid_msg_format may precede."""
    alice = await t.alice()
    await alice.socket.send_raw(octets)
    try:
        same(await alice.recv_reply(5), INVALID_FORMAT, "reply")
    except Closed:
        pass
    await expect_end(alice, code=None)
    check(alice.socket.close_code is not None, "no Close frame before the end of TCP")


@case
async def pipelined_requests_are_served_in_order(t):
    """1.2: a client that pipelines is served in order."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    vlob_id = uuid4()
    fields = {"encryption_revision": 1, "vlob_id": vlob_id}
    await alice.send_request(
        "vlob_create", realm_id=realm_id, timestamp=now(), blob=b"1", **fields
    )
    for version in (2, 3, 4):
        await alice.send_request(
            "vlob_update", timestamp=now(), version=version, blob=b"%d" % version, **fields
        )
        await alice.send_request("vlob_read", **fields)
        await alice.send_request("ping", ping=str(version))
    expect_ok(await alice.recv_reply())
    for version in (2, 3, 4):
        expect_ok(await alice.recv_reply())
        expect_ok(
            await alice.recv_reply(),
            version=version, blob=b"%d" % version, author="alice@dev1", timestamp=ANY,
        )
        expect_ok(await alice.recv_reply(), pong=str(version))


@case
async def a_hundred_pipelined_requests(t):
    """1.2: a deep pipeline is served in order and completely."""
    alice = await t.alice()
    await alice.socket.send_raw(
        b"".join(frame(BINARY, ping_request(str(number))) for number in range(100))
    )
    for number in range(100):
        expect_ok(await alice.recv_reply(), pong=str(number))


@table({
    "another command": ("ping", {"ping": "x"}, {"status": "ok", "pong": "x"}),
    "an unknown command": (
        "nope", {}, {"status": "unknown_command", "reason": "Unknown command"}
    ),
    "an invalid request": (
        "ping", {},
        {
            "status": "bad_message",
            "reason": "Invalid message.",
            "errors": {"ping": ["Missing data for required field."]},
        },
    ),
    "a listen that does not wait": ("events_listen", {"wait": False}, {"status": "no_events"}),
})
async def new_request_cancels_a_long_poll(t, request):
    """1.2: any new request cancels a waiting events_listen, which then gets no reply at all."""
    cmd, fields, want = request
    alice = await (await t.alice()).subscribe()
    await alice.send_request("events_listen", wait=True)
    await expect_silent(alice, 0.15)
    same(await alice.call(cmd, **fields), want, "reply of the new request")
    expect_ok(await alice.call("ping", ping="y"), pong="y")
    await expect_silent(alice, 0.15)


@case
async def cancelled_long_poll_loses_no_event(t):
    """1.2, 6.1: an event that comes after a cancelled events_listen is given to the next one."""
    alice = await t.alice()
    device = await alice.add_device("dev2")
    other = await (await alice.organization.connect(device)).subscribe()
    for number in range(5):
        await other.send_request("events_listen", wait=True)
        await other.socket.ping()  # the server has read the request by now
        await other.send_request("ping", ping="cancel")
        expect_ok(await other.recv_reply(), pong="cancel")  # before the event: it has been read
        await alice.call("ping", ping=str(number))
        same((await other.next_event())["ping"], str(number), "event")


@case
async def long_poll_replaced_by_a_long_poll(t):
    """1.2: a second events_listen cancels the first: one event, one reply."""
    alice = await t.alice()
    device = await alice.add_device("dev2")
    other = await (await alice.organization.connect(device)).subscribe()
    for _ in range(3):
        await other.send_request("events_listen", wait=True)
    await other.socket.ping()
    await alice.call("ping", ping="once")
    expect_ok(await other.recv_reply(), event="pinged", ping="once")
    await expect_silent(other, 0.15)


@case
async def fragment_of_a_new_request_does_not_cancel_early(t):
    """1.2: control frames do not cancel a long-poll."""
    alice = await t.alice()
    device = await alice.add_device("dev2")
    other = await (await alice.organization.connect(device)).subscribe()
    await other.send_request("events_listen", wait=True)
    await other.socket.ping()
    await other.socket.send_raw(frame(PONG, b"x"))
    await alice.call("ping", ping="still there")
    expect_ok(await other.recv_reply(), event="pinged", ping="still there")


@case
async def ping_is_answered_before_the_handshake_answer(t):
    """1.2: in every waiting state the server goes on answering Ping."""
    socket, _ = await open_challenge(t.address)
    t.keep(Connection(socket))
    await socket.ping(b"handshake")


@case
async def ping_is_answered_during_a_long_poll(t):
    """1.2: in every waiting state the server goes on answering Ping."""
    alice = await (await t.alice()).subscribe()
    await alice.send_request("events_listen", wait=True)
    await alice.socket.ping(b"listen")
    await alice.socket.ping(b"listen")


@better("answers no Ping while a conduit command waits")
@case
async def ping_is_answered_during_a_conduit_wait(t):
    """1.2: in every waiting state the server goes on answering Ping."""
    alice = await t.alice()
    token = await alice.invite()
    await alice.send_request("invite_1_greeter_wait_peer", token=token, greeter_public_key=bytes(32))
    await alice.socket.ping(b"conduit", timeout=5)


@case
async def an_unanswered_ping_does_no_harm(t):
    """1.2: pooled clients answer no Ping; the connection stays usable."""
    alice = await t.alice()
    alice.socket.answer_pings = False
    await asyncio.sleep(1.0)
    expect_ok(await alice.call("ping", ping="x"), pong="x")


# --- §1.3 msgpack --------------------------------------------------------------------------------


@table({
    "000000": 0, "000001": 1, "000002": 2, "123456": 123456, "499999": 499999, "500000": 500000,
    "654321": 654321, "999998": 999998, "999999": 999999, "333333": 333333, "100001": 100001,
})
async def timestamps_come_back_bit_identical(t, microsecond):
    """1.3: microsecond resolution; a value that came from a client is returned bit-identical."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    timestamp = now().replace(microsecond=microsecond)
    vlob_id = await alice.create_vlob(realm_id, timestamp=timestamp)
    sent = pack(timestamp)
    await alice.send_request("vlob_read", encryption_revision=1, vlob_id=vlob_id)
    reply = await alice.socket.recv()
    check(sent in reply, f"{sent.hex()} ({timestamp}) is not in the reply {unpack(reply)}")
    await alice.send_request("vlob_list_versions", vlob_id=vlob_id)
    reply = await alice.socket.recv()
    check(sent in reply, f"{sent.hex()} ({timestamp}) is not in the reply {unpack(reply)}")


@table({
    "rounded down": (0.4, 0), "rounded up": (0.6, 1), "less than a microsecond": (-0.4, 0),
})
async def timestamps_between_microseconds_are_rounded(t, offset):
    """1.3: the fraction is rounded to the microsecond."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    base = now().replace(microsecond=250_000)
    seconds = base.timestamp() + offset[0] / 1e6
    vlob_id = uuid4()
    reply = await alice.call(
        "vlob_create", realm_id=realm_id, encryption_revision=1, vlob_id=vlob_id, blob=b"",
        timestamp=msgpack.ExtType(1, struct.pack(">d", seconds)),
    )
    expect_ok(reply)
    reply = await alice.call("vlob_read", encryption_revision=1, vlob_id=vlob_id)
    same(reply["timestamp"], base + timedelta(microseconds=offset[1]), "timestamp")


@table({
    "not a number": float("nan"),
    "infinity": Better("drops the connection", float("inf")),
    "minus infinity": Better("drops the connection", float("-inf")),
    "year 10000": 253402300800.0,
    "year 0": -62135596801.0,
    "huge": Better("drops the connection", 1e300),
})
async def impossible_datetime(t, seconds):
    """1.3: NaN, infinities and years outside 1..9999 are invalid."""
    alice = await t.alice()
    reply = await alice.call(
        "vlob_read", encryption_revision=1, vlob_id=uuid4(),
        timestamp=msgpack.ExtType(1, struct.pack(">d", seconds)),
    )
    check(
        reply.get("status") in ("bad_message", "invalid_msg_format"),
        f"got {reply}, want bad_message or invalid_msg_format",
    )


@table({
    "unknown ext type": (msgpack.ExtType(5, b"12345678"), "Not a datetime", "Not an UUID"),
    "UUID for datetime and back": (None, "Not a datetime", "Not an UUID"),
})
async def opaque_ext_types(t, row):
    """1.3: an unknown ext type decodes to an opaque value that fails the field's validation."""
    alice = await t.alice()
    value, datetime_text, uuid_text = row
    reply = await alice.call(
        "vlob_read", encryption_revision=1,
        vlob_id=value or now(), timestamp=value or uuid4(),
    )
    expect_invalid(reply, vlob_id=uuid_text, timestamp=datetime_text)


@table({
    "datetime of 4 octets": Better("drops the connection", msgpack.ExtType(1, b"1234")),
    "UUID of 15 octets": msgpack.ExtType(2, bytes(15)),
    "UUID of 17 octets": msgpack.ExtType(2, bytes(17)),
})
async def ext_of_wrong_size(t, value):
    """1.3: an ext 1 or 2 of a wrong size is not accepted, and never hurts the server."""
    alice = await t.alice()
    reply = await alice.call("vlob_read", encryption_revision=1, vlob_id=value, timestamp=value)
    check(
        reply.get("status") in ("bad_message", "invalid_msg_format"),
        f"got {reply}, want bad_message or invalid_msg_format",
    )


@case
async def unknown_ext_type_in_an_unknown_field(t):
    """1.3, 1.4: an unknown ext type, and unknown fields, are ignored."""
    alice = await t.alice()
    reply = await alice.call(
        "ping", ping="x", other=msgpack.ExtType(99, b"zzz"), more={"a": [1, None, 2.5]}
    )
    expect_ok(reply, pong="x")


@case
async def replies_use_the_shortest_encoding(t):
    """1.3: integers are encoded in the shortest form, str and bin as msgpack has them."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    vlob_id = await alice.create_vlob(realm_id, b"x" * 300)
    block_id = await alice.create_block(realm_id, b"y" * 70_000)
    for cmd, fields in (
        ("vlob_read", {"encryption_revision": 1, "vlob_id": vlob_id}),
        ("block_read", {"block_id": block_id}),
        ("realm_stats", {"realm_id": realm_id}),
        ("vlob_poll_changes", {"realm_id": realm_id, "last_checkpoint": 200}),
        ("vlob_poll_changes", {"realm_id": realm_id, "last_checkpoint": 70_000}),
        ("vlob_list_versions", {"vlob_id": vlob_id}),
        ("human_find", {}),
        ("realm_status", {"realm_id": realm_id}),
    ):
        await alice.send_request(cmd, **fields)
        octets = await alice.socket.recv()
        check(pack(unpack(octets)) == octets, f"{cmd}: {octets[:80].hex()} is not the shortest form")


def with_extra(octets):
    """A valid ping request with one more field whose value is given as msgpack bytes."""
    return b"\x83" + pack("cmd") + pack("ping") + pack("ping") + pack("x") + pack("extra") + octets


SIZE_LIMITS = {
    "bin of 1 MiB": (b"\xc6" + struct.pack(">I", MIB) + bytes(MIB), True),
    "bin of 1 MiB + 1": (b"\xc6" + struct.pack(">I", MIB + 1) + bytes(MIB + 1), False),
    "str of 1 MiB": (b"\xdb" + struct.pack(">I", MIB) + b"a" * MIB, True),
    "str of 1 MiB + 1": (b"\xdb" + struct.pack(">I", MIB + 1) + b"a" * (MIB + 1), False),
    "ext of 1 MiB": (b"\xc9" + struct.pack(">I", MIB) + b"\x07" + bytes(MIB), True),
    "ext of 1 MiB + 1": (b"\xc9" + struct.pack(">I", MIB + 1) + b"\x07" + bytes(MIB + 1), False),
    "array of 131,072": (b"\xdd" + struct.pack(">I", 131_072) + b"\0" * 131_072, True),
    "array of 131,073": (b"\xdd" + struct.pack(">I", 131_073) + b"\0" * 131_073, False),
    "map of 32,768": (
        b"\xdf" + struct.pack(">I", 32_768) + b"".join(pack(n) + b"\0" for n in range(32_768)), True
    ),
    "map of 32,769": (
        b"\xdf" + struct.pack(">I", 32_769) + b"".join(pack(n) + b"\0" for n in range(32_769)), False
    ),
}


@table(SIZE_LIMITS)
async def size_limits(t, row):
    """1.3: bin, str and ext up to 1,048,576 octets, arrays to 131,072 items, maps to 32,768 entries."""
    octets, accepted = row
    alice = await t.alice()
    await alice.socket.send(with_extra(octets))
    if accepted:
        expect_ok(await alice.recv_reply(), pong="x")
    else:
        same(await alice.recv_reply(), INVALID_FORMAT, "reply")
        await expect_end(alice, code=None)


@case
async def size_is_believed_only_when_it_arrives(t):
    """1.3: a length far beyond the message is a decoding error, not an allocation."""
    alice = await t.alice()
    await alice.socket.send(with_extra(b"\xdd\x00\x01\xff\xff"))
    same(await alice.recv_reply(), INVALID_FORMAT, "reply")
    await expect_end(alice, code=None)


@case
async def largest_blob_round_trip(t):
    """1.3: a blob of exactly 1 MiB goes in and comes back."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    blob = bytes(range(256)) * 4096
    vlob_id = await alice.create_vlob(realm_id, blob)
    reply = await alice.call("vlob_read", encryption_revision=1, vlob_id=vlob_id)
    check(reply.get("blob") == blob, "the blob came back changed")


MALFORMED = {
    "empty message": b"",
    "truncated map": b"\x82\xa3cmd\xa4ping",
    "never used code c1": b"\xc1",
    "trailing octet": ping_request() + b"\x00",
    "trailing document": ping_request() * 2,
    "invalid UTF-8 in a str": with_extra(b"\xa2\xff\xfe"),
    "overlong UTF-8 in a str": with_extra(b"\xa2\xc0\xaf"),
    "surrogate in a str": with_extra(b"\xa3\xed\xa0\x80"),
    "top level nil": Better("drops the connection", b"\xc0"),
    "top level integer": Better("drops the connection", b"\x01"),
    "top level str": Better("drops the connection", pack("ping")),
    "top level bin": Better("drops the connection", pack(b"ping")),
    "top level array": Better("drops the connection", pack([{"cmd": "ping", "ping": "x"}])),
    "top level ext": Better("drops the connection", pack(uuid4())),
    "top level boolean": Better("drops the connection", b"\xc3"),
    "top level float": Better("drops the connection", pack(1.5)),
    "truncated str": b"\x81\xa3cm",
    "not msgpack": b'{"cmd": "ping", "ping": "x"}',
}


@table(MALFORMED)
async def malformed_message(t, octets):
    """1.3: what is not one msgpack map gets invalid_msg_format, and the connection is closed."""
    alice = await t.alice()
    await alice.socket.send(octets)
    same(await alice.recv_reply(), INVALID_FORMAT, "reply")
    await expect_end(alice, code=None)


@case
async def malformed_message_after_valid_ones(t):
    """1.2, 1.3: the requests before a malformed message still get their replies."""
    alice = await t.alice()
    await alice.socket.send_raw(
        frame(BINARY, ping_request("1")) + frame(BINARY, ping_request("2")) + frame(BINARY, b"\xc1")
    )
    expect_ok(await alice.recv_reply(), pong="1")
    expect_ok(await alice.recv_reply(), pong="2")
    same(await alice.recv_reply(), INVALID_FORMAT, "reply")
    await expect_end(alice, code=None)


@table({
    "map16": b"\xde\x00\x02" + pack("cmd") + pack("ping") + pack("ping") + pack("x"),
    "map32": b"\xdf\x00\x00\x00\x02" + pack("cmd") + pack("ping") + pack("ping") + pack("x"),
    "str8": b"\x82\xd9\x03cmd\xd9\x04ping\xd9\x04ping\xd9\x01x",
    "str16": b"\x82\xda\x00\x03cmd\xda\x00\x04ping\xda\x00\x04ping\xda\x00\x01x",
    "str32": b"\x82\xdb\x00\x00\x00\x03cmd\xa4ping\xa4ping\xa1x",
    "integer keys beside": b"\x83\x01\x02" + pack("cmd") + pack("ping") + pack("ping") + pack("x"),
    "deep nesting": with_extra(b"\x91" * 100 + b"\xc0"),
    "float32, int64, fixext": with_extra(b"\x93\xca\x3f\x80\x00\x00\xd3\xff\xff\xff\xff\xff\xff\xff\xff\xd4\x07\x00"),
    "uint64 maximum": with_extra(b"\xcf" + b"\xff" * 8),
})
async def any_msgpack_form_is_read(t, octets):
    """1.3: every msgpack encoding of a request is understood, not only the shortest."""
    alice = await t.alice()
    expect_ok(await alice.request(octets), pong="x")


# --- §1.4 requests and replies -------------------------------------------------------------------


UNKNOWN_COMMAND = {"status": "unknown_command", "reason": "Unknown command"}


@table({
    "missing": {}, "unknown": {"cmd": "dummy"}, "empty": {"cmd": ""}, "null": {"cmd": None},
    "integer": {"cmd": 42}, "bytes": {"cmd": b"ping"}, "boolean": {"cmd": True},
    "array": {"cmd": ["ping"]}, "map": {"cmd": {"ping": 1}},
    "wrong case": {"cmd": "PING"}, "trailing newline": {"cmd": "ping\n"},
    "handshake answer": {"handshake": "answer", "type": "AUTHENTICATED"},
})
async def unknown_command(t, request):
    """1.4: cmd missing, not a string or unknown: unknown_command, and the connection goes on."""
    alice = await t.alice()
    same(await alice.request({**request, "ping": "x"}), UNKNOWN_COMMAND, "reply")
    expect_ok(await alice.call("ping", ping="x"), pong="x")


MISSING, NULL = "Missing data for required field.", "Field may not be null."
VLOB_ID = uuid4()
VLOB_READ = {"cmd": "vlob_read", "encryption_revision": 1, "vlob_id": VLOB_ID}
BLOCK_CREATE = {"cmd": "block_create", "block_id": VLOB_ID, "realm_id": VLOB_ID, "block": b""}
USER_GET = {"cmd": "user_get"}
STATUS = {"cmd": "realm_status"}
MAINTENANCE = {
    "cmd": "realm_start_reencryption_maintenance", "realm_id": VLOB_ID, "encryption_revision": 1,
    "timestamp": now(), "per_participant_message": {},
}
SAVE_BATCH = {
    "cmd": "vlob_maintenance_save_reencryption_batch", "realm_id": VLOB_ID,
    "encryption_revision": 1, "batch": [],
}
UPDATE_ROLES = {"cmd": "realm_update_roles", "role_certificate": b"", "recipient_message": None}
INVITE_DELETE = {"cmd": "invite_delete", "token": VLOB_ID, "reason": "FINISHED"}

INVALID_FIELDS = {
    "string: missing": ({"cmd": "ping"}, {"ping": MISSING}),
    "string: null": ({"cmd": "ping", "ping": None}, {"ping": NULL}),
    "string: integer": ({"cmd": "ping", "ping": 1}, {"ping": "Not a valid string."}),
    "string: boolean": ({"cmd": "ping", "ping": True}, {"ping": "Not a valid string."}),
    "string: array": ({"cmd": "ping", "ping": ["x"]}, {"ping": "Not a valid string."}),
    "integer: missing": ({"cmd": "message_get"}, {"offset": MISSING}),
    "integer: null": ({"cmd": "message_get", "offset": None}, {"offset": NULL}),
    "integer: word": ({"cmd": "message_get", "offset": "x"}, {"offset": "Not a valid integer."}),
    "integer: empty str": ({"cmd": "message_get", "offset": ""}, {"offset": "Not a valid integer."}),
    "integer: str with a fraction": (
        {"cmd": "message_get", "offset": "1.5"}, {"offset": "Not a valid integer."}
    ),
    "integer: array": ({"cmd": "message_get", "offset": [1]}, {"offset": "Not a valid integer."}),
    "integer: map": ({"cmd": "message_get", "offset": {}}, {"offset": "Not a valid integer."}),
    "integer: datetime": ({"cmd": "message_get", "offset": now()}, {"offset": "Not a valid integer."}),
    "integer: too small": ({"cmd": "message_get", "offset": -1}, {"offset": ANY}),
    "boolean: null": ({"cmd": "events_listen", "wait": None}, {"wait": NULL}),
    "boolean: word": ({"cmd": "events_listen", "wait": "yes!"}, {"wait": "Not a valid boolean."}),
    "boolean: 2": ({"cmd": "events_listen", "wait": 2}, {"wait": "Not a valid boolean."}),
    "boolean: bytes": ({"cmd": "events_listen", "wait": b"xyz"}, {"wait": "Not a valid boolean."}),
    "boolean: array": ({"cmd": "events_listen", "wait": []}, {"wait": "Not a valid boolean."}),
    "boolean: tRUE": ({"cmd": "events_listen", "wait": "tRUE"}, {"wait": "Not a valid boolean."}),
    "bytes: missing": ({"cmd": "user_revoke"}, {"revoked_user_certificate": MISSING}),
    "bytes: null": (
        {"cmd": "user_revoke", "revoked_user_certificate": None}, {"revoked_user_certificate": NULL}
    ),
    "bytes: str": (
        {"cmd": "user_revoke", "revoked_user_certificate": "x"},
        {"revoked_user_certificate": "Not bytes"},
    ),
    "bytes: integer": ({**BLOCK_CREATE, "block": 1}, {"block": "Not bytes"}),
    "UUID: missing": ({"cmd": "realm_status"}, {"realm_id": MISSING}),
    "UUID: null": ({**STATUS, "realm_id": None}, {"realm_id": NULL}),
    "UUID: bytes": ({**STATUS, "realm_id": VLOB_ID.bytes}, {"realm_id": "Not an UUID"}),
    "UUID: str": ({**STATUS, "realm_id": str(VLOB_ID)}, {"realm_id": "Not an UUID"}),
    "UUID: integer": ({**STATUS, "realm_id": 1}, {"realm_id": "Not an UUID"}),
    "datetime: missing": (
        {name: value for name, value in MAINTENANCE.items() if name != "timestamp"},
        {"timestamp": MISSING},
    ),
    "datetime: null": ({**MAINTENANCE, "timestamp": None}, {"timestamp": NULL}),
    "datetime: float": ({**VLOB_READ, "timestamp": 1.5}, {"timestamp": "Not a datetime"}),
    "datetime: str": ({**VLOB_READ, "timestamp": "2020-01-01"}, {"timestamp": "Not a datetime"}),
    "list: missing": (
        {name: value for name, value in SAVE_BATCH.items() if name != "batch"}, {"batch": MISSING}
    ),
    "list: null": ({**SAVE_BATCH, "batch": None}, {"batch": NULL}),
    "list: map": ({**SAVE_BATCH, "batch": {}}, {"batch": "Not a valid list."}),
    "list: str": ({**SAVE_BATCH, "batch": "x"}, {"batch": "Not a valid list."}),
    "list: bad items are keyed by index": (
        {**SAVE_BATCH, "batch": [
            {"vlob_id": VLOB_ID, "version": 1, "blob": b""},
            {"vlob_id": 1, "version": 1, "blob": ""},
            {"vlob_id": VLOB_ID, "version": -1, "blob": b""},
        ]},
        {"batch": {1: {"vlob_id": ["Not an UUID"], "blob": ["Not bytes"]}, 2: {"version": ANY}}},
    ),
    "map: missing": (
        {name: value for name, value in MAINTENANCE.items() if name != "per_participant_message"},
        {"per_participant_message": MISSING},
    ),
    "map: null": (
        {**MAINTENANCE, "per_participant_message": None}, {"per_participant_message": NULL}
    ),
    "map: array": (
        {**MAINTENANCE, "per_participant_message": []},
        {"per_participant_message": "Not a valid mapping type."},
    ),
    "user ID: missing": (USER_GET, {"user_id": MISSING}),
    "user ID: null": ({**USER_GET, "user_id": None}, {"user_id": NULL}),
    "user ID: integer": ({**USER_GET, "user_id": 1}, {"user_id": ANY}),
    "user ID: with a space": ({**USER_GET, "user_id": "a b"}, {"user_id": "Invalid user name"}),
    "user ID: empty": ({**USER_GET, "user_id": ""}, {"user_id": "Invalid user name"}),
    "user ID: a device ID": ({**USER_GET, "user_id": "a@b"}, {"user_id": "Invalid user name"}),
    "optional bytes: str": (
        {**UPDATE_ROLES, "recipient_message": "x"}, {"recipient_message": "Not bytes"}
    ),
    "required but nullable: missing": (
        {"cmd": "realm_update_roles", "role_certificate": b""}, {"recipient_message": MISSING}
    ),
    "enum: unknown": ({**INVITE_DELETE, "reason": "NOPE"}, {"reason": "Invalid role `NOPE`"}),
    "enum: wrong case": (
        {**INVITE_DELETE, "reason": "finished"}, {"reason": "Invalid role `finished`"}
    ),
    "enum: integer": ({**INVITE_DELETE, "reason": 1}, {"reason": "Not string"}),
    "enum: bytes": ({**INVITE_DELETE, "reason": b"FINISHED"}, {"reason": "Not string"}),
    "enum: null": ({**INVITE_DELETE, "reason": None}, {"reason": NULL}),
    "public key: 31 octets": (
        {"cmd": "invite_1_greeter_wait_peer", "token": VLOB_ID, "greeter_public_key": bytes(31)},
        {"greeter_public_key": "Invalid verify key."},
    ),
    "public key: str": (
        {"cmd": "invite_1_greeter_wait_peer", "token": VLOB_ID, "greeter_public_key": "x" * 32},
        {"greeter_public_key": ANY},
    ),
    "all failing fields together": (
        {"cmd": "vlob_create", "realm_id": 1, "vlob_id": None, "timestamp": "x", "blob": "y"},
        {
            "realm_id": "Not an UUID", "encryption_revision": MISSING, "vlob_id": NULL,
            "timestamp": "Not a datetime", "blob": "Not bytes",
        },
    ),
    "no field at all": (
        {"cmd": "vlob_update"},
        {
            "encryption_revision": MISSING, "vlob_id": MISSING, "timestamp": MISSING,
            "version": MISSING, "blob": MISSING,
        },
    ),
}


@table(INVALID_FIELDS)
async def invalid_field(t, row):
    """1.4: field types and their messages; all failing fields are reported together."""
    request, errors = row
    alice = await t.alice()
    expect_invalid(await alice.request(request), **errors)
    expect_ok(await alice.call("ping", ping="x"), pong="x")


@table({
    "integer": 2, "float is truncated": 2.9, "str": "2", "str with a sign": "+2", "true is 1": True,
    "float32": msgpack.ExtType,
})
async def integer_forms(t, value):
    """1.4: an integer field also takes a float (truncated), a boolean, a decimal str."""
    alice, bob = await t.pair()
    for _ in range(3):
        realm_id = await alice.create_realm()
        await alice.share(realm_id, "bob", "READER", b"m")
    if value is msgpack.ExtType:
        reply = await bob.request(
            b"\x82" + pack("cmd") + pack("message_get") + pack("offset") + b"\xca\x40\x00\x00\x00"
        )
        value = 2
    else:
        reply = await bob.call("message_get", offset=value)
    first = 2 if value is True else 3
    same([message["count"] for message in reply["messages"]], list(range(first, 4)), "counts")


@table({
    "not a number": ("message_get", {"offset": float("nan")}),
    "infinity": Better("drops the connection", ("message_get", {"offset": float("inf")})),
    "float 1e30": Better("drops the connection", ("message_get", {"offset": 1e30})),
    "2^63": Better("drops the connection", ("message_get", {"offset": 1 << 63})),
    "str of 30 digits": Better("drops the connection", ("message_get", {"offset": "9" * 30})),
    "page 2^63": ("human_find", {"page": 1 << 63}),
    "encryption_revision 2^31": ("vlob_read", {"encryption_revision": 1 << 31}),
    "encryption_revision -2^63": ("vlob_read", {"encryption_revision": -1 << 63}),
    "last_checkpoint 2^31": Better(
        "drops the connection", ("vlob_poll_changes", {"last_checkpoint": 1 << 31})
    ),
    "last_checkpoint -2^63": Better(
        "drops the connection", ("vlob_poll_changes", {"last_checkpoint": -1 << 63})
    ),
})
async def integer_beyond_every_range(t, row):
    """1.4: a number out of range is refused or matches nothing; it never costs the connection."""
    cmd, fields = row
    alice = await t.alice()
    realm_id = await alice.create_realm()
    vlob_id = await alice.create_vlob(realm_id)
    reply = await alice.call(cmd, **{"realm_id": realm_id, "vlob_id": vlob_id, **fields})
    check("status" in reply, f"got {reply}")
    expect_ok(await alice.call("ping", ping="x"), pong="x")


@table({
    **{f"{text!r} is true": (text, True) for text in (True, 1, "t", "T", "true", "True", "TRUE", "1")},
    **{f"{text!r} is false": (text, False) for text in (False, 0, "f", "F", "false", "False", "FALSE", "0")},
})
async def boolean_forms(t, row):
    """1.4: a boolean field takes true/false, 0/1 and these strings."""
    value, meaning = row
    alice = await t.alice()
    realm_id = await alice.create_realm()
    await alice.add_user("zoe", human=None)
    reply = await alice.call("human_find", omit_non_human=value)
    same(reply.get("total"), 1 if meaning else 2, f"total (of {reply})")
    check(realm_id is not None, "")


@table({
    "user_create by a STANDARD user": ("user_create", "STANDARD", "User `bob` is not admin"),
    "user_revoke by a STANDARD user": ("user_revoke", "STANDARD", "User `bob` is not admin"),
    "user_create by an OUTSIDER": ("user_create", "OUTSIDER", "User `bob` is not admin"),
    "human_find by an OUTSIDER": (
        "human_find", "OUTSIDER", "Not allowed for user with OUTSIDER profile."
    ),
    "realm_create by an OUTSIDER": ("realm_create", "OUTSIDER", "Outsider user cannot create realm"),
})
async def profile_comes_before_validation(t, row):
    """1.4: the check of the profile comes before the validation of the fields."""
    cmd, profile, reason = row
    alice, bob = await t.pair(profile)
    expect(await bob.call(cmd, query=1, page="x"), "not_allowed", reason=reason)


@case
async def replies_are_binary_messages_with_a_status(t):
    """1.2, 1.4: every reply is one binary message with a str status."""
    alice = await t.alice()
    for cmd in ("ping", "user_get", "nope", "events_subscribe", "invite_list"):
        await alice.send_request(cmd)
        reply = unpack(await alice.socket.recv())
        check(isinstance(reply.get("status"), str), f"{cmd}: {reply}")


@case
async def connection_survives_a_burst_of_errors(t):
    """1.4: error replies leave the connection as it was."""
    session = await connect_device(t.address, (await t.organization()).alice)
    t.keep(session)
    for _ in range(20):
        same(await session.request({"cmd": "x"}), UNKNOWN_COMMAND, "reply")
        expect_invalid(await session.call("ping"), ping=MISSING)
        expect(await session.call("realm_status", realm_id=uuid4()), "not_found")
    expect_ok(await session.call("ping", ping="x"), pong="x")
