"""protocol/7-apiv1.md §7.1, §7.2: administration of organizations, and their bootstrap."""
import asyncio
import json
import re
import secrets
from datetime import timedelta
from uuid import uuid4

from certificates import OMIT, SigningKey
from harness import (
    ANY, Any, Better, better, case, check, eventually, expect, expect_end, expect_invalid,
    expect_ok, same, table,
)
from parsec_client import anonymous_answer, authenticated_answer
from wire import now

MISSING, NULL = "Missing data for required field.", "Field may not be null."
TOKEN = Any("64 hex digits", lambda v: isinstance(v, str) and re.fullmatch("[0-9a-f]{64}", v))
ADMINISTRATION = [
    "organization_create", "organization_status", "organization_stats", "organization_update",
]


def later(**delta):
    return now() + timedelta(**delta)


# --- organization_create -------------------------------------------------------------------------


@case
async def create(t):
    """7.1 organization_create: a random token of 64 hex digits, and no date when none was given."""
    admin = await t.administration()
    tokens = set()
    for _ in range(4):
        reply = await admin.call("organization_create", organization_id=t.new_organization().id)
        expect_ok(reply, bootstrap_token=TOKEN)
        tokens.add(reply["bootstrap_token"])
    check(len(tokens) == 4, "the same token twice")


@case
async def create_with_a_date(t):
    """7.1 organization_create: expiration_date comes back when one was given."""
    organization, date = t.new_organization(), later(days=3)
    admin = await t.administration()
    reply = await admin.call(
        "organization_create", organization_id=organization.id, expiration_date=date
    )
    expect_ok(reply, bootstrap_token=TOKEN, expiration_date=date)
    reply = await admin.call("organization_status", organization_id=organization.id)
    expect_ok(reply, is_bootstrapped=False, expiration_date=date)


@case
async def create_with_a_null_date(t):
    """7.1 organization_create: a null date is none."""
    organization = t.new_organization()
    admin = await t.administration()
    reply = await admin.call(
        "organization_create", organization_id=organization.id, expiration_date=None
    )
    expect_ok(reply, bootstrap_token=TOKEN)
    reply = await admin.call("organization_status", organization_id=organization.id)
    expect_ok(reply, is_bootstrapped=False, expiration_date=None)


@case
async def created_anew(t):
    """7.1 organization_create: not bootstrapped: created anew, with a new token and a new date."""
    organization = t.new_organization()
    admin = await t.administration()
    tokens = []
    for date in (None, later(days=1), later(days=2), None):
        tokens.append(await organization.create(expiration_date=date))
        reply = await admin.call("organization_status", organization_id=organization.id)
        expect_ok(reply, is_bootstrapped=False, expiration_date=date)
    check(len(set(tokens)) == 4, "the same token again")
    anonymous = await organization.connect_anonymous()
    first = first_device(organization)
    for token in tokens[:3]:
        fields = organization.bootstrap_fields(first, token)
        expect(await anonymous.call("organization_bootstrap", **fields), "not_found")
    fields = organization.bootstrap_fields(first, tokens[3])
    expect_ok(await anonymous.call("organization_bootstrap", **fields))


@case
async def create_already_exists(t):
    """7.1 organization_create: a bootstrapped one: already_exists, and nothing changes."""
    organization = await t.organization(expiration_date=(date := later(days=1)))
    admin = await t.administration()
    for fields in ({}, {"expiration_date": later(days=9)}):
        reply = await admin.call("organization_create", organization_id=organization.id, **fields)
        expect(reply, "already_exists")
    reply = await admin.call("organization_status", organization_id=organization.id)
    expect_ok(reply, is_bootstrapped=True, expiration_date=date)
    alice = await organization.connect(organization.alice)
    expect_ok(await alice.call("ping", ping="x"), pong="x")


@case
async def created_by_many_at_once(t):
    """7.1, 4: concurrent creations of one organization: all answer, one token is good."""
    organization = t.new_organization()
    admins = [await t.administration() for _ in range(6)]
    replies = await asyncio.gather(
        *(admin.call("organization_create", organization_id=organization.id) for admin in admins)
    )
    for reply in replies:
        expect_ok(reply, bootstrap_token=TOKEN)
    anonymous = await organization.connect_anonymous()
    statuses = []
    for reply in replies:
        fields = organization.bootstrap_fields(first_device(organization), reply["bootstrap_token"])
        statuses.append((await anonymous.call("organization_bootstrap", **fields))["status"])
    same(statuses.count("ok"), 1, f"ok among {statuses}")
    check(set(statuses) <= {"ok", "not_found", "already_bootstrapped"}, f"statuses {statuses}")


