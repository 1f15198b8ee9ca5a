"""Many at once: protocol/4-commands.md on concurrency, on one server and on two with one database."""
import asyncio
from collections import Counter
from datetime import timedelta
from uuid import uuid4

from cases_events import save_all
from harness import better, case, check, expect, expect_end, expect_ok, same, table
from parsec_client import (
    authenticated_answer, device_certificates, insist, user_certificates,
)
from wire import now


def on_one_and_on_two_servers(**options):
    """Registers a case twice: for the server alone, and in turn for both where there are two.

    The case gets (t, places): places[n % 2] is the address for the nth connection.
    """

    def register(body):
        async def run(t, two_servers):
            return await body(t, [t.address, t.second if two_servers else t.address])

        run.__name__, run.__doc__, run.__module__ = body.__name__, body.__doc__, body.__module__
        run.better = getattr(body, "better", None)
        table({"one server": False}, **options)(run)
        needs = ["second-server", *options.get("needs", ())]
        table({"two servers": True}, **{**options, "needs": needs})(run)
        return run

    return register


async def several(session, places, count):
    """So many connections of that session's device, on both servers in turn."""
    organization = session.organization
    return await asyncio.gather(
        *(organization.connect(session.device, address=places[n % 2]) for n in range(count))
    )


async def at_once(connections, cmd, fields):
    """The same command on all connections at once; fields: a map, or a function of the number."""
    make = fields if callable(fields) else lambda _: fields
    return await asyncio.gather(
        *(connection.call(cmd, **make(n)) for n, connection in enumerate(connections))
    )


def exactly_one_ok(replies, otherwise):
    """One reply is ok, every other has that status; the number of the ok one."""
    statuses = [reply["status"] for reply in replies]
    same(
        dict(Counter(statuses)), dict(Counter(["ok"] + [otherwise] * (len(replies) - 1))),
        "statuses",
    )
    return statuses.index("ok")


async def until(condition, tasks):
    """Waits for the condition; a task that fails meanwhile ends the wait with its error."""
    while not condition():
        for task in tasks:
            if task.done() and task.exception():
                await task
        await asyncio.sleep(0.01)


async def poll(session, realm_id, since=0):
    reply = await session.call("vlob_poll_changes", realm_id=realm_id, last_checkpoint=since)
    return insist(reply, "vlob_poll_changes")


# --- Vlobs ----------------------------------------------------------------------------------------


@on_one_and_on_two_servers()
async def updates_to_one_version(t, places):
    """4.6: of several concurrent updates to the same version exactly one gets ok."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    vlob_id = await alice.create_vlob(realm_id)
    connections = await several(alice, places, 20)
    for version in (2, 3):
        replies = await at_once(connections, "vlob_update", lambda n: {
            "encryption_revision": 1, "vlob_id": vlob_id, "timestamp": now(),
            "version": version, "blob": b"by %d" % n,
        })
        winner = exactly_one_ok(replies, "bad_version")
        reply = insist(
            await alice.call("vlob_read", encryption_revision=1, vlob_id=vlob_id), "vlob_read"
        )
        same((reply["version"], reply["blob"]), (version, b"by %d" % winner), "version and blob")
        same((await poll(alice, realm_id))["current_checkpoint"], version, "checkpoint")


@on_one_and_on_two_servers()
async def creations_of_one_vlob(t, places):
    """4.6: of several concurrent creations of one vlob ID exactly one gets ok."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    connections = await several(alice, places, 12)
    for _ in range(2):
        vlob_id, before = uuid4(), (await poll(alice, realm_id))["current_checkpoint"]
        replies = await at_once(connections, "vlob_create", lambda n: {
            "realm_id": realm_id, "encryption_revision": 1, "vlob_id": vlob_id,
            "timestamp": now(), "blob": b"by %d" % n,
        })
        winner = exactly_one_ok(replies, "already_exists")
        reply = await alice.call("vlob_read", encryption_revision=1, vlob_id=vlob_id)
        same(reply.get("blob"), b"by %d" % winner, "blob")
        after = (await poll(alice, realm_id))["current_checkpoint"]
        same(after, before + 1, "checkpoint")


