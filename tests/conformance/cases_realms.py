"""protocol/4-commands.md §4.5: realms, roles, re-encryption maintenance."""
import asyncio
from datetime import timedelta
from uuid import uuid4

from certificates import OMIT, SigningKey
from harness import ANY, better, case, check, expect, expect_invalid, expect_ok, same, table
from cases_users import BALLPARK, INVALID_CERTIFICATION, MARGIN, wrong_author
from wire import now

ROLES = ("OWNER", "MANAGER", "CONTRIBUTOR", "READER")
MISSING = "Missing data for required field."


def no_realm(realm_id):
    return f"Realm `{realm_id}` doesn't exist"


async def create(session, realm_id=None, **changes):
    content = {
        "realm_id": realm_id or uuid4(), "user_id": session.device.user_id, "role": "OWNER", **changes
    }
    return await session.call("realm_create", role_certificate=session.role(**content))


async def update_role(session, realm_id, user_id, role, message=None, **changes):
    return await session.call(
        "realm_update_roles",
        role_certificate=session.role(realm_id, user_id, role, **changes),
        recipient_message=message,
    )


async def start(session, realm_id, participants, **changes):
    fields = {
        "realm_id": realm_id,
        "encryption_revision": 2,
        "timestamp": now(),
        "per_participant_message": {name: b"m" for name in participants},
        **changes,
    }
    return await session.call("realm_start_reencryption_maintenance", **fields)


async def finish(session, realm_id, revision=2):
    return await session.call(
        "realm_finish_reencryption_maintenance", realm_id=realm_id, encryption_revision=revision
    )


async def reencrypt(session, realm_id, vlob_id, version=1):
    reply = await session.call(
        "vlob_maintenance_save_reencryption_batch", realm_id=realm_id, encryption_revision=2,
        batch=[{"vlob_id": vlob_id, "version": version, "blob": b"new"}],
    )
    same(reply["status"], "ok", "status")


# --- realm_create --------------------------------------------------------------------------------


@table({"ADMIN": "ADMIN", "STANDARD": "STANDARD"})
async def realm_create(t, profile):
    """4.5 realm_create 6: encryption revision 1, not in maintenance; the author is its OWNER."""
    alice, bob = await t.pair(profile)
    realm_id = uuid4()
    certificate = bob.role(realm_id, "bob", "OWNER")
    expect_ok(await bob.call("realm_create", role_certificate=certificate))
    expect_ok(
        await bob.call("realm_status", realm_id=realm_id),
        in_maintenance=False, maintenance_type=None, maintenance_started_on=None,
        maintenance_started_by=None, encryption_revision=1,
    )
    expect_ok(
        await bob.call("realm_get_role_certificates", realm_id=realm_id), certificates=[certificate]
    )
    expect(await alice.call("realm_status", realm_id=realm_id), "not_allowed")


@case
async def realm_create_by_an_outsider(t):
    """4.5 realm_create 0: OUTSIDER: not_allowed."""
    _, bob = await t.pair("OUTSIDER")
    expect(await create(bob), "not_allowed", "Outsider user cannot create realm")


@table({
    "empty": None,
    "wrong key": {"key": SigningKey()},
    "other device": {"author": "alice@dev2"},
    "type": {"type": "user_certificate"},
    "author null": {"author": None},
    "realm_id missing": {"realm_id": OMIT},
    "realm_id str": {"realm_id": "x"},
    "user_id invalid": {"user_id": "a b"},
    "role missing": {"role": OMIT},
    "role unknown": {"role": "KING"},
    "role in lower case": {"role": "owner"},
    "timestamp missing": {"timestamp": OMIT},
})
async def realm_create_unverified(t, changes):
    """4.5 realm_create 1, 3.3: the certificate does not verify: invalid_certification."""
    alice = await t.alice()
    if changes is None:
        reply = await alice.call("realm_create", role_certificate=b"")
    else:
        reply = await create(alice, **changes)
    reason = INVALID_CERTIFICATION
    if changes and "author" in changes and changes["author"]:
        reason = wrong_author("alice@dev1", "alice@dev2")
    expect(reply, "invalid_certification", reason)