@case
async def names_of_any_script(t):
    """3.1, 7.1: organization IDs are word characters of any script, and case matters."""
    admin = await t.administration()
    tail = secrets.token_hex(5)
    names = [f"Él-_{tail}", f"él-_{tail}", f"組織{tail}", f"1{tail}", f"-{tail}", tail + "a" * 22]
    for number, name in enumerate(names):
        reply = await admin.call(
            "organization_create", organization_id=name, expiration_date=later(days=number + 1)
        )
        same(reply["status"], "ok", f"status for {name!r}")
    dates = set()
    for name in names:
        reply = await admin.call("organization_status", organization_id=name)
        dates.add(reply["expiration_date"])
    same(len(dates), len(names), "number of different organizations")


@table(dict(zip(ADMINISTRATION, ADMINISTRATION)))
async def invalid_organization_id(t, cmd):
    """1.4, 3.1: organization_id is validated in every administration command."""
    admin = await t.administration()
    fields = {"expiration_date": None}
    reply = await admin.call(cmd, **fields)
    expect_invalid(reply, organization_id=MISSING)
    expect_invalid(await admin.call(cmd, organization_id=None, **fields), organization_id=NULL)
    for name in ("", "a b", "a@b", "a/b", "a" * 33, "é" * 17, "\nname", "a.b", "✓"):
        reply = await admin.call(cmd, organization_id=name, **fields)
        expect_invalid(reply, organization_id="Invalid organization ID")
    for name in (42, b"Org", ["Org"]):
        reply = await admin.call(cmd, organization_id=name, **fields)
        expect_invalid(reply, organization_id=ANY)


@better("takes it")
@table(dict(zip(ADMINISTRATION, ADMINISTRATION)))
async def trailing_newline_in_organization_id(t, cmd):
    """3.1: a trailing newline is not part of any identifier."""
    admin = await t.administration()
    reply = await admin.call(cmd, organization_id="name\n", expiration_date=None)
    expect_invalid(reply, organization_id="Invalid organization ID")


@table({"organization_create": "organization_create", "organization_update": "organization_update"})
async def invalid_expiration_date(t, cmd):
    """1.4, 7.1: expiration_date is a datetime or null."""
    organization = await t.organization()
    admin = await t.administration()
    for date in ("2030-01-01", 1.5, 1_900_000_000, b"", uuid4(), True):
        reply = await admin.call(cmd, organization_id=organization.id, expiration_date=date)
        expect_invalid(reply, expiration_date="Not a datetime")


@table(dict(zip(ADMINISTRATION[1:], ADMINISTRATION[1:])))
async def unknown_organization(t, cmd):
    """7.1: not_found for an organization that nobody created, and asking does not create it."""
    admin = await t.administration()
    organization = t.new_organization()
    for _ in range(2):
        reply = await admin.call(cmd, organization_id=organization.id, expiration_date=None)
        expect(reply, "not_found")


# --- organization_status, organization_update ----------------------------------------------------


@case
async def status(t):
    """7.1 organization_status: is_bootstrapped and expiration_date."""
    organization = t.new_organization()
    admin = await t.administration()
    token = await organization.create()
    fields = {"organization_id": organization.id}
    expect_ok(
        await admin.call("organization_status", **fields),
        is_bootstrapped=False, expiration_date=None,
    )
    await organization.bootstrap(token)
    expect_ok(
        await admin.call("organization_status", **fields),
        is_bootstrapped=True, expiration_date=None,
    )


@case
async def update(t):
    """7.1 organization_update: sets or removes the date, bootstrapped or not."""
    admin = await t.administration()
    fresh = t.new_organization()
    await fresh.create()
    for organization in (fresh, await t.organization()):
        for date in (later(days=1), None, later(days=9), later(hours=1)):
            reply = await admin.call(
                "organization_update", organization_id=organization.id, expiration_date=date
            )
            expect_ok(reply)
            reply = await admin.call("organization_status", organization_id=organization.id)
            same(reply["expiration_date"], date, "expiration_date")


@better("drops the connection")
@case
async def update_without_a_date(t):
    """7.1 organization_update: a missing expiration_date is bad_message here."""
    organization = await t.organization(expiration_date=(date := later(days=1)))
    admin = await t.administration()
    reply = await admin.call("organization_update", organization_id=organization.id)
    expect(reply, "bad_message")
    reply = await admin.call("organization_update", organization_id=t.new_organization().id)
    expect(reply, "bad_message")
    reply = await admin.call("organization_status", organization_id=organization.id)
    same(reply["expiration_date"], date, "expiration_date")