@better("lets both realms have it at times")
@on_one_and_on_two_servers(limit_s=40)
async def realms_racing_for_one_vlob(t, places):
    """4: a vlob ID belongs to one realm for ever, also when realms race for it."""
    alice = await t.alice()
    realms = [await alice.create_realm() for _ in range(4)]
    connections = await several(alice, places, len(realms))
    for _ in range(12):
        vlob_id = uuid4()
        replies = await at_once(connections, "vlob_create", lambda n: {
            "realm_id": realms[n], "encryption_revision": 1, "vlob_id": vlob_id,
            "timestamp": now(), "blob": b"in %d" % n,
        })
        winner = exactly_one_ok(replies, "already_exists")
        reply = await alice.call("vlob_read", encryption_revision=1, vlob_id=vlob_id)
        same(reply.get("blob"), b"in %d" % winner, "blob")
        for number, realm_id in enumerate(realms):
            changes = (await poll(alice, realm_id))["changes"]
            same(vlob_id in changes, number == winner, f"vlob is in realm {number}")


@on_one_and_on_two_servers(limit_s=90)
async def gapless_checkpoints(t, places):
    """4.6: checkpoints are 1, 2, 3, … in commit order without gaps, whoever writes where."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    writers = await several(alice, places, 5)
    each = 6

    async def write(session):
        vlob_id = await session.create_vlob(realm_id)
        for version in range(2, each + 1):
            await session.update_vlob(vlob_id, version)
        return vlob_id

    vlobs = await asyncio.gather(*(write(writer) for writer in writers))
    expect_ok(
        await alice.call("vlob_poll_changes", realm_id=realm_id, last_checkpoint=0),
        changes={vlob_id: each for vlob_id in vlobs}, current_checkpoint=each * len(writers),
    )
    reached = {}
    for checkpoint in range(each * len(writers), 0, -1):
        changes = (await poll(alice, realm_id, checkpoint - 1))["changes"]
        for vlob_id in changes:
            reached.setdefault(vlob_id, checkpoint)
        new = [vlob_id for vlob_id, first in reached.items() if first == checkpoint]
        check(len(new) <= 1, f"{len(new)} vlobs appear at checkpoint {checkpoint}")
    same(set(reached), set(vlobs), "vlobs seen")


@on_one_and_on_two_servers(limit_s=90)
async def polling_never_skips(t, places):
    """4.6: who has seen checkpoint n is never later shown a change numbered ≤ n for the first time."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    writers = await several(alice, places, 4)
    pollers = await several(alice, places, 2)
    each, left = 8, len(writers)

    async def write(session):
        nonlocal left
        made = [await session.create_vlob(realm_id) for _ in range(each)]
        left -= 1
        return made

    async def follow(session):
        seen, checkpoint, last_round = set(), 0, False
        while True:
            reply = await poll(session, realm_id, checkpoint)
            # every change is the creation of a vlob: so many new ones as the checkpoint advanced
            new = set(reply["changes"])
            advanced = reply["current_checkpoint"] - checkpoint
            same(len(new), advanced, f"changes after checkpoint {checkpoint}")
            check(not new & seen, "a change shown twice")
            seen |= new
            checkpoint = reply["current_checkpoint"]
            if last_round:
                return seen
            last_round = left == 0

    *made, first, second = await asyncio.gather(
        *(write(writer) for writer in writers), *(follow(poller) for poller in pollers)
    )
    everything = {vlob_id for vlobs in made for vlob_id in vlobs}
    same(first == everything and second == everything, True, "every change was shown")


@on_one_and_on_two_servers()
async def writers_in_different_realms(t, places):
    """4: realms do not disturb each other: each has checkpoints of its own."""
    alice = await t.alice()
    realms = [await alice.create_realm() for _ in range(6)]
    writers = await several(alice, places, len(realms))

    async def write(session, realm_id):
        for _ in range(8):
            await session.create_vlob(realm_id)

    await asyncio.gather(*(write(*pair) for pair in zip(writers, realms)))
    for realm_id in realms:
        reply = await poll(alice, realm_id)
        same((len(reply["changes"]), reply["current_checkpoint"]), (8, 8), "vlobs and checkpoint")


# --- Messages -------------------------------------------------------------------------------------


async def six_senders(alice, places):
    """Five messages to bob from each of six realms at once."""

    async def send(number, session):
        realm_id = await session.create_realm()
        for turn in range(5):
            role = ("READER", "CONTRIBUTOR")[turn % 2]
            await session.share(realm_id, "bob", role, message=b"%d/%d" % (number, turn))

    senders = await several(alice, places, 6)
    await asyncio.gather(*(send(*pair) for pair in enumerate(senders)))