@table({"past": -BALLPARK - MARGIN, "future": BALLPARK + MARGIN})
async def realm_create_out_of_the_ballpark(t, offset):
    """4.5 realm_create 2: the ballpark comes before user and role."""
    alice = await t.alice()
    for changes in ({}, {"user_id": "bob"}, {"role": "READER"}):
        reply = await create(alice, timestamp=now() + offset, **changes)
        expect(reply, "invalid_certification", "Invalid timestamp in certification.")


@case
async def realm_create_for_another_user(t):
    """4.5 realm_create 3: not self-signed: invalid_data, before the role is looked at."""
    alice, _ = await t.pair()
    for role in ("OWNER", "READER", None):
        reply = await create(alice, user_id="bob", role=role)
        expect(reply, "invalid_data", "Initial realm role certificate must be self-signed.")


@table({role or "null": role for role in (*ROLES[1:], None)})
async def realm_create_without_ownership(t, role):
    """4.5 realm_create 4: role ≠ OWNER, before already_exists."""
    alice = await t.alice()
    for realm_id in (uuid4(), await alice.create_realm()):
        reply = await create(alice, realm_id, role=role)
        expect(reply, "invalid_data", "Initial realm role certificate must set OWNER role.")


@case
async def realm_create_taken(t):
    """4.5 realm_create 5: realm ID taken in the organization, by oneself or another user."""
    alice, bob = await t.pair()
    realm_id = await alice.create_realm()
    expect(await create(alice, realm_id), "already_exists")
    expect(await create(bob, realm_id), "already_exists")
    other = await t.alice()
    expect_ok(await create(other, realm_id))


# --- realm_status, realm_stats, realm_get_role_certificates --------------------------------------


@table({
    cmd: cmd for cmd in ("realm_status", "realm_stats", "realm_get_role_certificates")
})
async def realm_reading_rights(t, cmd):
    """4.5: unknown realm, no current role, a role since removed, then any role."""
    alice, bob = await t.pair()
    realm_id, unknown = await alice.create_realm(), uuid4()
    expect(await bob.call(cmd, realm_id=unknown), "not_found", no_realm(unknown))
    expect(await bob.call(cmd, realm_id=realm_id), "not_allowed")
    for role in ROLES:
        await alice.share(realm_id, "bob", role)
        same((await bob.call(cmd, realm_id=realm_id))["status"], "ok", f"status for {role}")
    await alice.share(realm_id, "bob", None)
    expect(await bob.call(cmd, realm_id=realm_id), "not_allowed")
    other = await t.alice()
    expect(await other.call(cmd, realm_id=realm_id), "not_found", no_realm(realm_id))


@case
async def realm_status_in_maintenance(t):
    """4.5 realm_status: maintenance type, start, author; and back."""
    alice, bob, realm_id = await t.realm_pair("READER")
    vlob_id = await alice.create_vlob(realm_id)
    started = now()
    expect_ok(await start(alice, realm_id, ["alice", "bob"], timestamp=started))
    for session in (alice, bob):
        expect_ok(
            await session.call("realm_status", realm_id=realm_id),
            in_maintenance=True, maintenance_type="REENCRYPTION", maintenance_started_on=started,
            maintenance_started_by="alice@dev1", encryption_revision=2,
        )
    await reencrypt(alice, realm_id, vlob_id)
    expect_ok(await finish(alice, realm_id))
    expect_ok(
        await alice.call("realm_status", realm_id=realm_id),
        in_maintenance=False, maintenance_type=None, maintenance_started_on=None,
        maintenance_started_by=None, encryption_revision=2,
    )


