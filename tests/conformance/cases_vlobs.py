"""protocol/4-commands.md §4.6: vlobs, their log of changes, re-encryption batches."""
from datetime import timedelta
from uuid import UUID, uuid4

from harness import (
    ANY, better, case, check, expect, expect_invalid, expect_ok, same, table,
)
from cases_users import BALLPARK, MARGIN
from wire import now

READERS = ("OWNER", "MANAGER", "CONTRIBUTOR", "READER")
WRITERS = ("OWNER", "MANAGER", "CONTRIBUTOR")
MISSING = "Missing data for required field."
OUT_OF_DATE = "Timestamp is out of date."
EVERY_ROLE = {role or "none": role for role in (*READERS, None)}


def no_vlob(vlob_id):
    return f"Vlob `{vlob_id}` doesn't exist"


def no_realm(realm_id):
    return f"Realm `{realm_id}` doesn't exist"


def not_under_maintenance(realm_id):
    return f"Realm `{realm_id}` not under maintenance"


async def create(session, realm_id, **changes):
    fields = {
        "realm_id": realm_id, "encryption_revision": 1, "vlob_id": uuid4(), "timestamp": now(),
        "blob": b"v1", **changes,
    }
    return await session.call("vlob_create", **fields)


async def update(session, vlob_id, version, **changes):
    fields = {
        "encryption_revision": 1, "vlob_id": vlob_id, "timestamp": now(), "version": version,
        "blob": b"v%d" % version, **changes,
    }
    return await session.call("vlob_update", **fields)


async def read(session, vlob_id, revision=1, **fields):
    return await session.call(
        "vlob_read", encryption_revision=revision, vlob_id=vlob_id, **fields
    )


async def poll(session, realm_id, last_checkpoint):
    return await session.call(
        "vlob_poll_changes", realm_id=realm_id, last_checkpoint=last_checkpoint
    )


async def get_batch(session, realm_id, size=100, revision=2):
    return await session.call(
        "vlob_maintenance_get_reencryption_batch", realm_id=realm_id, encryption_revision=revision,
        size=size,
    )


async def save_batch(session, realm_id, batch, revision=2):
    return await session.call(
        "vlob_maintenance_save_reencryption_batch", realm_id=realm_id,
        encryption_revision=revision, batch=batch,
    )


def entry(vlob_id, version, blob=b"new"):
    return {"vlob_id": vlob_id, "version": version, "blob": blob}


# --- vlob_create ---------------------------------------------------------------------------------


@table({"text": b"hello", "empty": b"", "all octets": bytes(range(256)), "64 KiB": bytes(65_536)})
async def vlob_create(t, blob):
    """4.6 vlob_create: version 1, with the blob, author and timestamp given."""
    alice = await t.alice()
    realm_id, vlob_id, at = await alice.create_realm(), uuid4(), now()
    expect_ok(await create(alice, realm_id, vlob_id=vlob_id, blob=blob, timestamp=at))
    expect_ok(
        await read(alice, vlob_id), version=1, blob=blob, author="alice@dev1", timestamp=at
    )


@table({"past": -BALLPARK - MARGIN, "future": BALLPARK + MARGIN})
async def vlob_create_out_of_the_ballpark(t, offset):
    """4.6 vlob_create: bad_timestamp comes first, before the realm is looked at."""
    alice = await t.alice()
    for realm_id in (await alice.create_realm(), uuid4()):
        reply = await create(alice, realm_id, timestamp=now() + offset)
        expect(reply, "bad_timestamp", OUT_OF_DATE)


@table({"past": -BALLPARK + MARGIN, "future": BALLPARK - MARGIN})
async def vlob_create_in_the_ballpark(t, offset):
    """3.4, 4.6 vlob_create: within 30 minutes is fine."""
    alice = await t.alice()
    expect_ok(await create(alice, await alice.create_realm(), timestamp=now() + offset))