@on_one_and_on_two_servers(limit_s=40)
async def gapless_message_numbers(t, places):
    """4.3: messages of one recipient are numbered without gaps, from whichever realms they come."""
    alice, bob = await t.pair()
    await six_senders(alice, places)
    reply = insist(await bob.call("message_get", offset=0), "message_get")
    got = [(message["count"], message["body"]) for message in reply["messages"]]
    same([count for count, _ in got], list(range(1, 31)), "counts")
    want = {b"%d/%d" % (number, turn) for number in range(6) for turn in range(5)}
    same({body for _, body in got}, want, "bodies")
    for number in range(6):
        turns = [body for _, body in got if body.startswith(b"%d/" % number)]
        same(turns, sorted(turns), f"order of the messages of sender {number}")


@better("numbers several messages alike")
@on_one_and_on_two_servers(limit_s=40)
async def gapless_message_events(t, places):
    """4.3, 6.1: the events of those messages have the same numbers, each once, in order."""
    alice, bob = await t.pair()
    await bob.subscribe()
    await six_senders(alice, places)
    heard = [await bob.next_event() for _ in range(60)]
    indexes = [event["index"] for event in heard if event["event"] == "message.received"]
    same(indexes, list(range(1, 31)), "indexes of the events")


@on_one_and_on_two_servers(limit_s=40)
async def reencryptions_with_the_same_participants(t, places):
    """4: realms that start re-encryption at once write to the same recipients without trouble."""
    alice = await t.alice()
    names = [f"user{number}" for number in range(5)]
    for name in names:
        await alice.add_user(name)
    participants = ["alice", *names]
    realms = [await alice.create_realm() for _ in range(4)]
    for realm_id in realms:
        for name in names:
            await alice.share(realm_id, name, "READER")
    connections = await several(alice, places, len(realms))
    replies = await at_once(connections, "realm_start_reencryption_maintenance", lambda n: {
        "realm_id": realms[n], "encryption_revision": 2, "timestamp": now(),
        "per_participant_message": {
            name: b"%d" % n for name in (participants if n % 2 else reversed(participants))
        },
    })
    same([reply["status"] for reply in replies], ["ok"] * len(realms), "statuses")
    for name in participants:
        reader = await alice.organization.connect(alice.organization.devices[f"{name}@dev1"])
        reply = insist(await reader.call("message_get", offset=0), "message_get")
        same([message["count"] for message in reply["messages"]], [1, 2, 3, 4], f"counts of {name}")
        bodies = sorted(message["body"] for message in reply["messages"])
        same(bodies, [b"0", b"1", b"2", b"3"], f"bodies of {name}")


# --- Realms and roles -----------------------------------------------------------------------------


@on_one_and_on_two_servers()
async def creations_of_one_realm(t, places):
    """4.5: of several concurrent creations of one realm exactly one gets ok."""
    alice, bob = await t.pair()
    connections = [*await several(alice, places, 5), *await several(bob, places, 5)]
    realm_id = uuid4()
    replies = await at_once(connections, "realm_create", lambda n: {
        "role_certificate": connections[n].role(realm_id, connections[n].device.user_id, "OWNER")
    })
    winner = exactly_one_ok(replies, "already_exists")
    owner, other = (alice, bob) if winner < 5 else (bob, alice)
    reply = await owner.call("realm_get_role_certificates", realm_id=realm_id)
    same(len(insist(reply, "role certificates")["certificates"]), 1, "number of certificates")
    expect(await other.call("realm_status", realm_id=realm_id), "not_allowed")


@better("grants it several times")
@on_one_and_on_two_servers()
async def grants_of_one_role(t, places):
    """4.5: the same role given many times at once: one ok, the others already_granted."""
    alice, _bob = await t.pair()
    realm_id = await alice.create_realm()
    connections = await several(alice, places, 10)
    for role in ("READER", "OWNER", None):
        replies = await at_once(connections, "realm_update_roles", lambda n: {
            "role_certificate": alice.role(realm_id, "bob", role), "recipient_message": None,
        })
        exactly_one_ok(replies, "already_granted")


@on_one_and_on_two_servers()
async def grants_to_many_users(t, places):
    """4.5: roles of several users of one realm may change at once."""
    alice = await t.alice()
    names = [f"user{number}" for number in range(8)]
    for name in names:
        await alice.add_user(name)
    realm_id = await alice.create_realm()
    connections = await several(alice, places, len(names))
    replies = await at_once(connections, "realm_update_roles", lambda n: {
        "role_certificate": alice.role(realm_id, names[n], "READER"), "recipient_message": b"x",
    })
    same([reply["status"] for reply in replies], ["ok"] * len(names), "statuses")
    reply = await alice.call("realm_get_role_certificates", realm_id=realm_id)
    same(len(reply["certificates"]), 1 + len(names), "number of certificates")


