"""protocol/4-commands.md §4.7: block_create, block_read."""
import os
from uuid import uuid4

from cases_events import save_all
from harness import case, expect, expect_end, expect_invalid, expect_ok, same, table
from wire import pack

KIB, MIB = 1_024, 1_048_576
MISSING, NULL = "Missing data for required field.", "Field may not be null."
WRITERS, READERS = ("CONTRIBUTOR", "MANAGER", "OWNER"), ("READER",)


async def create(session, realm_id, block_id=None, block=b"block"):
    """block_create, whatever the reply."""
    return await session.call(
        "block_create", block_id=block_id or uuid4(), realm_id=realm_id, block=block
    )


async def read(session, block_id):
    return await session.call("block_read", block_id=block_id)


# --- Round trips ----------------------------------------------------------------------------------


@table({
    "0": 0, "1": 1, "255": 255, "256": 256, "64 KiB - 1": 65_535, "64 KiB": 65_536,
    "512 KiB": 512 * KIB, "512 KiB + 1": 512 * KIB + 1, "1 MiB - 1": MIB - 1, "1 MiB": MIB,
})
async def size_of_a_block(t, size):
    """4.7, 1.3: a block of any size up to 1 MiB exactly is read back as it was."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    block = os.urandom(size)
    block_id = uuid4()
    expect_ok(await create(alice, realm_id, block_id, block))
    expect_ok(await read(alice, block_id), block=block)


@table({"1 MiB + 1": MIB + 1, "2 MiB": 2 * MIB})
async def block_too_large(t, size):
    """1.3: above 1 MiB the octets are not decoded: invalid_msg_format, the connection ends."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    block_id = uuid4()
    reply = await create(alice, realm_id, block_id, bytes(size))
    same(reply, {"status": "invalid_msg_format", "reason": "Invalid message format"}, "reply")
    await expect_end(alice, code=None)
    again = await alice.organization.connect(alice.device)
    expect(await read(again, block_id), "not_found")


@case
async def every_octet_value(t):
    """4.7: blocks are octets, nothing is escaped or cut."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    for block in (bytes(range(256)), bytes(1000), b"\xff" * 1000, b"\\x00'\"%s\n\x00"):
        block_id = await alice.create_block(realm_id, block)
        expect_ok(await read(alice, block_id), block=block)


@case
async def many_blocks_pipelined(t):
    """4.7, 1.2: requests that follow each other closely are served in order."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    blocks = {uuid4(): os.urandom(20_000) for _ in range(12)}
    for block_id, block in blocks.items():
        await alice.send_request("block_create", block_id=block_id, realm_id=realm_id, block=block)
        await alice.send_request("block_read", block_id=block_id)
    for block in blocks.values():
        expect_ok(await alice.recv_reply())
        expect_ok(await alice.recv_reply(), block=block)


@case(needs=["second-server"])
async def a_block_made_here_is_read_there(t):
    """4.7: every server of a deployment reads the same blocks."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    there = await alice.organization.connect(alice.device, address=t.second)
    here_id = await alice.create_block(realm_id, b"here")
    there_id = await there.create_block(realm_id, b"there")
    expect_ok(await read(there, here_id), block=b"here")
    expect_ok(await read(alice, there_id), block=b"there")


@case
async def api_v1_devices_have_blocks(t):
    """4, 4.7: both commands are offered on API v1 connections in the same form."""
    organization = await t.organization()
    old = await organization.connect(organization.alice, version=1)
    realm_id = await old.create_realm()
    block_id = await old.create_block(realm_id, b"old")
    expect_ok(await read(old, block_id), block=b"old")


@case
async def blocks_count_in_realm_stats(t):
    """4.5, 4.7: blocks_size is the sum of the realm's blocks."""
    alice = await t.alice()
    realm_id, other_id = await alice.create_realm(), await alice.create_realm()
    for size in (0, 10, 1000):
        await alice.create_block(realm_id, bytes(size))
    await alice.create_block(other_id, b"xyz")
    expect_ok(await alice.call("realm_stats", realm_id=realm_id), blocks_size=1010, vlobs_size=0)
    expect_ok(await alice.call("realm_stats", realm_id=other_id), blocks_size=3, vlobs_size=0)


# --- Validation -----------------------------------------------------------------------------------

CREATE = {"block_id": uuid4(), "realm_id": uuid4(), "block": b""}


@table({
    "create: nothing": ("block_create", {}, dict.fromkeys(CREATE, MISSING)),
    "create: nulls": ("block_create", dict.fromkeys(CREATE), dict.fromkeys(CREATE, NULL)),
    "create: block_id text": (
        "block_create", {**CREATE, "block_id": str(uuid4())}, {"block_id": "Not an UUID"}
    ),
    "create: realm_id bytes": (
        "block_create", {**CREATE, "realm_id": bytes(16)}, {"realm_id": "Not an UUID"}
    ),
    "create: block text": ("block_create", {**CREATE, "block": "text"}, {"block": "Not bytes"}),
    "read: nothing": ("block_read", {}, {"block_id": MISSING}),
    "read: null": ("block_read", {"block_id": None}, {"block_id": NULL}),
    "read: integer": ("block_read", {"block_id": 1}, {"block_id": "Not an UUID"}),
})
async def invalid_request(t, row):
    """4.7, 1.4: types of the fields; all failing ones are reported together."""
    cmd, fields, errors = row
    alice = await t.alice()
    expect_invalid(await alice.request(pack({"cmd": cmd, **fields})), **errors)


