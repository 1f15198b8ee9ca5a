"""protocol/4-commands.md §4.3: message_get, and the two commands that leave messages."""
import os
from datetime import timedelta

from cases_events import message_received, roles_updated, save_all
from harness import Better, case, check, expect, expect_invalid, expect_ok, same, short, table
from parsec_client import insist
from wire import now

MIB = 1_048_576


def message(count, sender, timestamp, body):
    return {"count": count, "sender": sender, "timestamp": timestamp, "body": body}


async def messages(session, offset=0):
    reply = insist(await session.call("message_get", offset=offset), "message_get")
    same(sorted(reply), ["messages", "status"], "fields")
    return reply["messages"]


def numbers_and_bodies(got):
    return [(entry["count"], entry["body"]) for entry in got]


async def send(author, realm_id, user_id, bodies):
    """One message for each body, by roles that change; the timestamps of their certificates."""
    timestamps = []
    for number, body in enumerate(bodies):
        timestamp = now()
        role = ("READER", "CONTRIBUTOR")[number % 2]
        certificate = author.role(realm_id, user_id, role, timestamp)
        reply = await author.call(
            "realm_update_roles", role_certificate=certificate, recipient_message=body
        )
        insist(reply, "realm_update_roles")
        timestamps.append(timestamp)
    return timestamps


# --- message_get ----------------------------------------------------------------------------------


@case
async def no_message(t):
    """4.3: a user without messages gets an empty list."""
    alice, bob = await t.pair()
    for session in (alice, bob):
        expect_ok(await session.call("message_get", offset=0), messages=[])


@case
async def fields_of_a_message(t):
    """4.3, 4.5: a message has its number, sender, the certificate's timestamp and its body."""
    alice, bob = await t.pair()
    realm_id = await alice.create_realm()
    (timestamp,) = await send(alice, realm_id, "bob", [b"hello \x00\xff"])
    expect_ok(
        await bob.call("message_get", offset=0),
        messages=[message(1, "alice@dev1", timestamp, b"hello \x00\xff")],
    )
    same(await messages(alice), [], "messages of the sender")


@table({
    "0": (0, [1, 2, 3, 4, 5]),
    "1": (1, [2, 3, 4, 5]),
    "4": (4, [5]),
    "all of them": (5, []),
    "more than there are": (6, []),
    "the largest int32": (2**31 - 1, []),
    "beyond int32": (2**31, []),
    "the largest int64": (2**63 - 1, []),
    "beyond int64": Better("closes the connection", (2**63, [])),
    "the largest integer of msgpack": Better("closes the connection", (2**64 - 1, [])),
})
async def offset(t, row):
    """4.3: all messages after the first `offset` ones, oldest first, numbered from offset+1."""
    value, numbers = row
    alice, bob = await t.pair()
    realm_id = await alice.create_realm()
    timestamps = await send(alice, realm_id, "bob", [b"%d" % number for number in range(1, 6)])
    want = [
        message(number, "alice@dev1", timestamps[number - 1], b"%d" % number) for number in numbers
    ]
    expect_ok(await bob.call("message_get", offset=value), messages=want)
    expect_ok(await bob.call("ping", ping="x"), pong="x")


@table({
    "missing": ({}, "Missing data for required field."),
    "null": ({"offset": None}, "Field may not be null."),
    "word": ({"offset": "first"}, "Not a valid integer."),
    "bytes": ({"offset": b"x"}, "Not a valid integer."),
})
async def invalid_offset(t, row):
    """4.3, 1.4: offset is a required integer."""
    fields, error = row
    alice = await t.alice()
    expect_invalid(await alice.call("message_get", **fields), offset=error)


@table({"-1": -1, "-2**31": -(2**31), "-2**63": -(2**63)})
async def negative_offset(t, value):
    """4.3: offset is not negative."""
    alice = await t.alice()
    expect(await alice.call("message_get", offset=value), "bad_message")


@table({"text": "1", "float": 1.9, "boolean": True})
async def offset_in_other_forms(t, value):
    """1.4: an integer may come as text, as a float (truncated) or as a boolean."""
    alice, bob = await t.pair()
    realm_id = await alice.create_realm()
    await send(alice, realm_id, "bob", [b"1", b"2"])
    same(numbers_and_bodies(await messages(bob, value)), [(2, b"2")], "messages")


# --- Whose messages, which numbers ----------------------------------------------------------------