@case
async def update_to_the_future_drops_nobody(t):
    """7.1 organization_update: only a date ≤ now drops connections."""
    alice = await t.alice()
    admin = await t.administration()
    for date in (later(seconds=30), None):
        reply = await admin.call(
            "organization_update", organization_id=alice.organization.id, expiration_date=date
        )
        expect_ok(reply)
    for _ in range(3):
        expect_ok(await alice.call("ping", ping="x"), pong="x")


@case
async def update_to_the_past_drops_everybody(t):
    """7.1 organization_update: a date ≤ now drops all connections of the organization at once."""
    alice, bob = await t.pair()
    organization = alice.organization
    v1 = await organization.connect(organization.alice, version=1)
    stranger = await t.alice()
    admin = await t.administration()
    reply = await admin.call(
        "organization_update", organization_id=organization.id, expiration_date=later(seconds=-1)
    )
    expect_ok(reply)
    for connection in (alice, bob, v1):
        await expect_end(connection)
    expect_ok(await stranger.call("ping", ping="x"), pong="x")
    expect_ok(await admin.call("ping", ping="x"), pong="x")


@case
async def expired_and_back(t):
    """7.1 organization_update: an expired organization lives again with a later date, or none."""
    organization = await t.organization()
    admin = await t.administration()

    async def set_date(date):
        expect_ok(
            await admin.call(
                "organization_update", organization_id=organization.id, expiration_date=date
            )
        )

    async def result_of_alice():
        _, result = await t.handshake(
            lambda challenge: authenticated_answer(organization.alice, challenge)
        )
        return result["result"]

    for revival in (None, later(days=1)):
        await set_date(later(seconds=-1))
        same(await result_of_alice(), "organization_expired", "result")
        await set_date(revival)
        same(await result_of_alice(), "ok", "result")


@case
async def created_already_expired(t):
    """2.2, 7.1: a creation with a past date is a creation; nobody gets in before an update."""
    organization = t.new_organization()
    token = await organization.create(expiration_date=(date := later(seconds=-5)))
    admin = await t.administration()
    reply = await admin.call("organization_status", organization_id=organization.id)
    expect_ok(reply, is_bootstrapped=False, expiration_date=date)
    _, result = await t.handshake(anonymous_answer(organization.id))
    same(result["result"], "organization_expired", "result")
    reply = await admin.call(
        "organization_update", organization_id=organization.id, expiration_date=None
    )
    expect_ok(reply)
    await organization.bootstrap(token)


@case(needs=["second-server"])
async def administration_across_servers(t):
    """7.1: every server of the deployment administers the same organizations."""
    here, there = await t.administration(), await t.administration(t.second)
    organization = t.new_organization()
    fields = {"organization_id": organization.id}
    reply = await there.call("organization_create", **fields, expiration_date=None)
    await organization.bootstrap(reply["bootstrap_token"])
    alice = await organization.connect(organization.alice)
    expect_ok(
        await there.call("organization_status", **fields),
        is_bootstrapped=True, expiration_date=None,
    )
    expect(await there.call("organization_create", **fields), "already_exists")
    reply = await there.call("organization_update", **fields, expiration_date=later(seconds=-1))
    expect_ok(reply)
    await expect_end(alice)
    expect(await here.call("organization_stats", **fields), "ok")


# --- organization_stats --------------------------------------------------------------------------


async def expect_stats(t, organization, **wanted):
    admin = await t.administration()
    reply = await admin.call("organization_stats", organization_id=organization.id)
    expect_ok(reply, **wanted)


@case
async def stats_of_an_empty_organization(t):
    """7.1 organization_stats: nothing before the bootstrap, one user after it."""
    organization = t.new_organization()
    token = await organization.create()
    await expect_stats(t, organization, data_size=0, metadata_size=0, users=0)
    await organization.bootstrap(token)
    await expect_stats(t, organization, data_size=0, metadata_size=0, users=1)


@case
async def stats_count_users(t):
    """7.1 organization_stats: number of users, revoked ones too; devices do not count."""
    alice = await t.alice()
    await alice.add_user("bob", "OUTSIDER")
    await alice.add_user("eve", human=None)
    await alice.add_device("dev2")
    await expect_stats(t, alice.organization, data_size=0, metadata_size=0, users=3)
    await alice.revoke("bob")
    await expect_stats(t, alice.organization, data_size=0, metadata_size=0, users=3)