@better("drops the connection")
@case
async def vlob_create_unknown_realm(t):
    """4.6 (b): realm unknown."""
    alice = await t.alice()
    realm_id = uuid4()
    expect(await create(alice, realm_id), "not_found", no_realm(realm_id))
    elsewhere = await (await t.alice()).create_realm()
    expect(await create(alice, elsewhere), "not_found", no_realm(elsewhere))


@case
async def vlob_create_order_of_checks(t):
    """4.6 (c)–(e): maintenance, then revision, then rights, then already_exists."""
    alice, bob, realm_id = await t.realm_pair("READER")
    taken = await alice.create_vlob(realm_id)
    expect(
        await create(bob, realm_id, encryption_revision=2, vlob_id=taken), "bad_encryption_revision"
    )
    expect(await create(bob, realm_id, vlob_id=taken), "not_allowed")
    expect(await create(alice, realm_id, vlob_id=taken), "already_exists")
    await alice.start_reencryption(realm_id, ["alice", "bob"])
    for session in (alice, bob):
        for revision in (1, 2, 3):
            reply = await create(session, realm_id, encryption_revision=revision, vlob_id=taken)
            expect(reply, "in_maintenance")


@table({str(revision): revision for revision in (0, 2, -1, 1000)})
async def vlob_create_bad_revision(t, revision):
    """4.6 (d): encryption_revision ≠ current."""
    alice = await t.alice()
    reply = await create(alice, await alice.create_realm(), encryption_revision=revision)
    expect(reply, "bad_encryption_revision")


@table(EVERY_ROLE)
async def vlob_writing_rights(t, role):
    """4.6 (e): CONTRIBUTOR and up write."""
    alice, bob, realm_id = await t.realm_pair(role)
    vlob_id = await alice.create_vlob(realm_id)
    want = "ok" if role in WRITERS else "not_allowed"
    expect(await create(bob, realm_id), want)
    expect(await update(bob, vlob_id, 2), want)
    reply = await read(alice, vlob_id)
    same(
        (reply["version"], reply["author"]),
        (2, "bob@dev1") if want == "ok" else (1, "alice@dev1"), "version and author",
    )


@table(EVERY_ROLE)
async def vlob_reading_rights(t, role):
    """4.6 (e): any role reads."""
    alice, bob, realm_id = await t.realm_pair(role)
    vlob_id = await alice.create_vlob(realm_id)
    want = "ok" if role else "not_allowed"
    expect(await read(bob, vlob_id), want)
    expect(await read(bob, vlob_id, version=1), want)
    expect(await poll(bob, realm_id, 0), want)
    expect(await bob.call("vlob_list_versions", vlob_id=vlob_id), want)


@case
async def rights_that_were_withdrawn(t):
    """4.6 (e): a role that was taken away gives no right, at once."""
    alice, bob, realm_id = await t.realm_pair("CONTRIBUTOR")
    vlob_id = await bob.create_vlob(realm_id)
    await alice.share(realm_id, "bob", "READER")
    expect(await update(bob, vlob_id, 2), "not_allowed")
    same((await read(bob, vlob_id))["status"], "ok", "reading as READER")
    await alice.share(realm_id, "bob", None)
    expect(await read(bob, vlob_id), "not_allowed")
    await alice.share(realm_id, "bob", "CONTRIBUTOR")
    expect_ok(await update(bob, vlob_id, 2))


@case
async def vlob_create_taken(t):
    """4.6 vlob_create: vlob ID taken in the realm."""
    alice, bob, realm_id = await t.realm_pair("OWNER")
    vlob_id = await alice.create_vlob(realm_id, b"mine")
    for session in (alice, bob):
        expect(await create(session, realm_id, vlob_id=vlob_id), "already_exists")
    same((await read(alice, vlob_id))["blob"], b"mine", "blob")
    expect_ok(await poll(alice, realm_id, 0), changes={vlob_id: 1}, current_checkpoint=1)


@better("accepts a vlob ID that another realm holds")
@case
async def vlob_create_taken_by_another_realm(t):
    """4.6: a vlob ID is unique in the organization, across its realms."""
    alice = await t.alice()
    vlob_id = await alice.create_vlob(await alice.create_realm(), b"first")
    other = await alice.create_realm()
    expect(await create(alice, other, vlob_id=vlob_id), "already_exists")
    expect_ok(await poll(alice, other, 0), changes={}, current_checkpoint=0)