@better("gives one realm the figures of another while calls overlap")
@case
async def realm_stats(t):
    """4.5 realm_stats: sums of the sizes of the blocks and of the vlob versions of the realm."""
    alice = await t.alice()
    realm_id, other = await alice.create_realm(), await alice.create_realm()
    stats = {"blocks_size": 0, "vlobs_size": 0}
    expect_ok(await alice.call("realm_stats", realm_id=realm_id), **stats)
    vlob_id = await alice.create_vlob(realm_id, b"x" * 10)
    await alice.update_vlob(vlob_id, 2, b"x" * 7)
    await alice.create_vlob(realm_id, b"")
    await alice.create_block(realm_id, b"y" * 100)
    await alice.create_block(realm_id, b"y" * 23)
    await alice.create_block(realm_id, b"")
    await alice.create_vlob(other, b"z" * 1000)
    await alice.create_block(other, b"z" * 1000)
    expect_ok(await alice.call("realm_stats", realm_id=realm_id), blocks_size=123, vlobs_size=17)
    expect_ok(await alice.call("realm_stats", realm_id=other), blocks_size=1000, vlobs_size=1000)


@better("gives one realm the figures of another while calls overlap")
@case
async def realm_stats_after_reencryption(t):
    """4.5 realm_stats: a re-encrypted copy is not counted again."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    vlob_id = await alice.create_vlob(realm_id, b"x" * 10)
    await alice.start_reencryption(realm_id, ["alice"])
    expect_ok(
        await alice.call(
            "vlob_maintenance_save_reencryption_batch", realm_id=realm_id, encryption_revision=2,
            batch=[{"vlob_id": vlob_id, "version": 1, "blob": b"y" * 1000}],
        ),
        total=1, done=1,
    )
    expect_ok(await alice.call("realm_stats", realm_id=realm_id), blocks_size=0, vlobs_size=10)
    await alice.finish_reencryption(realm_id)
    await alice.update_vlob(vlob_id, 2, b"z" * 5, revision=2)
    expect_ok(await alice.call("realm_stats", realm_id=realm_id), blocks_size=0, vlobs_size=15)


@better("gives one realm the figures of another while calls overlap")
@case
async def realm_stats_of_overlapping_calls(t):
    """4.5 realm_stats: callers at the same time, of several organizations, get each their own sums."""
    callers = []
    for number in (1, 2, 3):
        alice = await t.alice()
        realm_id = await alice.create_realm()
        await alice.create_vlob(realm_id, bytes(number * 10))
        await alice.create_block(realm_id, bytes(number * 100))
        callers.append((number, alice, realm_id))

    async def ask(number, alice, realm_id):
        for _ in range(30):
            expect_ok(
                await alice.call("realm_stats", realm_id=realm_id),
                blocks_size=number * 100, vlobs_size=number * 10,
            )

    await asyncio.gather(*(ask(*caller) for caller in callers))


@case
async def realm_get_role_certificates(t):
    """4.5 realm_get_role_certificates: by ascending timestamp, only those after `since`."""
    alice, _ = await t.pair()
    await alice.add_user("carol")
    realm_id, base = uuid4(), now() - timedelta(minutes=10)
    times = [base + timedelta(seconds=number) for number in range(4)]
    certificates = [
        alice.role(realm_id, "alice", "OWNER", times[0]),
        alice.role(realm_id, "bob", "READER", times[1]),
        alice.role(realm_id, "carol", "MANAGER", times[2]),
        alice.role(realm_id, "bob", None, times[3]),
    ]
    expect_ok(await alice.call("realm_create", role_certificate=certificates[0]))
    for certificate in certificates[1:]:
        expect_ok(
            await alice.call(
                "realm_update_roles", role_certificate=certificate, recipient_message=None
            )
        )

    async def certificates_since(**fields):
        reply = await alice.call("realm_get_role_certificates", realm_id=realm_id, **fields)
        expect_ok(reply, certificates=ANY)
        return [certificates.index(octets) for octets in reply["certificates"]]

    same(await certificates_since(), [0, 1, 2, 3], "all")
    same(await certificates_since(since=None), [0, 1, 2, 3], "since null")
    same(await certificates_since(since=times[1]), [2, 3], "since the second")
    just_before = times[1] - timedelta(microseconds=1)
    same(await certificates_since(since=just_before), [1, 2, 3], "since just before the second")
    same(await certificates_since(since=times[3]), [], "since the last")


# --- realm_update_roles --------------------------------------------------------------------------


@table({
    "empty": None,
    "wrong key": {"key": SigningKey()},
    "other author": {"author": "bob@dev1"},
    "type": {"type": "revoked_user_certificate"},
    "role missing": {"role": OMIT},
})
async def update_roles_unverified(t, changes):
    """4.5 realm_update_roles 1: does not verify: invalid_certification."""
    alice, _, realm_id = await t.realm_pair(None)
    if changes is None:
        reply = await alice.call(
            "realm_update_roles", role_certificate=b"", recipient_message=None
        )
    else:
        fields = {"user_id": "bob", "role": "READER", **changes}
        reply = await update_role(alice, realm_id, **fields)
    expect(reply, "invalid_certification", INVALID_CERTIFICATION)


@table({"past": -BALLPARK - MARGIN, "future": BALLPARK + MARGIN})
async def update_roles_out_of_the_ballpark(t, offset):
    """4.5 realm_update_roles 2: ballpark, before the user is looked at."""
    alice, _, realm_id = await t.realm_pair(None)
    for user_id in ("bob", "alice", "nobody"):
        reply = await update_role(alice, realm_id, user_id, "READER", timestamp=now() + offset)
        expect(reply, "invalid_certification", "Invalid timestamp in certification.")


@case
async def update_roles_of_oneself(t):
    """4.5 realm_update_roles 3: own user, before the realm is looked at."""
    alice, _, realm_id = await t.realm_pair(None)
    for realm in (realm_id, uuid4()):
        for role in ("OWNER", "READER", None):
            reply = await update_role(alice, realm, "alice", role)
            expect(reply, "invalid_data", "Realm role certificate cannot be self-signed.")


@case
async def update_roles_of_an_unknown_user(t):
    """4.5 realm_update_roles 4: user unknown, before the realm is looked at."""
    alice, _, realm_id = await t.realm_pair(None)
    for realm in (realm_id, uuid4()):
        reply = await update_role(alice, realm, "nobody", "READER")
        expect(reply, "not_found", "User `nobody` doesn't exist")


@table({"MANAGER": "MANAGER", "OWNER": "OWNER"})
async def update_roles_outsider_too_high(t, role):
    """4.5 realm_update_roles 5: an OUTSIDER is neither MANAGER nor OWNER; before the realm."""
    alice, _, realm_id = await t.realm_pair(None, "OUTSIDER")
    for realm in (realm_id, uuid4()):
        reply = await update_role(alice, realm, "bob", role)
        expect(
            reply, "incompatible_profile", "User with OUTSIDER profile cannot be MANAGER or OWNER"
        )


@table({"CONTRIBUTOR": "CONTRIBUTOR", "READER": "READER"})
async def update_roles_outsider_low(t, role):
    """4.5 realm_update_roles 5: an OUTSIDER may be CONTRIBUTOR or READER, and may lose it."""
    alice, bob, realm_id = await t.realm_pair(role, "OUTSIDER")
    same((await bob.call("realm_status", realm_id=realm_id))["status"], "ok", "status")
    expect_ok(await update_role(alice, realm_id, "bob", None))


@case
async def update_roles_unknown_realm(t):
    """4.5 realm_update_roles 6: realm unknown."""
    alice, _ = await t.pair()
    realm_id = uuid4()
    reply = await update_role(alice, realm_id, "bob", "READER")
    expect(reply, "not_found", no_realm(realm_id))


@case
async def update_roles_in_maintenance(t):
    """4.5 realm_update_roles 7, 8: in_maintenance comes before the rights."""
    alice, bob, realm_id = await t.realm_pair("READER")
    carol = await alice.organization.connect(await alice.add_user("carol"))
    await alice.start_reencryption(realm_id, ["alice", "bob"])
    for session, target in ((alice, "bob"), (bob, "alice"), (carol, "bob")):
        expect(await update_role(session, realm_id, target, "READER"), "in_maintenance")


def may(author, current, new):
    """The rule of §4.5 realm_update_roles 8."""
    high = ("OWNER", "MANAGER")
    if current in high or new in high:
        return author == "OWNER"
    return author in high


async def set_role(alice, realm_id, user_id, current, role):
    if current != role:
        expect_ok(await update_role(alice, realm_id, user_id, role))


@table({role or "none": role for role in (*ROLES, None)}, limit_s=40)
async def update_roles_rights(t, author_role):
    """4.5 realm_update_roles 8, 9, 10: who may change which role into which."""
    alice, bob, realm_id = await t.realm_pair(author_role)
    await alice.add_user("carol")
    wrong, actual = [], None
    for current in (*ROLES, None):
        for new in (*ROLES, None):
            await set_role(alice, realm_id, "carol", actual, current)
            actual = current
            reply = await update_role(bob, realm_id, "carol", new)
            want = "not_allowed"
            if may(author_role, current, new):
                want = "already_granted" if current == new else "ok"
            if reply["status"] != want:
                wrong.append(f"{current} to {new}: {reply}, want {want}")
            if reply["status"] == "ok":
                actual = new
    check(not wrong, "; ".join(wrong))


@case
async def update_roles_lost_rights(t):
    """4.5: the current role is the newest: a former manager may no longer share."""
    alice, bob, realm_id = await t.realm_pair("MANAGER")
    await alice.add_user("carol")
    expect_ok(await update_role(bob, realm_id, "carol", "READER"))
    await alice.share(realm_id, "bob", None)
    expect(await update_role(bob, realm_id, "carol", None), "not_allowed")


@case
async def update_roles_second_owner(t):
    """4.5: several OWNERs; one may remove the other, who then has no right at all."""
    alice, bob, realm_id = await t.realm_pair("OWNER")
    expect_ok(await update_role(bob, realm_id, "alice", None))
    expect(await alice.call("realm_status", realm_id=realm_id), "not_allowed")
    expect(await update_role(alice, realm_id, "bob", "READER"), "not_allowed")


@case
async def update_roles_of_a_revoked_user(t):
    """4.5: a revoked user's role may be taken away."""
    alice, _, realm_id = await t.realm_pair("READER")
    await alice.revoke("bob")
    expect_ok(await update_role(alice, realm_id, "bob", None))