@better("lets both succeed at times, and leaves a realm without owner")
@on_one_and_on_two_servers(limit_s=40)
async def owners_who_demote_each_other(t, places):
    """4, 4.5: role changes of a realm are serial: the second owner is no owner any more."""
    alice, bob = await t.pair()
    here = await alice.organization.connect(alice.device, address=places[0])
    there = await alice.organization.connect(bob.device, address=places[1])
    for _ in range(8):
        realm_id = await here.create_realm()
        await here.share(realm_id, "bob", "OWNER")
        replies = await asyncio.gather(*(
            session.call(
                "realm_update_roles", recipient_message=None,
                role_certificate=session.role(realm_id, other, None),
            )
            for session, other in ((here, "bob"), (there, "alice"))
        ))
        exactly_one_ok(replies, "not_allowed")


@on_one_and_on_two_servers(limit_s=40)
async def writes_after_a_right_is_withdrawn(t, places):
    """4, design 4: once the withdrawal was answered, no later write succeeds; events agree."""
    alice, bob, realm_id = await t.realm_pair(None)
    vlob_id = await alice.create_vlob(realm_id)
    writers = await several(bob, places, 4)
    for _ in range(3):
        await alice.share(realm_id, "bob", "CONTRIBUTOR")
        withdrawn = False
        late = []

        async def write(session):
            while True:
                asked_late = withdrawn
                reply = await session.call(
                    "vlob_create", realm_id=realm_id, encryption_revision=1, vlob_id=uuid4(),
                    timestamp=now(), blob=b"",
                )
                if reply["status"] == "ok" and asked_late:
                    late.append(reply)
                if reply["status"] == "not_allowed":
                    return
                expect_ok(reply)

        writing = [asyncio.create_task(write(writer)) for writer in writers]
        await asyncio.sleep(0.05)
        await alice.share(realm_id, "bob", None)
        withdrawn = True
        last = (await poll(alice, realm_id))["current_checkpoint"]
        await asyncio.gather(*writing)
        same(late, [], "writes asked for after the withdrawal that succeeded")
        same((await poll(alice, realm_id))["current_checkpoint"], last, "checkpoint")
    expect_ok(await alice.try_update_vlob(vlob_id, 2))


# --- Re-encryption --------------------------------------------------------------------------------


@better("closes connections: the transactions collide")
@on_one_and_on_two_servers()
async def starts_of_one_reencryption(t, places):
    """4.5: of several concurrent starts one gets ok, the others in_maintenance; ends likewise."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    await alice.create_vlob(realm_id)
    connections = await several(alice, places, 8)
    replies = await at_once(connections, "realm_start_reencryption_maintenance", lambda n: {
        "realm_id": realm_id, "encryption_revision": 2, "timestamp": now(),
        "per_participant_message": {"alice": b"%d" % n},
    })
    winner = exactly_one_ok(replies, "in_maintenance")
    reply = await alice.call("message_get", offset=0)
    same([message["body"] for message in reply["messages"]], [b"%d" % winner], "messages")
    await save_all(alice, realm_id)
    replies = await at_once(
        connections, "realm_finish_reencryption_maintenance",
        {"realm_id": realm_id, "encryption_revision": 2},
    )
    exactly_one_ok(replies, "not_in_maintenance")


@on_one_and_on_two_servers(limit_s=40)
async def savers_of_one_batch(t, places):
    """4.6: several may save the same versions: already saved ones are skipped, total and done fit."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    vlobs = [await alice.create_vlob(realm_id) for _ in range(10)]
    for vlob_id in vlobs:
        await alice.update_vlob(vlob_id, 2)
    await alice.start_reencryption(realm_id, ["alice"])
    connections = await several(alice, places, 5)
    fields = {"realm_id": realm_id, "encryption_revision": 2}
    batches = await at_once(
        connections, "vlob_maintenance_get_reencryption_batch", {"size": 100, **fields}
    )
    for batch in batches:
        same(len(batch["batch"]), 20, "size of the batch")
    replies = await at_once(
        connections, "vlob_maintenance_save_reencryption_batch",
        lambda n: {"batch": batches[n]["batch"], **fields},
    )
    for reply in replies:
        expect_ok(reply, total=20, done=20)
    await alice.finish_reencryption(realm_id)
    for vlob_id in vlobs:
        reply = await alice.call("vlob_list_versions", vlob_id=vlob_id)
        same(sorted(insist(reply, "versions")["versions"]), [1, 2], "versions")