@case
async def vlob_ids_are_per_organization(t):
    """4.6: another organization may use the same vlob ID."""
    alice, other = await t.alice(), await t.alice()
    vlob_id = await alice.create_vlob(await alice.create_realm(), b"here")
    await other.create_vlob(await other.create_realm(), b"there", vlob_id)
    same((await read(alice, vlob_id))["blob"], b"here", "blob")
    same((await read(other, vlob_id))["blob"], b"there", "blob")


@table({
    "nil": UUID(int=0), "max": UUID(int=(1 << 128) - 1), "version 1": UUID("c232ab00-9414-11ec-b3c8-9f6bdeced846"),
})
async def any_uuid_is_an_id(t, vlob_id):
    """1.3: an UUID is 16 octets, of any version."""
    alice = await t.alice()
    realm_id = await alice.create_realm(vlob_id)
    await alice.create_vlob(realm_id, b"x", vlob_id)
    expect_ok(await poll(alice, realm_id, 0), changes={vlob_id: 1}, current_checkpoint=1)


# --- vlob_read -----------------------------------------------------------------------------------


async def three_versions(t):
    """alice, a vlob of three versions, and their timestamps, one second apart."""
    alice = await t.alice()
    base = now() - timedelta(minutes=5)
    times = [base + timedelta(seconds=number) for number in range(3)]
    vlob_id = await alice.create_vlob(await alice.create_realm(), b"v1", timestamp=times[0])
    for version in (2, 3):
        await alice.update_vlob(vlob_id, version, b"v%d" % version, timestamp=times[version - 1])
    return alice, vlob_id, times


MICROSECOND = timedelta(microseconds=1)


@table({
    "newest": (lambda times: {}, 3),
    "nulls": (lambda times: {"version": None, "timestamp": None}, 3),
    "version 1": (lambda times: {"version": 1}, 1),
    "version 2": (lambda times: {"version": 2}, 2),
    "version 3": (lambda times: {"version": 3}, 3),
    "version 4": (lambda times: {"version": 4}, None),
    "huge version": (lambda times: {"version": 2_000_000_000}, None),
    "at the second": (lambda times: {"timestamp": times[1]}, 2),
    "just before the second": (lambda times: {"timestamp": times[1] - MICROSECOND}, 1),
    "just after the second": (lambda times: {"timestamp": times[1] + MICROSECOND}, 2),
    "at the first": (lambda times: {"timestamp": times[0]}, 1),
    "just before the first": (lambda times: {"timestamp": times[0] - MICROSECOND}, None),
    "long ago": (lambda times: {"timestamp": times[0] - timedelta(days=9999)}, None),
    "in the future": (lambda times: {"timestamp": now() + timedelta(days=9999)}, 3),
    "version wins over timestamp": (lambda times: {"version": 3, "timestamp": times[0]}, 3),
    "version wins, unknown": (lambda times: {"version": 4, "timestamp": times[0]}, None),
})
async def vlob_read(t, row):
    """4.6 vlob_read: a version, the newest at a time, or the newest."""
    fields, version = row
    alice, vlob_id, times = await three_versions(t)
    reply = await read(alice, vlob_id, **fields(times))
    if version is None:
        expect(reply, "bad_version")
    else:
        expect_ok(
            reply, version=version, blob=b"v%d" % version, author="alice@dev1",
            timestamp=times[version - 1],
        )


@better("drops the connection")
@table({"2^31": 1 << 31, "2^63": 1 << 63, "2^64 - 1": (1 << 64) - 1})
async def version_beyond_any_integer(t, version):
    """4.6, 1.4: a version that cannot be: bad_version or bad_message, never a dropped connection."""
    alice, vlob_id, _ = await three_versions(t)
    for reply in (
        await read(alice, vlob_id, version=version), await update(alice, vlob_id, version, blob=b"")
    ):
        check(reply["status"] in ("bad_version", "bad_message"), f"got {reply}")