@better("accepts it, announces it, and leaves the rights as they were")
@case
async def a_role_certificate_older_than_the_newest(t):
    """4.5 realm_update_roles 10: a certificate that could have no effect is refused."""
    alice, bob = await t.pair()
    realm_id, base = uuid4(), now()
    expect_ok(await create(alice, realm_id, timestamp=base - timedelta(minutes=5)))
    expect_ok(await update_role(alice, realm_id, "bob", "READER", timestamp=base))
    older = base - timedelta(minutes=1)
    for role in ("MANAGER", None):
        reply = await update_role(alice, realm_id, "bob", role, timestamp=older)
        expect(reply, "invalid_certification", reason="Invalid timestamp in certification.")
    expect(await update_role(alice, realm_id, "bob", "READER"), "already_granted")
    same((await bob.call("realm_status", realm_id=realm_id))["status"], "ok", "status")


@table({"text": b"hello bob", "one octet": b"\0", "large": bytes(100_000)})
async def update_roles_message(t, body):
    """4.5 realm_update_roles 11: the message is stored with the certificate's timestamp."""
    alice, bob, realm_id = await t.realm_pair(None)
    at = now() - timedelta(minutes=3)
    expect_ok(await update_role(alice, realm_id, "bob", "READER", body, timestamp=at))
    expect_ok(
        await bob.call("message_get", offset=0),
        messages=[{"count": 1, "sender": "alice@dev1", "timestamp": at, "body": body}],
    )