@on_one_and_on_two_servers(limit_s=60)
async def reencryption_with_writers(t, places):
    """4, 4.6: every write either precedes the maintenance, and is re-encrypted, or is refused."""
    alice, bob, realm_id = await t.realm_pair("CONTRIBUTOR")
    writers = await several(bob, places, 4)
    seen = Counter()
    versions = {}

    async def write(session):
        vlob_id = await session.create_vlob(realm_id)
        versions[vlob_id] = 1
        revision = 1
        while revision == 1 or versions[vlob_id] < 40 and seen["after"] < 12:
            reply = await session.try_update_vlob(vlob_id, versions[vlob_id] + 1, revision=revision)
            seen[reply["status"]] += 1
            if reply["status"] == "ok":
                versions[vlob_id] += 1
                seen["after"] += revision - 1
            elif reply["status"] == "bad_encryption_revision":
                same(revision, 1, "revision that is refused")
                revision = 2
            else:
                same(reply["status"], "in_maintenance", "status")
                await asyncio.sleep(0.01)

    writing = [asyncio.create_task(write(writer)) for writer in writers]
    await until(lambda: len(versions) == len(writers) and seen["ok"] >= 8, writing)
    await alice.start_reencryption(realm_id, ["alice", "bob"])
    before = dict(versions)
    await until(lambda: seen["in_maintenance"] >= len(writers), writing)
    done = await save_all(alice, realm_id)
    at_start = sum(versions.values())
    same((done["total"], done["done"]), (at_start, at_start), "total and done")
    check(at_start >= sum(before.values()), "versions vanished")
    await alice.finish_reencryption(realm_id)
    await asyncio.gather(*writing)
    for vlob_id, last in versions.items():
        reply = await bob.call("vlob_list_versions", vlob_id=vlob_id)
        want = list(range(1, last + 1))
        same(sorted(insist(reply, "versions")["versions"]), want, "versions")
        for version in want:
            reply = await bob.call(
                "vlob_read", encryption_revision=2, vlob_id=vlob_id, version=version
            )
            same(reply["status"], "ok", f"reading version {version}")
    checkpoint = (await poll(bob, realm_id))["current_checkpoint"]
    same(checkpoint, sum(versions.values()), "checkpoint")


# --- Blocks ---------------------------------------------------------------------------------------
# Few at once, and alone: the reference holds a database connection while it waits for another.


@better("closes connections: the transactions collide")
@on_one_and_on_two_servers(alone=True)
async def creations_of_one_block(t, places):
    """4.7: of several concurrent creations of one block exactly one gets ok."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    connections = await several(alice, places, 4)
    for size in (10, 100_000):
        block_id, block = uuid4(), bytes(size)
        fields = {"block_id": block_id, "realm_id": realm_id, "block": block}
        exactly_one_ok(await at_once(connections, "block_create", fields), "already_exists")
        expect_ok(await alice.call("block_read", block_id=block_id), block=block)
    reply = await alice.call("realm_stats", realm_id=realm_id)
    same(reply["blocks_size"], 100_010, "blocks_size")


@better("closes connections: the transactions collide")
@on_one_and_on_two_servers(alone=True)
async def realms_racing_for_one_block(t, places):
    """4: a block ID belongs to one realm of the organization, also when realms race for it."""
    alice, bob = await t.pair()
    connections = []
    for number, session in enumerate((alice, bob, alice, bob)):
        connections.append(
            await session.organization.connect(session.device, address=places[number // 2])
        )
    realms = [await connection.create_realm() for connection in connections]
    for _ in range(8):
        block_id = uuid4()
        replies = await at_once(connections, "block_create", lambda n: {
            "block_id": block_id, "realm_id": realms[n], "block": b"block",
        })
        winner = exactly_one_ok(replies, "already_exists")
        owner, other = (alice, bob) if winner % 2 == 0 else (bob, alice)
        expect_ok(await owner.call("block_read", block_id=block_id), block=b"block")
        expect(await other.call("block_read", block_id=block_id), "not_allowed")


@on_one_and_on_two_servers(limit_s=40, alone=True)
async def blocks_during_the_start_of_a_maintenance(t, places):
    """4.7: a block is either there before the maintenance starts, or refused; none in between."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    writers = await several(alice, places, 3)
    made, refused = [], []

    async def write(session):
        while not refused:
            block_id = uuid4()
            reply = await session.call(
                "block_create", block_id=block_id, realm_id=realm_id, block=bytes(1000)
            )
            (made if reply["status"] == "ok" else refused).append((block_id, reply["status"]))

    writing = [asyncio.create_task(write(writer)) for writer in writers]
    await until(lambda: len(made) >= 8, writing)
    await alice.start_reencryption(realm_id, ["alice"])
    await asyncio.gather(*writing)
    same({status for _, status in refused}, {"in_maintenance"}, "statuses of the refused")
    reply = await alice.call("realm_stats", realm_id=realm_id)
    same(reply["blocks_size"], 1000 * len(made), "blocks_size")