@case
async def vlob_read_unknown(t):
    """4.6 (a): vlob unknown, also one of another organization."""
    alice = await t.alice()
    vlob_id = uuid4()
    expect(await read(alice, vlob_id), "not_found", no_vlob(vlob_id))
    other = await t.alice()
    elsewhere = await other.create_vlob(await other.create_realm())
    expect(await read(alice, elsewhere), "not_found", no_vlob(elsewhere))


@table({"0": 0, "-1": -1, "word": "x"})
async def vlob_read_invalid_version(t, version):
    """4.6 vlob_read: version ≥ 1."""
    alice = await t.alice()
    expect_invalid(await read(alice, uuid4(), version=version), version=ANY)


@case
async def vlob_read_order_of_checks(t):
    """4.6 (a), (c)–(e): unknown, maintenance, revision, rights, then version."""
    alice, bob, realm_id = await t.realm_pair(None)
    vlob_id, unknown = await alice.create_vlob(realm_id), uuid4()
    expect(await read(bob, unknown, 9), "not_found", no_vlob(unknown))
    expect(await read(bob, vlob_id, 9, version=9), "bad_encryption_revision")
    expect(await read(bob, vlob_id, version=9), "not_allowed")
    expect(await read(alice, vlob_id, version=9), "bad_version")
    await alice.start_reencryption(realm_id, ["alice"])
    for session in (alice, bob):
        for revision in (1, 2, 9):
            expect(await read(session, vlob_id, revision, version=9), "in_maintenance")


# --- vlob_update ---------------------------------------------------------------------------------


@case
async def vlob_update(t):
    """4.6 vlob_update: versions 1, 2, 3…, each with its author, timestamp and blob."""
    alice, bob, realm_id = await t.realm_pair("CONTRIBUTOR")
    vlob_id = await alice.create_vlob(realm_id, b"1")
    at = now()
    expect_ok(await update(bob, vlob_id, 2, blob=b"two", timestamp=at))
    expect_ok(
        await read(alice, vlob_id), version=2, blob=b"two", author="bob@dev1", timestamp=at
    )
    expect_ok(await update(alice, vlob_id, 3, blob=b""))
    expect_ok(
        await read(bob, vlob_id), version=3, blob=b"", author="alice@dev1", timestamp=ANY
    )


@table({"past": -BALLPARK - MARGIN, "future": BALLPARK + MARGIN})
async def vlob_update_out_of_the_ballpark(t, offset):
    """4.6 vlob_update: bad_timestamp comes first, before the vlob is looked at."""
    alice = await t.alice()
    for vlob_id in (await alice.create_vlob(await alice.create_realm()), uuid4()):
        reply = await update(alice, vlob_id, 2, timestamp=now() + offset)
        expect(reply, "bad_timestamp", OUT_OF_DATE)


@table({str(version): version for version in (1, 2, 3, 5, 100)})
async def vlob_update_bad_version(t, version):
    """4.6 vlob_update: version ≠ last + 1."""
    alice, vlob_id, _ = await three_versions(t)
    expect(await update(alice, vlob_id, version), "bad_version")
    same((await read(alice, vlob_id))["version"], 3, "version")


@table({"0": 0, "-5": -5})
async def vlob_update_invalid_version(t, version):
    """4.6 vlob_update: version ≥ 1."""
    alice = await t.alice()
    expect_invalid(await update(alice, uuid4(), version, blob=b""), version=ANY)


@case
async def vlob_update_timestamps(t):
    """4.6 vlob_update: earlier than the last version: bad_timestamp; the same instant is fine."""
    alice, vlob_id, times = await three_versions(t)
    expect(await update(alice, vlob_id, 4, timestamp=times[2] - MICROSECOND), "bad_timestamp")
    expect(await update(alice, vlob_id, 9, timestamp=times[2] - MICROSECOND), "bad_version")
    expect_ok(await update(alice, vlob_id, 4, timestamp=times[2]))
    expect_ok(await update(alice, vlob_id, 5, timestamp=times[2] + MICROSECOND))