@table({"null": None, "empty": b""})
async def update_roles_without_message(t, body):
    """4.5 realm_update_roles 11: only a non-empty message is stored."""
    alice, bob, realm_id = await t.realm_pair(None)
    expect_ok(await update_role(alice, realm_id, "bob", "READER", body))
    expect_ok(await bob.call("message_get", offset=0), messages=[])


@case
async def refused_update_roles_stores_no_message(t):
    """4.5 realm_update_roles: a refused change leaves nothing behind."""
    alice, bob, realm_id = await t.realm_pair("READER")
    expect(await update_role(alice, realm_id, "bob", "READER", b"x"), "already_granted")
    expect_ok(await bob.call("message_get", offset=0), messages=[])
    reply = await alice.call("realm_get_role_certificates", realm_id=realm_id)
    same(len(reply["certificates"]), 2, "number of certificates")


# --- re-encryption -------------------------------------------------------------------------------


@table({"past": -BALLPARK - MARGIN, "future": BALLPARK + MARGIN})
async def start_out_of_the_ballpark(t, offset):
    """4.5 start 1: bad_timestamp, before the realm is looked at."""
    alice = await t.alice()
    for realm_id in (await alice.create_realm(), uuid4()):
        reply = await start(alice, realm_id, ["alice"], timestamp=now() + offset)
        expect(reply, "bad_timestamp", "Timestamp is out of date.")