@case
async def stats_add_up_sizes(t):
    """7.1 organization_stats: block sizes, and the sizes of all vlob versions, of all realms."""
    alice = await t.alice()
    stranger = await t.alice()
    data = metadata = 0
    for number in range(2):
        realm_id = await alice.create_realm()
        vlob_id = await alice.create_vlob(realm_id, b"x" * 10)
        await alice.update_vlob(vlob_id, 2, b"y" * 200)
        await alice.create_vlob(realm_id, b"")
        await alice.create_block(realm_id, b"z" * 3000)
        await alice.create_block(realm_id, b"")
        data, metadata = data + 3000, metadata + 210
        await expect_stats(
            t, alice.organization, data_size=data, metadata_size=metadata, users=1
        )
    await expect_stats(t, stranger.organization, data_size=0, metadata_size=0, users=1)


@case
async def stats_of_refused_writes(t):
    """7.1 organization_stats: what was refused does not count."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    vlob_id = await alice.create_vlob(realm_id, b"12345")
    block_id = await alice.create_block(realm_id, b"123")
    expect(await alice.try_update_vlob(vlob_id, 5, b"much more"), "bad_version")
    reply = await alice.call("block_create", block_id=block_id, realm_id=realm_id, block=b"more")
    expect(reply, "already_exists")
    await expect_stats(t, alice.organization, data_size=3, metadata_size=5, users=1)


@case
async def stats_after_a_reencryption(t):
    """7.1 organization_stats: vlob version sizes; a re-encrypted copy is a stored version too."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    vlob_id = await alice.create_vlob(realm_id, b"12345")
    await alice.start_reencryption(realm_id, ["alice"])
    reply = await alice.call(
        "vlob_maintenance_save_reencryption_batch", realm_id=realm_id, encryption_revision=2,
        batch=[{"vlob_id": vlob_id, "version": 1, "blob": b"1234567"}],
    )
    expect_ok(reply, total=1, done=1)
    await alice.finish_reencryption(realm_id)
    await expect_stats(t, alice.organization, data_size=0, metadata_size=12, users=1)


# --- organization_bootstrap: the happy paths -----------------------------------------------------


def first_device(organization, device_id="alice@dev1", **options):
    options = {
        "profile": "ADMIN", "human_handle": ["alice@example.com", "Alice"], "label": "PC", **options
    }
    return organization.new_device(device_id, **options)


class Bootstrap:
    """An organization just created, and the fields for its bootstrap."""

    @classmethod
    async def make(cls, t, **create_fields):
        self = cls()
        self.t = t
        self.organization = t.new_organization()
        self.token = await self.organization.create(**create_fields)
        self.first = first_device(self.organization)
        self.anonymous = await self.organization.connect_anonymous()
        return self

    def fields(self, **options):
        """options: of user_certificates: timestamp, changes."""
        return self.organization.bootstrap_fields(self.first, self.token, **options)

    async def send(self, fields):
        return await self.anonymous.call("organization_bootstrap", **fields)

    async def still_possible(self):
        """Whatever was refused, the organization is as it was."""
        await expect_stats(self.t, self.organization, data_size=0, metadata_size=0, users=0)
        expect_ok(await self.send(self.fields()))


@case
async def bootstrap(t):
    """7.2: root key, first user and first device are stored."""
    new = await Bootstrap.make(t)
    fields = new.fields()
    expect_ok(await new.send(fields))
    alice = await new.organization.connect(new.first)
    expect_ok(
        await alice.call("user_get", user_id="alice"),
        user_certificate=fields["user_certificate"], revoked_user_certificate=None,
        device_certificates=[fields["device_certificate"]],
        trustchain={"devices": [], "users": [], "revoked_users": []},
    )
    expect_ok(
        await alice.call("human_find"),
        results=[{
            "user_id": "alice", "human_handle": ["alice@example.com", "Alice"], "revoked": False
        }],
        page=1, per_page=100, total=1,
    )
    await alice.add_user("bob")  # which an ADMIN may


@case
async def bootstrap_redacted(t):
    """7.2 8: the redacted certificates are what an OUTSIDER sees."""
    new = await Bootstrap.make(t)
    fields = new.fields()
    expect_ok(await new.send(fields))
    alice = await new.organization.connect(new.first)
    out = await new.organization.connect(await alice.add_user("out", "OUTSIDER"))
    reply = await out.call("user_get", user_id="alice")
    same(reply["user_certificate"], fields["redacted_user_certificate"], "user certificate")
    same(reply["device_certificates"], [fields["redacted_device_certificate"]], "devices")