@better("never serves again once as many blocks are written as it has database connections")
@on_one_and_on_two_servers(limit_s=40, alone=True)
async def more_blocks_than_database_connections(t, places):
    """4.7: block data travels with no database connection held: nothing waits for itself."""
    check(not t.options.reference, "not tried: the reference would have to be restarted")
    alice = await t.alice()
    realm_id = await alice.create_realm()
    connections = await several(alice, places, 40)
    made = [uuid4() for _ in connections]
    replies = await at_once(connections, "block_create", lambda n: {
        "block_id": made[n], "realm_id": realm_id, "block": bytes([n]) * 100_000,
    })
    same([reply["status"] for reply in replies], ["ok"] * len(made), "statuses")
    replies = await at_once(connections, "block_read", lambda n: {"block_id": made[n]})
    for number, reply in enumerate(replies):
        expect_ok(reply, block=bytes([number]) * 100_000)


# --- Organizations, users, devices ----------------------------------------------------------------


@better("closes connections: the transactions collide")
@on_one_and_on_two_servers()
async def bootstraps_at_once(t, places):
    """7.2, 4: a bootstrap locks its organization: exactly one succeeds, with its own keys."""
    organization = t.new_organization()
    bootstrap_token = await organization.create()
    contenders = []
    for number in range(6):
        contender = t.new_organization(organization.id)
        first = contender.new_device(
            f"user{number}@dev1", profile="ADMIN", human_handle=[f"u{number}@b.c", f"User {number}"]
        )
        connection = await contender.connect_anonymous(address=places[number % 2])
        contenders.append((contender, first, connection))
    replies = await at_once(
        [connection for _, _, connection in contenders], "organization_bootstrap",
        lambda n: contenders[n][0].bootstrap_fields(contenders[n][1], bootstrap_token),
    )
    winner = exactly_one_ok(replies, "already_bootstrapped")
    contender, first, _ = contenders[winner]
    session = await contender.connect(first)
    reply = await session.call("human_find")
    same(reply["total"], 1, "number of users")


@on_one_and_on_two_servers(limit_s=40)
async def creations_of_one_organization(t, places):
    """7.1, 4: created anew many times at once: every reply is ok, exactly one token is valid."""
    for _ in range(4):
        organization = t.new_organization()
        admins = [await t.administration(places[n % 2]) for n in range(6)]
        replies = await at_once(
            admins, "organization_create", {"organization_id": organization.id}
        )
        same([reply["status"] for reply in replies], ["ok"] * 6, "statuses")
        tokens = [reply["bootstrap_token"] for reply in replies]
        same(len(set(tokens)), 6, "number of different tokens")
        statuses = []
        for token in tokens:
            first = organization.new_device("alice@dev1", profile="ADMIN")
            anonymous = await organization.connect_anonymous()
            reply = await anonymous.call(
                "organization_bootstrap", **organization.bootstrap_fields(first, token)
            )
            statuses.append(reply["status"])
        same(statuses.count("ok"), 1, f"number of valid tokens ({statuses})")


@better("may close connections: the transactions collide")
@on_one_and_on_two_servers(limit_s=40)
async def creation_against_bootstrap(t, places):
    """7.1, 7.2, 4: an organization is never created anew over its bootstrap."""
    for _ in range(6):
        organization = t.new_organization()
        bootstrap_token = await organization.create()
        first = organization.new_device("alice@dev1", profile="ADMIN")
        fields = organization.bootstrap_fields(first, bootstrap_token)
        admin = await t.administration(places[0])
        anonymous = await organization.connect_anonymous(address=places[1])
        bootstrap, creation = await asyncio.gather(
            anonymous.call("organization_bootstrap", **fields),
            admin.call("organization_create", organization_id=organization.id),
        )
        got = (bootstrap["status"], creation["status"])
        check(
            got in (("ok", "already_exists"), ("not_found", "ok")), f"bootstrap and creation: {got}"
        )
        if bootstrap["status"] == "ok":
            await organization.connect(organization.adopt(first, fields))