@case
async def start_unknown_realm(t):
    """4.5 start 2: realm unknown."""
    alice = await t.alice()
    realm_id = uuid4()
    expect(await start(alice, realm_id, ["alice"]), "not_found", no_realm(realm_id))


@case
async def start_in_maintenance(t):
    """4.5 start 3: in maintenance already, whatever the revision and the author."""
    alice, bob, realm_id = await t.realm_pair("READER")
    await alice.start_reencryption(realm_id, ["alice", "bob"])
    for session in (alice, bob):
        for revision in (2, 3, 99):
            reply = await start(session, realm_id, ["alice"], encryption_revision=revision)
            expect(reply, "in_maintenance")


@table({str(revision): revision for revision in (-1, 0, 1, 3, 100)})
async def start_bad_revision(t, revision):
    """4.5 start 4: revision ≠ current + 1, before the rights."""
    alice, bob, realm_id = await t.realm_pair(None)
    for session in (alice, bob):
        reply = await start(session, realm_id, ["alice"], encryption_revision=revision)
        expect(reply, "bad_encryption_revision")


@table({role or "none": role for role in (*ROLES[1:], None)})
async def start_not_owner(t, role):
    """4.5 start 5: not OWNER, before the participants."""
    _, bob, realm_id = await t.realm_pair(role)
    for participants in (["alice", "bob"], []):
        expect(await start(bob, realm_id, participants), "not_allowed")


@table({
    "none": [], "too few": ["alice"], "too many": ["alice", "bob", "carol"],
    "another": ["alice", "carol"], "unknown": ["alice", "bob", "nobody"],
})
async def start_participants(t, participants):
    """4.5 start 6: the keys are not the users with a current role."""
    alice, _, realm_id = await t.realm_pair("READER")
    await alice.add_user("carol")
    await alice.share(realm_id, "carol", "READER")
    await alice.share(realm_id, "carol", None)
    expect(
        await start(alice, realm_id, participants), "participants_mismatch",
        "Realm participants and message recipients mismatch",
    )


@case
async def start_leaves_revoked_users_out(t):
    """4.5 start 6: revoked users are no participants."""
    alice, _, realm_id = await t.realm_pair("OWNER")
    await alice.revoke("bob")
    expect(await start(alice, realm_id, ["alice", "bob"]), "participants_mismatch")
    expect_ok(await start(alice, realm_id, ["alice"]))


@case
async def start_counts_no_users_whose_revocation_is_dated_ahead(t):
    """2.2, 4.5 start 6: a stored revocation counts at once, whatever its date: no participant."""
    alice, _, realm_id = await t.realm_pair("READER")
    certificate = alice.revocation("bob", now() + timedelta(minutes=10))
    expect_ok(await alice.call("user_revoke", revoked_user_certificate=certificate))
    expect(await start(alice, realm_id, ["alice", "bob"]), "participants_mismatch")
    expect_ok(await start(alice, realm_id, ["alice"]))