# --- block_create ---------------------------------------------------------------------------------


@table({role: role for role in WRITERS})
async def who_may_create(t, role):
    """4.7: CONTRIBUTOR and up may create blocks."""
    _alice, bob, realm_id = await t.realm_pair(role)
    expect_ok(await create(bob, realm_id))


@table({"READER": "READER", "no role": None})
async def who_may_not_create(t, role):
    """4.7: below CONTRIBUTOR: not_allowed, and nothing is stored."""
    alice, bob, realm_id = await t.realm_pair(role)
    block_id = uuid4()
    expect(await create(bob, realm_id, block_id, b"by bob"), "not_allowed")
    expect(await read(alice, block_id), "not_found")
    expect_ok(await create(alice, realm_id, block_id, b"by alice"))
    expect_ok(await read(alice, block_id), block=b"by alice")


@case
async def an_outsider_may_create(t):
    """4.7: the role decides, not the profile."""
    _alice, olga, realm_id = await t.realm_pair("CONTRIBUTOR", "OUTSIDER")
    block_id = uuid4()
    expect_ok(await create(olga, realm_id, block_id))
    expect_ok(await read(olga, block_id), block=b"block")


@case
async def right_to_create_withdrawn(t):
    """4.7: the current role counts."""
    alice, bob, realm_id = await t.realm_pair("CONTRIBUTOR")
    expect_ok(await create(bob, realm_id))
    await alice.share(realm_id, "bob", "READER")
    expect(await create(bob, realm_id), "not_allowed")
    await alice.share(realm_id, "bob", None)
    expect(await create(bob, realm_id), "not_allowed")
    await alice.share(realm_id, "bob", "OWNER")
    expect_ok(await create(bob, realm_id))


@case
async def create_in_an_unknown_realm(t):
    """4.7: realm unknown in this organization: not_found."""
    alice = await t.alice()
    other = await t.alice()
    expect(await create(alice, uuid4()), "not_found")
    expect(await create(alice, await other.create_realm()), "not_found")


@case
async def create_during_maintenance(t):
    """4.7: in_maintenance while the realm is re-encrypted, ok again afterwards."""
    alice, bob, realm_id = await t.realm_pair("CONTRIBUTOR")
    await alice.create_vlob(realm_id)
    block_id = uuid4()
    await alice.start_reencryption(realm_id, ["alice", "bob"])
    for session in (alice, bob):
        expect(await create(session, realm_id, block_id), "in_maintenance")
    await save_all(alice, realm_id)
    await alice.finish_reencryption(realm_id)
    expect_ok(await create(bob, realm_id, block_id))


@case
async def block_id_taken(t):
    """4.7: block ID taken in the organization, by whichever realm: already_exists, unchanged."""
    alice, bob, realm_id = await t.realm_pair("CONTRIBUTOR")
    block_id = await alice.create_block(realm_id, b"first")
    elsewhere = await bob.create_realm()
    for session, realm in ((alice, realm_id), (bob, realm_id), (bob, elsewhere)):
        for block in (b"first", b"second"):
            expect(await create(session, realm, block_id, block), "already_exists")
    expect_ok(await read(alice, block_id), block=b"first")
    expect_ok(await alice.call("realm_stats", realm_id=realm_id), blocks_size=5, vlobs_size=0)


@case
async def block_id_of_another_organization(t):
    """4.7: each organization has block IDs of its own."""
    block_id = uuid4()
    sessions = [await t.alice(), await t.alice()]
    for number, session in enumerate(sessions):
        realm_id = await session.create_realm()
        expect_ok(await create(session, realm_id, block_id, b"%d" % number))
    for number, session in enumerate(sessions):
        expect_ok(await read(session, block_id), block=b"%d" % number)


@case
async def order_of_the_checks_of_create(t):
    """4.7: unknown realm, then maintenance, then role, then block ID taken."""
    alice, bob, realm_id = await t.realm_pair("READER")
    block_id = await alice.create_block(realm_id)
    expect(await create(bob, uuid4(), block_id), "not_found")
    expect(await create(bob, realm_id, block_id), "not_allowed")
    await alice.start_reencryption(realm_id, ["alice", "bob"])
    expect(await create(bob, realm_id, block_id), "in_maintenance")
    expect(await create(alice, realm_id, block_id), "in_maintenance")