@case
async def vlob_update_unknown(t):
    """4.6 (a): vlob unknown."""
    alice = await t.alice()
    vlob_id = uuid4()
    expect(await update(alice, vlob_id, 1), "not_found", no_vlob(vlob_id))


@case
async def vlob_update_order_of_checks(t):
    """4.6 (a), (c)–(e): unknown, maintenance, revision, rights, then version."""
    alice, bob, realm_id = await t.realm_pair("READER")
    vlob_id, unknown = await alice.create_vlob(realm_id), uuid4()
    expect(await update(bob, unknown, 9, encryption_revision=9), "not_found", no_vlob(unknown))
    expect(await update(bob, vlob_id, 9, encryption_revision=9), "bad_encryption_revision")
    expect(await update(bob, vlob_id, 9), "not_allowed")
    await alice.start_reencryption(realm_id, ["alice", "bob"])
    for session in (alice, bob):
        for revision in (1, 2, 9):
            reply = await update(session, vlob_id, 9, encryption_revision=revision)
            expect(reply, "in_maintenance")


# --- vlob_poll_changes, vlob_list_versions -------------------------------------------------------


@case
async def vlob_poll_changes(t):
    """4.6 vlob_poll_changes: checkpoints 1, 2, 3… without gaps; newest version of what changed."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    expect_ok(await poll(alice, realm_id, 0), changes={}, current_checkpoint=0)
    first = await alice.create_vlob(realm_id)
    second = await alice.create_vlob(realm_id)
    await alice.update_vlob(first, 2)
    await alice.update_vlob(first, 3)
    log = [{first: 3, second: 1}, {first: 3, second: 1}, {first: 3}, {first: 3}, {}]
    for checkpoint, changes in enumerate(log):
        expect_ok(await poll(alice, realm_id, checkpoint), changes=changes, current_checkpoint=4)


@case
async def vlob_poll_changes_beyond_the_last(t):
    """4.6 vlob_poll_changes: with no change since, current_checkpoint is the one given."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    await alice.create_vlob(realm_id)
    expect_ok(await poll(alice, realm_id, 7), changes={}, current_checkpoint=7)