@table({
    "invalid user ID": {"a b": b"x"}, "message null": {"alice": None}, "message str": {"alice": "x"},
    "integer key": {1: b"x"},
})
async def start_invalid_messages(t, messages):
    """4.5 start: a map of user IDs to bytes."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    reply = await start(alice, realm_id, [], per_participant_message=messages)
    expect_invalid(reply, per_participant_message=ANY)


@case
async def start_sends_its_messages(t):
    """4.5 start 7: each message is stored for its user, with the author and the timestamp."""
    alice, bob, realm_id = await t.realm_pair("READER")
    at = now() - timedelta(minutes=2)
    messages = {"alice": b"for alice", "bob": b""}
    expect_ok(
        await start(alice, realm_id, [], timestamp=at, per_participant_message=messages)
    )
    for session, body in ((alice, b"for alice"), (bob, b"")):
        expect_ok(
            await session.call("message_get", offset=0),
            messages=[{"count": 1, "sender": "alice@dev1", "timestamp": at, "body": body}],
        )


@case
async def finish_unknown_realm(t):
    """4.5 finish 1: realm unknown."""
    alice = await t.alice()
    realm_id = uuid4()
    expect(await finish(alice, realm_id), "not_found", no_realm(realm_id))


@table({role or "none": role for role in (*ROLES[1:], None)})
async def finish_not_owner(t, role):
    """4.5 finish 2: not OWNER, in maintenance or not."""
    alice, bob, realm_id = await t.realm_pair(role)
    expect(await finish(bob, realm_id), "not_allowed")
    await alice.start_reencryption(realm_id, ["alice", "bob"] if role else ["alice"])
    expect(await finish(bob, realm_id), "not_allowed")


@case
async def finish_not_in_maintenance(t):
    """4.5 finish 3: not in maintenance, before the revision."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    for revision in (1, 2, 7):
        expect(
            await finish(alice, realm_id, revision), "not_in_maintenance",
            f"Realm `{realm_id}` not under maintenance",
        )


@table({str(revision): revision for revision in (0, 1, 3)})
async def finish_bad_revision(t, revision):
    """4.5 finish 4: revision ≠ current."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    await alice.start_reencryption(realm_id, ["alice"])
    expect(await finish(alice, realm_id, revision), "bad_encryption_revision")


@case
async def finish_too_early(t):
    """4.5 finish 5: some version not yet re-encrypted; then all are."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    vlob_id = await alice.create_vlob(realm_id)
    await alice.update_vlob(vlob_id, 2)
    await alice.start_reencryption(realm_id, ["alice"])
    for version in (2, 1):
        expect(
            await finish(alice, realm_id), "maintenance_error",
            "Reencryption operations are not over",
        )
        await reencrypt(alice, realm_id, vlob_id, version)
    expect_ok(await finish(alice, realm_id))
    expect(await finish(alice, realm_id), "not_in_maintenance")


@better("refuses for ever to finish: Reencryption operations are not over")
@case
async def finish_an_empty_realm(t):
    """4.5 finish 5: a realm without any vlob has nothing to re-encrypt."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    for revision in (2, 3, 4):
        await alice.start_reencryption(realm_id, ["alice"], revision)
        await alice.finish_reencryption(realm_id, revision)
    reply = await alice.call("realm_status", realm_id=realm_id)
    same((reply["in_maintenance"], reply["encryption_revision"]), (False, 4), "status")


@case
async def another_owner_may_finish(t):
    """4.5 finish: any OWNER may finish what another one started."""
    alice, bob, realm_id = await t.realm_pair("OWNER")
    vlob_id = await alice.create_vlob(realm_id)
    await alice.start_reencryption(realm_id, ["alice", "bob"])
    await reencrypt(bob, realm_id, vlob_id)
    expect_ok(await finish(bob, realm_id))


@table({
    "realm_create": ("realm_create", {"role_certificate": MISSING}),
    "realm_update_roles": (
        "realm_update_roles", {"role_certificate": MISSING, "recipient_message": MISSING}
    ),
    "start": (
        "realm_start_reencryption_maintenance",
        {name: MISSING for name in
         ("realm_id", "encryption_revision", "timestamp", "per_participant_message")},
    ),
    "finish": (
        "realm_finish_reencryption_maintenance",
        {"realm_id": MISSING, "encryption_revision": MISSING},
    ),
    "realm_stats": ("realm_stats", {"realm_id": MISSING}),
    "realm_get_role_certificates": ("realm_get_role_certificates", {"realm_id": MISSING}),
})
async def missing_fields(t, row):
    """4.5: the required fields of the realm commands."""
    cmd, errors = row
    alice = await t.alice()
    expect_invalid(await alice.call(cmd), **errors)