@table({"with human handle and label": True, "without": False})
async def bootstrap_without_redacted(t, human):
    """7.2 8: without redacted certificates the plain ones serve as redacted."""
    new = await Bootstrap.make(t)
    if not human:
        new.first = first_device(new.organization, human_handle=None, label=None)
    fields = new.fields()
    del fields["redacted_user_certificate"], fields["redacted_device_certificate"]
    expect_ok(await new.send(fields))
    alice = await new.organization.connect(new.first)
    out = await new.organization.connect(await alice.add_user("out", "OUTSIDER"))
    reply = await out.call("user_get", user_id="alice")
    same(reply["user_certificate"], fields["user_certificate"], "user certificate")
    same(reply["device_certificates"], [fields["device_certificate"]], "devices")


@table({
    "is_admin without profile": {"user_certificate": {"profile": OMIT, "is_admin": True},
                                 "redacted_user_certificate": {"profile": OMIT, "is_admin": True}},
    "redacted fields absent": {"redacted_user_certificate": {"human_handle": OMIT},
                               "redacted_device_certificate": {"device_label": OMIT}},
    "is_admin false, profile ADMIN": {"user_certificate": {"is_admin": False},
                                      "redacted_user_certificate": {"is_admin": False}},
})
async def bootstrap_forms(t, changes):
    """3.3, 7.2: the forms that a first user's certificates may have."""
    new = await Bootstrap.make(t)
    expect_ok(await new.send(new.fields(changes=changes)))
    alice = await new.organization.connect(new.first)
    await alice.add_user("bob")


@case
async def bootstrap_connection_stays_anonymous(t):
    """7.2: the anonymous connection lives on as what it was."""
    new = await Bootstrap.make(t)
    expect_ok(await new.send(new.fields()))
    expect(await new.anonymous.call("user_get", user_id="alice"), "unknown_command")
    expect_ok(await new.anonymous.call("ping", ping="x"), pong="x")


@better("drops the connections that lose the race")
@case
async def bootstrap_by_many_at_once(t):
    """4, 7.2: of several at once exactly one bootstraps, the others are already_bootstrapped."""
    new = await Bootstrap.make(t)
    connections = [await new.organization.connect_anonymous() for _ in range(5)]
    replies = await asyncio.gather(
        *(each.call("organization_bootstrap", **new.fields()) for each in connections)
    )
    statuses = sorted(reply["status"] for reply in replies)
    same(statuses, ["already_bootstrapped"] * 4 + ["ok"], "statuses")
    await expect_stats(t, new.organization, data_size=0, metadata_size=0, users=1)


# --- organization_bootstrap: the numbered checks -------------------------------------------------


REDACTED = ("redacted_user_certificate", "redacted_device_certificate")
FOUR = ("user_certificate", "device_certificate", *REDACTED)

MUTILATIONS = {
    "empty": lambda certificate: b"",
    "no signature": lambda certificate: certificate[64:],
    "spoilt signature": lambda certificate: bytes(64) + certificate[64:],
    "cut": lambda certificate: certificate[:-3],
    "with more behind": lambda certificate: certificate + b"\0",
}


@table({f"{name}: {how}": (name, how) for name in FOUR for how in MUTILATIONS})
async def bootstrap_1_mutilated_certificate(t, row):
    """7.2 1: a certificate does not verify with root_verify_key: invalid_certification."""
    name, how = row
    new = await Bootstrap.make(t)
    fields = new.fields()
    fields[name] = MUTILATIONS[how](fields[name])
    expect(await new.send(fields), "invalid_certification")
    await new.still_possible()


@table({
    f"{name}: {label}": (name, change)
    for name in FOUR
    for label, change in {
        "another key": {"key": SigningKey()},
        "an author": {"author": "alice@dev1"},
        "no timestamp": {"timestamp": OMIT},
        "wrong type": {"type": "revoked_user_certificate"},
    }.items()
})
async def bootstrap_1_wrong_certificate(t, row):
    """7.2 1: signed by another key, or not by a null author, or not of that type."""
    name, change = row
    new = await Bootstrap.make(t)
    expect(await new.send(new.fields(changes={name: change})), "invalid_certification")
    await new.still_possible()