@case
async def vlob_poll_changes_negative(t):
    """4.6 vlob_poll_changes: everything after a negative checkpoint is everything."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    vlob_id = await alice.create_vlob(realm_id)
    expect_ok(await poll(alice, realm_id, -1), changes={vlob_id: 1}, current_checkpoint=1)


@case
async def vlob_poll_changes_of_one_realm(t):
    """4.6 vlob_poll_changes: each realm has its own checkpoints."""
    alice = await t.alice()
    for count in (1, 3):
        realm_id = await alice.create_realm()
        vlobs = {await alice.create_vlob(realm_id): 1 for _ in range(count)}
        expect_ok(await poll(alice, realm_id, 0), changes=vlobs, current_checkpoint=count)


@case
async def vlob_poll_changes_refused(t):
    """4.6 vlob_poll_changes (b), (c), (e)."""
    alice, bob, realm_id = await t.realm_pair(None)
    unknown = uuid4()
    expect(await poll(alice, unknown, 0), "not_found", no_realm(unknown))
    expect(await poll(bob, realm_id, 0), "not_allowed")
    await alice.start_reencryption(realm_id, ["alice"])
    for session in (alice, bob):
        expect(await poll(session, realm_id, 0), "in_maintenance")


@case
async def vlob_list_versions(t):
    """4.6 vlob_list_versions: version → [timestamp, author]."""
    alice, bob, realm_id = await t.realm_pair("CONTRIBUTOR")
    base = now() - timedelta(minutes=1)
    vlob_id = await alice.create_vlob(realm_id, timestamp=base)
    expect_ok(
        await bob.call("vlob_list_versions", vlob_id=vlob_id), versions={1: [base, "alice@dev1"]}
    )
    later = base + timedelta(microseconds=1)
    await bob.update_vlob(vlob_id, 2, timestamp=later)
    expect_ok(
        await alice.call("vlob_list_versions", vlob_id=vlob_id),
        versions={1: [base, "alice@dev1"], 2: [later, "bob@dev1"]},
    )


@case
async def vlob_list_versions_refused(t):
    """4.6 vlob_list_versions (a), (c), (e)."""
    alice, bob, realm_id = await t.realm_pair(None)
    vlob_id, unknown = await alice.create_vlob(realm_id), uuid4()
    expect(
        await alice.call("vlob_list_versions", vlob_id=unknown), "not_found", no_vlob(unknown)
    )
    expect(await bob.call("vlob_list_versions", vlob_id=vlob_id), "not_allowed")
    await alice.start_reencryption(realm_id, ["alice"])
    for session in (alice, bob):
        expect(await session.call("vlob_list_versions", vlob_id=vlob_id), "in_maintenance")


# --- re-encryption -------------------------------------------------------------------------------


@case
async def reencryption_full_cycle(t):
    """4.5, 4.6: start, batches, finish; then everything is there under the new revision."""
    alice, bob, realm_id = await t.realm_pair("CONTRIBUTOR")
    base = now() - timedelta(minutes=5)
    versions = {}
    vlobs = [uuid4() for _ in range(3)]
    for number, vlob_id in enumerate(vlobs):
        await alice.create_vlob(realm_id, b"old", vlob_id, timestamp=base)
        for version in range(2, number + 2):
            at = base + timedelta(seconds=version)
            await bob.update_vlob(vlob_id, version, b"old", timestamp=at)
        versions[vlob_id] = number + 1
    await alice.start_reencryption(realm_id, ["alice", "bob"])
    done = 0
    while True:
        reply = await get_batch(alice, realm_id, size=2)
        expect_ok(reply, batch=ANY)
        if not reply["batch"]:
            break
        check(len(reply["batch"]) <= 2, "a batch larger than asked for")
        for item in reply["batch"]:
            same((set(item), item["blob"]), ({"vlob_id", "version", "blob"}, b"old"), "batch item")
        done += len(reply["batch"])
        saved = [{**item, "blob": b"new %d" % item["version"]} for item in reply["batch"]]
        expect_ok(await save_batch(alice, realm_id, saved), total=6, done=done)
    same(done, 6, "number of versions")
    await alice.finish_reencryption(realm_id)
    expect(await read(alice, vlobs[2], 1), "bad_encryption_revision")
    for vlob_id, last in versions.items():
        for version in range(1, last + 1):
            expect_ok(
                await read(bob, vlob_id, 2, version=version),
                version=version, blob=b"new %d" % version,
                author="alice@dev1" if version == 1 else "bob@dev1",
                timestamp=base + timedelta(seconds=version if version > 1 else 0),
            )
        expect(await read(bob, vlob_id, 2, version=last + 1), "bad_version")
    expect_ok(await poll(bob, realm_id, 0), changes=versions, current_checkpoint=6)
    expect_ok(await update(bob, vlobs[0], 2, encryption_revision=2))
    expect_ok(await poll(bob, realm_id, 6), changes={vlobs[0]: 2}, current_checkpoint=7)


@case
async def two_reencryptions(t):
    """4.6: a second cycle re-encrypts all versions, those written since the first included."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    vlob_id = await alice.create_vlob(realm_id, b"r1")
    for revision in (2, 3):
        await alice.start_reencryption(realm_id, ["alice"], revision)
        reply = await get_batch(alice, realm_id, revision=revision)
        same(len(reply["batch"]), revision - 1, "versions to re-encrypt")
        saved = [{**item, "blob": b"r%d" % revision} for item in reply["batch"]]
        expect_ok(
            await save_batch(alice, realm_id, saved, revision), total=revision - 1, done=revision - 1
        )
        await alice.finish_reencryption(realm_id, revision)
        await alice.update_vlob(vlob_id, revision, b"r%d" % revision, revision=revision)
    expect_ok(
        await read(alice, vlob_id, 3, version=2), version=2, blob=b"r3", author=ANY, timestamp=ANY
    )