@on_one_and_on_two_servers()
async def users_of_one_human(t, places):
    """4.4, 4: of several users of one human email at once exactly one is created."""
    alice = await t.alice()
    connections = await several(alice, places, 8)
    for email, label in (("one@example.com", "One"), ("many@example.com", "Label %d")):
        new = [
            alice.organization.new_device(
                f"{email[:3]}{number}@dev1",
                human_handle=[email, label % number if "%" in label else label],
            )
            for number in range(len(connections))
        ]
        replies = await at_once(
            connections, "user_create", lambda n: user_certificates(alice.device, new[n])
        )
        winner = exactly_one_ok(replies, "already_exists")
        reply = await alice.call("human_find", query=email)
        same([found["user_id"] for found in reply["results"]], [new[winner].user_id], "users")


@on_one_and_on_two_servers()
async def creations_of_one_user(t, places):
    """4.4, 4: of several creations of one user ID at once exactly one gets ok."""
    alice = await t.alice()
    connections = await several(alice, places, 8)
    new = [
        alice.organization.new_device("bob@dev1", human_handle=[f"bob{n}@example.com", "Bob"])
        for n in range(len(connections))
    ]
    made = [user_certificates(alice.device, device) for device in new]
    replies = await at_once(connections, "user_create", lambda n: made[n])
    winner = exactly_one_ok(replies, "already_exists")
    reply = await alice.call("user_get", user_id="bob")
    same(reply["user_certificate"], made[winner]["user_certificate"], "user certificate")
    same(reply["device_certificates"], [made[winner]["device_certificate"]], "devices")
    await alice.organization.connect(new[winner])


@on_one_and_on_two_servers()
async def different_users_at_once(t, places):
    """4.4, 4: users who have nothing in common may be created at once."""
    alice = await t.alice()
    connections = await several(alice, places, 8)
    new = [
        alice.organization.new_device(f"user{n}@dev1", human_handle=[f"u{n}@example.com", "U"])
        for n in range(len(connections))
    ]
    replies = await at_once(
        connections, "user_create", lambda n: user_certificates(alice.device, new[n])
    )
    same([reply["status"] for reply in replies], ["ok"] * len(new), "statuses")
    reply = await alice.call("human_find")
    same(reply["total"], 1 + len(new), "number of users")


@on_one_and_on_two_servers()
async def creations_of_one_device(t, places):
    """4.4: of several creations of one device ID at once exactly one gets ok."""
    alice = await t.alice()
    connections = await several(alice, places, 8)
    made = [
        device_certificates(alice.device, alice.organization.new_device("alice@dev2"))
        for _ in connections
    ]
    replies = await at_once(connections, "device_create", lambda n: made[n])
    winner = exactly_one_ok(replies, "already_exists")
    reply = await alice.call("user_get", user_id="alice")
    check(made[winner]["device_certificate"] in reply["device_certificates"], "device is missing")
    same(len(reply["device_certificates"]), 2, "number of devices")


@on_one_and_on_two_servers()
async def revocations_of_one_user(t, places):
    """4.4: of several revocations of one user at once exactly one gets ok."""
    alice, bob = await t.pair()
    connections = await several(alice, places, 8)
    made = [alice.revocation("bob") for _ in connections]
    replies = await at_once(
        connections, "user_revoke", lambda n: {"revoked_user_certificate": made[n]}
    )
    winner = exactly_one_ok(replies, "already_revoked")
    reply = await alice.call("user_get", user_id="bob")
    same(reply["revoked_user_certificate"], made[winner], "revocation certificate")
    await expect_end(bob)


@on_one_and_on_two_servers(limit_s=40)
async def revocation_and_new_user_of_one_human(t, places):
    """4.4, 4: user creation and revocation are serial: at no time two active users of one human."""
    alice, _bob = await t.pair()
    here = await alice.organization.connect(alice.device, address=places[0])
    there = await alice.organization.connect(alice.device, address=places[1])
    current = "bob"
    for number in range(6):
        new = alice.organization.new_device(
            f"bob{number}@dev1", human_handle=["bob@example.com", "Bob"]
        )
        made = user_certificates(alice.device, new)
        revocation, creation = await asyncio.gather(
            here.call("user_revoke", revoked_user_certificate=here.revocation(current)),
            there.call("user_create", **made),
        )
        expect_ok(revocation)
        check(creation["status"] in ("ok", "already_exists"), f"user_create: {creation}")
        if creation["status"] != "ok":
            expect_ok(await there.call("user_create", **made))
        current = new.user_id
        reply = await alice.call("human_find", query="bob@", omit_revoked=True)
        same([found["user_id"] for found in reply["results"]], [current], "active users")