@case
async def bootstrap_1_wrong_author_is_told(t):
    """3.3, 7.2 1: for a root-signed certificate the expected author is the root key."""
    new = await Bootstrap.make(t)
    reply = await new.send(new.fields(changes={"user_certificate": {"author": "zoe@dev1"}}))
    reason = "Invalid certification data (Invalid author: expected `<root key>`, got `zoe@dev1`)."
    expect(reply, "invalid_certification", reason=reason)


@case
async def bootstrap_1_root_verify_key_differs(t):
    """7.2 1: all certificates are verified with the root_verify_key of the request."""
    new = await Bootstrap.make(t)
    fields = {**new.fields(), "root_verify_key": SigningKey().verify_key}
    expect(await new.send(fields), "invalid_certification")
    await new.still_possible()


@table({
    "STANDARD": {"profile": "STANDARD", "is_admin": False},
    "OUTSIDER": {"profile": "OUTSIDER", "is_admin": False},
    "no profile, not is_admin": {"profile": OMIT, "is_admin": False},
})
async def bootstrap_2_profile(t, change):
    """7.2 2: profile ≠ ADMIN: invalid_data."""
    new = await Bootstrap.make(t)
    changes = {"user_certificate": change, "redacted_user_certificate": change}
    expect(
        await new.send(new.fields(changes=changes)),
        "invalid_data", reason="Bootstrapping user must have admin profile.",
    )
    await new.still_possible()


def device_change(**change):
    return {"device_certificate": change, "redacted_device_certificate": change}


@case
async def bootstrap_3_timestamps(t):
    """7.2 3: timestamps of user and device differ: invalid_data."""
    new = await Bootstrap.make(t)
    timestamp = now()
    changes = device_change(timestamp=timestamp + timedelta(microseconds=1))
    expect(
        await new.send(new.fields(timestamp=timestamp, changes=changes)),
        "invalid_data", reason="Device and user certificates must have the same timestamp.",
    )
    await new.still_possible()


@case
async def bootstrap_4_users(t):
    """7.2 4: the device is another user's: invalid_data."""
    new = await Bootstrap.make(t)
    expect(
        await new.send(new.fields(changes=device_change(device_id="bob@dev1"))),
        "invalid_data", reason="Device and user must have the same user ID.",
    )
    await new.still_possible()


@table({"past": -1, "future": 1})
async def bootstrap_5_ballpark(t, sign):
    """3.4, 7.2 5: 30 minutes off: invalid_certification; a little less is fine."""
    new = await Bootstrap.make(t)
    expect(
        await new.send(new.fields(timestamp=later(minutes=31 * sign))),
        "invalid_certification", reason="Invalid timestamp in certification.",
    )
    expect_ok(await new.send(new.fields(timestamp=later(minutes=29 * sign))))


USER_DIFFERS = "Redacted User certificate differs from User certificate."
DEVICE_DIFFERS = "Redacted Device certificate differs from Device certificate."
LABEL = "Redacted Device certificate must not contain a device_label field."
HANDLE = "Redacted User certificate must not contain a human_handle field."


@table({
    "user: other user ID": ({"redacted_user_certificate": {"user_id": "bob"}}, USER_DIFFERS),
    "user: other public key": (
        {"redacted_user_certificate": {"public_key": bytes(32)}}, USER_DIFFERS
    ),
    "user: other profile": (
        {"redacted_user_certificate": {"profile": "STANDARD", "is_admin": False}}, USER_DIFFERS
    ),
    "user: other timestamp": (
        {"redacted_user_certificate": {"timestamp": later(seconds=1)}}, USER_DIFFERS
    ),
    "user: human handle": (
        {"redacted_user_certificate": {"human_handle": ["alice@example.com", "Alice"]}}, HANDLE
    ),
    "device: other device ID": (
        {"redacted_device_certificate": {"device_id": "alice@dev2"}}, DEVICE_DIFFERS
    ),
    "device: other verify key": (
        {"redacted_device_certificate": {"verify_key": SigningKey().verify_key}}, DEVICE_DIFFERS
    ),
    "device: other timestamp": (
        {"redacted_device_certificate": {"timestamp": later(seconds=1)}}, DEVICE_DIFFERS
    ),
    "device: label": ({"redacted_device_certificate": {"device_label": "PC"}}, LABEL),
})
async def bootstrap_6_redacted(t, row):
    """7.2 6: a redacted certificate that differs, or holds what it must not hold: invalid_data."""
    changes, reason = row
    new = await Bootstrap.make(t)
    expect(await new.send(new.fields(changes=changes)), "invalid_data", reason=reason)
    await new.still_possible()