@case
async def numbers_are_per_recipient(t):
    """4.3: every recipient has numbers of its own, from 1, without gaps."""
    alice, bob = await t.pair()
    carol = await alice.organization.connect(await alice.add_user("carol"))
    realm_id = await alice.create_realm()
    for number in range(3):
        await send(alice, realm_id, "bob", [b"b%d" % (2 * number), b"b%d" % (2 * number + 1)])
        await send(alice, realm_id, "carol", [b"c%d" % number])
        await alice.share(realm_id, "carol", None)
    want = [(number + 1, b"b%d" % number) for number in range(6)]
    same(numbers_and_bodies(await messages(bob)), want, "bob's messages")
    want = [(number + 1, b"c%d" % number) for number in range(3)]
    same(numbers_and_bodies(await messages(carol)), want, "carol's messages")


@case
async def messages_of_several_senders(t):
    """4.3: messages of all realms and senders stand in one row, by commit."""
    alice, bob = await t.pair()
    carol = await alice.organization.connect(await alice.add_user("carol"))
    alice_dev2 = await alice.organization.connect(await alice.add_device("dev2"))
    want = []
    for number, sender in enumerate((alice, carol, alice_dev2, carol), 1):
        realm_id = await sender.create_realm()
        body = b"from %d" % number
        (timestamp,) = await send(sender, realm_id, "bob", [body])
        want.append(message(number, sender.device.id, timestamp, body))
    same(await messages(bob), want, "messages")


@case
async def commit_order_not_timestamps(t):
    """4.3: the order is that of the commits, whatever the timestamps say."""
    alice, bob = await t.pair()
    realms = [await alice.create_realm() for _ in range(3)]
    start = now()
    stamps = [start + timedelta(minutes=5), start - timedelta(minutes=5), start]
    for realm_id, stamp in zip(realms, stamps):
        reply = await alice.call(
            "realm_update_roles", role_certificate=alice.role(realm_id, "bob", "READER", stamp),
            recipient_message=b"x",
        )
        insist(reply, "realm_update_roles")
    want = [message(n, "alice@dev1", stamp, b"x") for n, stamp in enumerate(stamps, 1)]
    same(await messages(bob), want, "messages")


@case
async def all_devices_of_the_user_read_them(t):
    """4.3: messages belong to the user: every device reads the same, API v1 ones too."""
    alice, bob = await t.pair()
    realm_id = await alice.create_realm()
    (timestamp,) = await send(alice, realm_id, "bob", [b"x"])
    organization = alice.organization
    device = await bob.add_device("dev2")
    sessions = [
        await organization.connect(device, address=t.second),
        await organization.connect(bob.device, version=1),
        bob,
    ]
    for session in sessions:
        same(await messages(session), [message(1, "alice@dev1", timestamp, b"x")], "messages")


@case
async def other_organizations_do_not_read_them(t):
    """4.3: a user of the same name elsewhere has messages of its own."""
    alice, _bob = await t.pair()
    _, other_bob = await t.pair()
    realm_id = await alice.create_realm()
    await send(alice, realm_id, "bob", [b"x"])
    same(await messages(other_bob), [], "messages of the other bob")


@case
async def an_outsider_reads_messages(t):
    """4.3: every profile has messages."""
    alice, olga = await t.pair("OUTSIDER", "olga")
    realm_id = await alice.create_realm()
    (timestamp,) = await send(alice, realm_id, "olga", [b"x"])
    same(await messages(olga), [message(1, "alice@dev1", timestamp, b"x")], "messages")


# --- Bodies ---------------------------------------------------------------------------------------


@table({"null": None, "empty": b""})
async def no_message_without_a_body(t, body):
    """4.5: only a non-empty recipient_message is stored, and only that has an event."""
    alice, bob = await t.pair()
    await bob.subscribe()
    realm_id = await alice.create_realm()
    await alice.share(realm_id, "bob", "READER", message=body)
    same(await messages(bob), [], "messages")
    await alice.share(realm_id, "bob", "MANAGER", message=b"x")
    heard = [await bob.next_event() for _ in range(3)]
    want = [
        roles_updated(realm_id, "READER"), roles_updated(realm_id, "MANAGER"), message_received(1)
    ]
    check(all(event in heard for event in want), f"heard {short(heard)}, want {short(want)}")