# --- Revocation and expiration reach live connections ---------------------------------------------


async def waiting_connections(t, device, places):
    """Connections of that device on both places: idle, listening, and waiting in API v1."""
    organization = device.organization
    made = []
    for place in places:
        idle = await organization.connect(device, address=place)
        listening = await (await organization.connect(device, address=place)).subscribe()
        await listening.send_request("events_listen", wait=True)
        inviting = await organization.connect(device, address=place, version=1)
        await inviting.send_request("device_invite", invited_device_name="next")
        made += [idle, listening, inviting]
    return made


@on_one_and_on_two_servers()
async def revocation_closes_live_connections(t, places):
    """2.3: a revocation closes all the user's connections at once, whatever they wait for."""
    alice, bob = await t.pair()
    victims = await waiting_connections(t, bob.device, places)
    greeter = await alice.organization.connect(bob.device, address=places[1])
    token = await greeter.invite()
    await greeter.send_request(
        "invite_1_greeter_wait_peer", token=token, greeter_public_key=bytes(32)
    )
    others = await waiting_connections(t, alice.device, places)
    await alice.revoke("bob")
    for victim in (*victims, greeter):
        await expect_end(victim)
    for other in others:
        await other.socket.ping()
    for place in places:
        _, result = await t.handshake(
            lambda challenge: authenticated_answer(bob.device, challenge), place
        )
        same(result["result"], "revoked_device", "result of a new handshake")


@on_one_and_on_two_servers()
async def expiration_closes_live_connections(t, places):
    """2.3, 7.1: an expiration closes all connections of the organization's devices at once."""
    alice, bob = await t.pair()
    victims = [
        *await waiting_connections(t, alice.device, places),
        *await waiting_connections(t, bob.device, places),
    ]
    other = await t.alice()
    admin = await t.administration(places[1])
    reply = await admin.call(
        "organization_update", organization_id=alice.organization.id,
        expiration_date=now() - timedelta(seconds=1),
    )
    expect_ok(reply)
    for victim in victims:
        await expect_end(victim)
    expect_ok(await other.call("ping", ping="x"), pong="x")


@better("leaves them open")
@on_one_and_on_two_servers()
async def expiration_closes_invited_and_anonymous_connections(t, places):
    """2.2: expired: every connection of the organization is dropped, on every server."""
    alice = await t.alice()
    organization = alice.organization
    token = await alice.invite()
    victims = []
    for place in places:
        victims.append(await organization.connect_invited(token, "DEVICE", address=place))
        victims.append(await organization.connect_anonymous(address=place))
    admin = await t.administration()
    reply = await admin.call(
        "organization_update", organization_id=organization.id, expiration_date=now(),
    )
    expect_ok(reply)
    for victim in victims:
        await expect_end(victim, timeout=3)


# --- Beside a server that counts for itself -------------------------------------------------------


@case(needs=["db"], limit_s=60)
async def beside_a_writer_that_counts_itself(t):
    """Storage 1: gapless counters also against a server that computes MAX + 1 itself."""
    import asyncpg

    from cases_database import Foreign

    alice = await t.alice()
    realm_id = await alice.create_realm()
    foreign = await Foreign.of(t, alice.organization)
    writers = await several(alice, [t.address, t.second or t.address], 3)
    writing = True
    made = {}

    async def write_foreign():
        while writing and len(made) < 150:
            vlob_id = uuid4()
            try:
                await foreign.vlob_version(realm_id, vlob_id, 1, b"f", now(), "alice@dev1")
                made[vlob_id] = 1
            except asyncpg.UniqueViolationError:
                pass  # somebody else took the number: again

    async def write(session):
        vlob_id = await session.create_vlob(realm_id)
        for version in range(2, 21):
            await session.update_vlob(vlob_id, version)
        made[vlob_id] = 20

    beside = asyncio.create_task(write_foreign())
    try:
        await asyncio.gather(*(write(writer) for writer in writers))
    finally:
        writing = False
        await beside
    check(len(made) > 3, "the other writer wrote nothing")
    expect_ok(
        await alice.call("vlob_poll_changes", realm_id=realm_id, last_checkpoint=0),
        changes=made, current_checkpoint=sum(made.values()),
    )