async def in_maintenance(t, versions=3):
    """alice, her realm in maintenance, and its vlob of that many versions."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    vlob_id = await alice.create_vlob(realm_id, b"old")
    for version in range(2, versions + 1):
        await alice.update_vlob(vlob_id, version, b"old")
    await alice.start_reencryption(realm_id, ["alice"])
    return alice, realm_id, vlob_id


@table({"0": (0, 0), "1": (1, 1), "2": (2, 2), "3": (3, 3), "1000": (1000, 3)})
async def batch_size(t, row):
    """4.6 get_reencryption_batch: up to size versions."""
    size, count = row
    alice, realm_id, _ = await in_maintenance(t)
    reply = await get_batch(alice, realm_id, size)
    expect_ok(reply, batch=ANY)
    same(len(reply["batch"]), count, "size of the batch")


@table({"-1": -1, "1001": 1001, "null": None, "word": "x"})
async def batch_size_out_of_range(t, size):
    """4.6 get_reencryption_batch: size 0..1000."""
    alice = await t.alice()
    expect_invalid(await get_batch(alice, uuid4(), size), size=ANY)


@case
async def batch_without_what_is_done(t):
    """4.6 get_reencryption_batch: only versions that have no counterpart yet."""
    alice, realm_id, vlob_id = await in_maintenance(t)
    expect_ok(await save_batch(alice, realm_id, [entry(vlob_id, 2)]), total=3, done=1)
    reply = await get_batch(alice, realm_id)
    same(sorted(item["version"] for item in reply["batch"]), [1, 3], "versions")


@case
async def saving_twice(t):
    """4.6 save_reencryption_batch: already saved ones are skipped."""
    alice, realm_id, vlob_id = await in_maintenance(t, 1)
    expect_ok(await save_batch(alice, realm_id, [entry(vlob_id, 1, b"first")]), total=1, done=1)
    expect_ok(await save_batch(alice, realm_id, [entry(vlob_id, 1, b"second")]), total=1, done=1)
    await alice.finish_reencryption(realm_id)
    same((await read(alice, vlob_id, 2))["blob"], b"first", "blob")


@case
async def the_same_version_twice_in_one_batch(t):
    """4.6 save_reencryption_batch: a version named twice is saved once, the first of them."""
    alice, realm_id, vlob_id = await in_maintenance(t, 1)
    batch = [entry(vlob_id, 1, b"first"), entry(vlob_id, 1, b"second")]
    expect_ok(await save_batch(alice, realm_id, batch), total=1, done=1)
    await alice.finish_reencryption(realm_id)
    same((await read(alice, vlob_id, 2))["blob"], b"first", "blob")


@table({
    "empty": lambda vlob_id: [],
    "unknown version": lambda vlob_id: [entry(vlob_id, 4)],
    "version 0": lambda vlob_id: [entry(vlob_id, 0)],
    "unknown vlob": lambda vlob_id: [entry(uuid4(), 1)],
})
async def saving_nothing_known(t, batch):
    """4.6 save_reencryption_batch: an entry that names an unknown version is ignored."""
    alice, realm_id, vlob_id = await in_maintenance(t)
    expect_ok(await save_batch(alice, realm_id, batch(vlob_id)), total=3, done=0)


@better("re-encrypts it into this realm")
@case
async def saving_a_vlob_of_another_realm(t):
    """4.6 save_reencryption_batch: a vlob of another realm is unknown here."""
    alice, realm_id, vlob_id = await in_maintenance(t)
    elsewhere = await alice.create_vlob(await alice.create_realm(), b"mine")
    batch = [entry(elsewhere, 1, b"stolen"), entry(vlob_id, 1)]
    expect_ok(await save_batch(alice, realm_id, batch), total=3, done=1)
    same((await read(alice, elsewhere))["blob"], b"mine", "blob")


@case
async def a_thousand_entries(t):
    """4.6, 1.3: a batch of 1000 entries is served and saved in one message."""
    alice = await t.alice()
    realm_id, vlob_id = await alice.create_realm(), uuid4()
    await alice.create_vlob(realm_id, b"x" * 100, vlob_id)
    batch = [entry(vlob_id, 1 + number, b"y" * 3000) for number in range(1000)]
    await alice.start_reencryption(realm_id, ["alice"])
    expect_ok(await save_batch(alice, realm_id, batch), total=1, done=1)


MAINTENANCE_COMMANDS = {
    "get": lambda session, realm_id, revision: get_batch(session, realm_id, revision=revision),
    "save": lambda session, realm_id, revision: save_batch(session, realm_id, [], revision),
}


@table(MAINTENANCE_COMMANDS)
async def maintenance_order_of_checks(t, call):
    """4.6 maintenance (b)–(e): unknown, not in maintenance, revision, OWNER."""
    alice, bob, realm_id = await t.realm_pair("MANAGER")
    unknown = uuid4()
    expect(await call(bob, unknown, 9), "not_found", no_realm(unknown))
    for session in (alice, bob):
        for revision in (1, 2, 9):
            reply = await call(session, realm_id, revision)
            expect(reply, "not_in_maintenance", not_under_maintenance(realm_id))
    await alice.start_reencryption(realm_id, ["alice", "bob"])
    for session in (alice, bob):
        for revision in (0, 1, 3):
            expect(await call(session, realm_id, revision), "bad_encryption_revision")
    expect(await call(bob, realm_id, 2), "not_allowed")
    expect(await call(alice, realm_id, 2), "ok")


@table({
    f"{name} by {role or 'a stranger'}": (call, role)
    for name, call in MAINTENANCE_COMMANDS.items() for role in (*READERS, None)
})
async def maintenance_rights(t, row):
    """4.6 (e): maintenance is for the OWNER."""
    call, role = row
    alice, bob, realm_id = await t.realm_pair(role)
    await alice.start_reencryption(realm_id, ["alice", "bob"] if role else ["alice"])
    expect(await call(bob, realm_id, 2), "ok" if role == "OWNER" else "not_allowed")


@case
async def saving_writes_no_log(t):
    """4.6 save_reencryption_batch: it writes no update log."""
    alice, realm_id, vlob_id = await in_maintenance(t, 2)
    await save_batch(alice, realm_id, [entry(vlob_id, 1), entry(vlob_id, 2)])
    await alice.finish_reencryption(realm_id)
    expect_ok(await poll(alice, realm_id, 0), changes={vlob_id: 2}, current_checkpoint=2)
    expect_ok(await poll(alice, realm_id, 2), changes={}, current_checkpoint=2)


@table({
    "vlob_create": ("vlob_create", ("realm_id", "encryption_revision", "vlob_id", "timestamp", "blob")),
    "vlob_read": ("vlob_read", ("encryption_revision", "vlob_id")),
    "vlob_poll_changes": ("vlob_poll_changes", ("realm_id", "last_checkpoint")),
    "vlob_list_versions": ("vlob_list_versions", ("vlob_id",)),
    "get batch": (
        "vlob_maintenance_get_reencryption_batch", ("realm_id", "encryption_revision", "size")
    ),
    "save batch": (
        "vlob_maintenance_save_reencryption_batch", ("realm_id", "encryption_revision", "batch")
    ),
})
async def missing_fields(t, row):
    """4.6: the required fields of the vlob commands."""
    cmd, names = row
    alice = await t.alice()
    expect_invalid(await alice.call(cmd), **{name: MISSING for name in names})


@case
async def missing_fields_of_a_batch_entry(t):
    """4.6, 1.4: errors of a list are keyed by index, then by field."""
    alice = await t.alice()
    reply = await save_batch(alice, uuid4(), [{}, entry(uuid4(), 1), "x"])
    expect(reply, "bad_message")
    same(
        reply["errors"].get("batch", {}).get(0),
        {"vlob_id": [MISSING], "version": [MISSING], "blob": [MISSING]}, "errors of entry 0",
    )
    check(1 not in reply["errors"]["batch"] and 2 in reply["errors"]["batch"], f"{reply}")