@table({"1 octet": 1, "100 KiB": 102_400, "1 MiB": MIB})
async def size_of_a_body(t, size):
    """4.3, 1.3: a body of any size up to 1 MiB comes back as it was."""
    alice, bob = await t.pair()
    realm_id = await alice.create_realm()
    body = os.urandom(size)
    await send(alice, realm_id, "bob", [body])
    same(numbers_and_bodies(await messages(bob)), [(1, body)], "messages")


@case(limit_s=40)
async def many_messages(t):
    """4.3: all messages after the offset come at once."""
    alice, bob = await t.pair()
    realm_id = await alice.create_realm()
    bodies = [b"%d" % number for number in range(60)]
    await send(alice, realm_id, "bob", bodies)
    want = list(enumerate(bodies, 1))
    for start in (0, 30, 59):
        got = await messages(bob, start)
        same(numbers_and_bodies(got), want[start:], f"messages after {start}")


# --- The commands that leave messages -------------------------------------------------------------


@case
async def refused_commands_leave_no_message(t):
    """4, 4.3: a command that is refused leaves no message."""
    alice, bob, realm_id = await t.realm_pair("READER")
    certificate = alice.role(realm_id, "bob", "READER")
    fields = {"role_certificate": certificate, "recipient_message": b"x"}
    expect(await alice.call("realm_update_roles", **fields), "already_granted")
    reply = await alice.call(
        "realm_start_reencryption_maintenance", realm_id=realm_id, encryption_revision=3,
        timestamp=now(), per_participant_message={"alice": b"x", "bob": b"x"},
    )
    expect(reply, "bad_encryption_revision")
    same(await messages(bob), [], "messages")
    await alice.share(realm_id, "bob", "MANAGER", message=b"first")
    same(numbers_and_bodies(await messages(bob)), [(1, b"first")], "messages")


@case
async def messages_of_a_reencryption(t):
    """4.5: starting a re-encryption leaves a message for each participant, the author included."""
    alice, bob = await t.pair()
    olga = await alice.organization.connect(await alice.add_user("olga", "OUTSIDER"))
    zoe = await alice.organization.connect(await alice.add_user("zoe"))
    realm_id = await alice.create_realm()
    (earlier,) = await send(alice, realm_id, "bob", [b"earlier"])
    await alice.share(realm_id, "olga", "READER")
    await alice.share(realm_id, "zoe", "READER")
    await alice.share(realm_id, "zoe", None)
    stamp = now()
    bodies = {"alice": b"to alice", "bob": os.urandom(50_000), "olga": b""}
    reply = await alice.call(
        "realm_start_reencryption_maintenance", realm_id=realm_id, encryption_revision=2,
        timestamp=stamp, per_participant_message=bodies,
    )
    expect_ok(reply)
    first = message(1, "alice@dev1", earlier, b"earlier")
    sent = {name: message(1, "alice@dev1", stamp, body) for name, body in bodies.items()}
    same(await messages(alice), [sent["alice"]], "alice's messages")
    same(await messages(bob), [first, {**sent["bob"], "count": 2}], "bob's messages")
    same(await messages(olga), [sent["olga"]], "olga's messages, the empty one")
    same(await messages(zoe), [], "messages of who is no participant any more")


@case
async def messages_of_two_reencryptions(t):
    """4.3, 4.5: numbers go on over several re-encryptions."""
    alice, bob, realm_id = await t.realm_pair("READER")
    await alice.create_vlob(realm_id)
    for revision in (2, 3):
        bodies = {"alice": b"%d" % revision, "bob": b"%d" % revision}
        await alice.start_reencryption(realm_id, bodies, revision)
        await save_all(alice, realm_id, revision)
        await alice.finish_reencryption(realm_id, revision)
    for session in (alice, bob):
        same(numbers_and_bodies(await messages(session)), [(1, b"2"), (2, b"3")], "messages")


@case
async def event_number_is_the_message_number(t):
    """6.1, 4.3: with the index of message.received the message is there, as number index."""
    alice, bob = await t.pair()
    bob = await (await alice.organization.connect(bob.device, address=t.second)).subscribe()
    realm_id = await alice.create_realm()
    for number in range(1, 6):
        await send(alice, realm_id, "bob", [b"%d" % number])
        await alice.share(realm_id, "bob", None)
        while (event := await bob.next_event())["event"] != "message.received":
            pass
        same(event["index"], number, "index")
        got = await messages(bob, event["index"] - 1)
        same(numbers_and_bodies(got), [(number, b"%d" % number)], "messages")