@table(dict(zip(REDACTED, REDACTED)))
async def bootstrap_6_only_one_redacted(t, name):
    """7.2 6: the two redacted ones come together or not at all."""
    new = await Bootstrap.make(t)
    fields = new.fields()
    del fields[name]
    expect(
        await new.send(fields), "invalid_data",
        reason="Redacted user&device certificate muste be provided together",
    )
    await new.still_possible()


@case
async def bootstrap_7_already_bootstrapped(t):
    """7.2 7: already bootstrapped, with the right token or another one."""
    organization = await t.organization()
    anonymous = await organization.connect_anonymous()
    for token in ("", "wrong", secrets.token_hex(32)):
        fields = organization.bootstrap_fields(first_device(organization), token)
        reply = await anonymous.call("organization_bootstrap", **fields)
        expect(reply, "already_bootstrapped")


@case
async def bootstrap_7_already_bootstrapped_with_the_right_token(t):
    """7.2 7: the token is good only once."""
    new = await Bootstrap.make(t)
    fields = new.fields()
    expect_ok(await new.send(fields))
    expect(await new.send(fields), "already_bootstrapped")
    expect(await new.send(new.fields()), "already_bootstrapped")


@table({
    "empty": lambda token: "", "other": lambda token: secrets.token_hex(32),
    "prefix": lambda token: token[:-1], "longer": lambda token: token + "0",
    "upper case": lambda token: token.upper() + "F",
})
async def bootstrap_7_wrong_token(t, spoil):
    """7.2 7: wrong token: not_found."""
    new = await Bootstrap.make(t)
    fields = {**new.fields(), "bootstrap_token": spoil(new.token)}
    expect(await new.send(fields), "not_found")
    await new.still_possible()


@case
async def bootstrap_token_of_another_organization(t):
    """7.2 7: a token is good for its organization only."""
    new, another = await Bootstrap.make(t), await Bootstrap.make(t)
    expect(await new.send({**new.fields(), "bootstrap_token": another.token}), "not_found")
    await new.still_possible()
    await another.still_possible()


@table({
    "nothing": (
        {},
        {
            "bootstrap_token": MISSING, "root_verify_key": MISSING, "user_certificate": MISSING,
            "device_certificate": MISSING,
        },
    ),
    "wrong types": (
        {
            "bootstrap_token": 1, "root_verify_key": b"x", "user_certificate": "x",
            "device_certificate": 1, "redacted_user_certificate": "x",
            "redacted_device_certificate": 2,
        },
        {
            "bootstrap_token": "Not a valid string.", "root_verify_key": "Invalid verify key.",
            "user_certificate": "Not bytes", "device_certificate": "Not bytes",
            "redacted_user_certificate": "Not bytes", "redacted_device_certificate": "Not bytes",
        },
    ),
    "nulls": (
        {
            "bootstrap_token": None, "root_verify_key": None, "user_certificate": None,
            "device_certificate": None, "redacted_user_certificate": None,
            "redacted_device_certificate": None,
        },
        {
            "bootstrap_token": NULL, "root_verify_key": NULL, "user_certificate": NULL,
            "device_certificate": NULL, "redacted_user_certificate": NULL,
            "redacted_device_certificate": NULL,
        },
    ),
})
async def bootstrap_invalid_fields(t, row):
    """1.4, 7.2: its fields; null is not allowed for the redacted ones either."""
    fields, errors = row
    new = await Bootstrap.make(t)
    expect_invalid(await new.send(fields), **errors)
    await new.still_possible()


# each row fails two neighbouring checks: the reply is that of the first
WRONG_PROFILE = {
    "user_certificate": {"profile": "STANDARD", "is_admin": False},
    "redacted_user_certificate": {"profile": "STANDARD", "is_admin": False},
}
OTHER_TIME = device_change(timestamp=later(minutes=-1))
LONG_AGO = {"timestamp": later(hours=-2)}