@case
async def vlob_and_block_ids_are_apart(t):
    """4.6, 4.7: a vlob and a block may have one ID, and a realm as well."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    await alice.create_vlob(realm_id, vlob_id=realm_id)
    expect_ok(await create(alice, realm_id, realm_id, b"block"))
    expect_ok(await read(alice, realm_id), block=b"block")


# --- block_read -----------------------------------------------------------------------------------


@table({role: role for role in (*READERS, *WRITERS)})
async def who_may_read(t, role):
    """4.7: any role may read."""
    alice, bob, realm_id = await t.realm_pair(role)
    block_id = await alice.create_block(realm_id)
    expect_ok(await read(bob, block_id), block=b"block")


@case
async def read_without_a_role(t):
    """4.7: no role, never had or withdrawn: not_allowed."""
    alice, bob, realm_id = await t.realm_pair(None)
    block_id = await alice.create_block(realm_id)
    expect(await read(bob, block_id), "not_allowed")
    await alice.share(realm_id, "bob", "READER")
    expect_ok(await read(bob, block_id), block=b"block")
    await alice.share(realm_id, "bob", None)
    expect(await read(bob, block_id), "not_allowed")


@case
async def read_unknown_block(t):
    """4.7: a block that the organization does not have: not_found."""
    alice = await t.alice()
    other = await t.alice()
    block_id = await other.create_block(await other.create_realm())
    expect(await read(alice, uuid4()), "not_found")
    expect(await read(alice, block_id), "not_found")


@case
async def read_during_maintenance(t):
    """4.7: in_maintenance while the realm is re-encrypted; this comes before the role."""
    alice, bob, realm_id = await t.realm_pair("READER")
    carol = await alice.organization.connect(await alice.add_user("carol"))
    await alice.create_vlob(realm_id)
    block_id = await alice.create_block(realm_id)
    await alice.start_reencryption(realm_id, ["alice", "bob"])
    for session in (alice, bob, carol):
        expect(await read(session, block_id), "in_maintenance")
    await save_all(alice, realm_id)
    await alice.finish_reencryption(realm_id)
    expect_ok(await read(bob, block_id), block=b"block")
    expect(await read(carol, block_id), "not_allowed")


@case
async def maintenance_of_another_realm(t):
    """4.7: the maintenance of one realm does not touch the blocks of another."""
    alice = await t.alice()
    realm_id, other_id = await alice.create_realm(), await alice.create_realm()
    block_id = await alice.create_block(realm_id)
    await alice.start_reencryption(other_id, ["alice"])
    expect_ok(await read(alice, block_id), block=b"block")
    expect_ok(await create(alice, realm_id))


# --- Blocks as the database has them --------------------------------------------------------------


async def alice_and_realm_with_stored_blocks(t):
    """alice, a realm and the database; None where blocks are not kept in block_data."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    database = await t.database()
    block_id = await alice.create_block(realm_id)
    stored = await database.value("SELECT count(*) FROM block_data WHERE block_id = $1", block_id)
    return (alice, realm_id, database) if stored else None


@case(needs=["db"])
async def deleted_block(t):
    """4.7: a block whose deleted_on is set: not_found; its ID stays taken."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    block_id = await alice.create_block(realm_id)
    database = await t.database()
    await database.execute("UPDATE block SET deleted_on = now() WHERE block_id = $1", block_id)
    expect(await read(alice, block_id), "not_found")
    expect(await create(alice, realm_id, block_id), "already_exists")


@case(needs=["db"])
async def block_missing_in_the_store(t):
    """4.7: the block store does not have it: not_found."""
    if not (made := await alice_and_realm_with_stored_blocks(t)):
        return
    alice, realm_id, database = made
    block_id = await alice.create_block(realm_id)
    await database.execute("DELETE FROM block_data WHERE block_id = $1", block_id)
    expect(await read(alice, block_id), "not_found")


@case(needs=["db"])
async def data_without_a_block(t):
    """4.7: a failure between store and metadata leaves no visible block; the store is idempotent."""
    if not (made := await alice_and_realm_with_stored_blocks(t)):
        return
    alice, realm_id, database = made
    for block in (b"block", b"of another attempt"):
        block_id = uuid4()
        await database.execute(
            "INSERT INTO block_data (organization_id, block_id, data) VALUES ($1, $2, $3)",
            alice.organization.id, block_id, b"block",
        )
        expect(await read(alice, block_id), "not_found")
        expect_ok(await create(alice, realm_id, block_id, block))
        expect_ok(await read(alice, block_id), block=b"block")


@case(needs=["db"])
async def refused_blocks_leave_no_metadata(t):
    """4.7: only a block that was answered with ok has a row."""
    alice, bob, realm_id = await t.realm_pair("READER")
    block_id = uuid4()
    expect(await create(bob, realm_id, block_id), "not_allowed")
    expect(await create(alice, uuid4(), block_id), "not_found")
    database = await t.database()
    rows = await database.rows("SELECT 1 FROM block WHERE block_id = $1", block_id)
    same(rows, [], "rows of block")