@table({
    "1 before 2": (
        {**WRONG_PROFILE, "device_certificate": {"key": SigningKey()}},
        "invalid_certification", Any("a detail", lambda v: v.startswith("Invalid certification data")),
    ),
    "2 before 3": (
        {**WRONG_PROFILE, **OTHER_TIME},
        "invalid_data", "Bootstrapping user must have admin profile.",
    ),
    "3 before 4": (
        device_change(timestamp=later(minutes=-1), device_id="bob@dev1"),
        "invalid_data", "Device and user certificates must have the same timestamp.",
    ),
    "4 before 5": (
        {
            **{name: LONG_AGO for name in FOUR},
            **device_change(device_id="bob@dev1", **LONG_AGO),
        },
        "invalid_data", "Device and user must have the same user ID.",
    ),
    "5 before 6": (
        {
            **{name: LONG_AGO for name in FOUR},
            "redacted_user_certificate": {"user_id": "bob", **LONG_AGO},
        },
        "invalid_certification", "Invalid timestamp in certification.",
    ),
})
async def bootstrap_order_of_checks(t, row):
    """7.2: of the numbered checks the first that fails decides."""
    changes, status, reason = row
    new = await Bootstrap.make(t)
    expect(await new.send(new.fields(changes=changes)), status, reason=reason)


@case
async def bootstrap_data_before_token(t):
    """7.2 6, 7: the certificates are checked before the token and before already_bootstrapped."""
    new = await Bootstrap.make(t)
    bad = new.fields(changes={"redacted_user_certificate": {"user_id": "bob"}})
    expect(await new.send({**bad, "bootstrap_token": "wrong"}), "invalid_data")
    expect_ok(await new.send(new.fields()))
    expect(await new.send(bad), "invalid_data")


# --- webhook -------------------------------------------------------------------------------------


class Webhook:
    """An HTTP server on the port of the webhook."""

    def __init__(self, t, answer=b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"):
        self.port, self.answer, self.requests = t.options.webhook_port, answer, []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def serve(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            size = int(re.search(r"(?i)\r\ncontent-length: *(\d+)", head)[1])
            self.requests.append((head, json.loads(await reader.readexactly(size))))
            writer.write(self.answer)
            await writer.drain()
        finally:
            writer.close()

    async def about(self, organization):
        """(head, body) of the first request about that organization."""

        async def probe():
            return any(body["organization_id"] == organization.id for _, body in self.requests)

        await eventually(probe, "a request to the webhook")
        found = [r for r in self.requests if r[1]["organization_id"] == organization.id]
        same(len(found), 1, "number of requests")
        return found[0]


@table({
    "with human handle and label": (["alice@example.com", "Alice"], "PC"),
    "in Unicode": (["zoé@example.com", "Zoé 日本"], "Mein Gerät"),
    "without": (None, None),
}, needs=["webhook-port"], alone=True)
async def webhook(t, row):
    """server 5: after each organization_bootstrap: POST of a JSON document."""
    human, label = row
    new = await Bootstrap.make(t)
    new.first = first_device(new.organization, human_handle=human, label=label)
    async with Webhook(t) as hook:
        expect_ok(await new.send(new.fields()))
        head, body = await hook.about(new.organization)
    check(head.startswith("POST "), f"request {head!r}")
    content_type = re.search(r"(?i)\r\ncontent-type: *([^\r]*)", head)[1]
    same(content_type.lower(), "application/json; charset=utf-8", "content-type")
    address, name = human or (None, None)
    same(
        body,
        {
            "organization_id": new.organization.id, "device_id": "alice@dev1",
            "device_label": label, "human_email": address, "human_label": name,
        },
        "body",
    )


@table({
    "500": b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n",
    "not HTTP": Better("drops the connection", b"hello\r\n\r\n"),
    "nothing": Better("drops the connection", b""),
}, needs=["webhook-port"], alone=True)
async def webhook_that_fails(t, answer):
    """server 5: a failure or a status other than 200 does not change the reply."""
    new = await Bootstrap.make(t)
    async with Webhook(t, answer) as hook:
        expect_ok(await new.send(new.fields()))
        await hook.about(new.organization)
    alice = await new.organization.connect(new.first)
    expect_ok(await alice.call("ping", ping="x"), pong="x")


@case(needs=["webhook-port"], alone=True)
async def no_webhook_for_a_refused_bootstrap(t):
    """server 5: only a bootstrap that succeeded is told."""
    new = await Bootstrap.make(t)
    async with Webhook(t) as hook:
        expect(await new.send({**new.fields(), "bootstrap_token": "wrong"}), "not_found")
        expect_ok(await new.send(new.fields()))
        await hook.about(new.organization)


@case(needs=["webhook-port"], alone=True)
async def webhook_nobody_listens_to(t):
    """server 5: an unreachable webhook does not change the reply."""
    new = await Bootstrap.make(t)
    expect_ok(await new.send(new.fields()))
