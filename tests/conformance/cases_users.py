"""protocol/4-commands.md §4.1, §4.4 and protocol/3-types.md: ping, users, devices, certificates, identifiers."""
import zlib
from datetime import timedelta

import certificates
from certificates import OMIT, SigningKey
from harness import (
    ANY, Any, Better, better, case, check, expect, expect_invalid, expect_ok, instance, same, table, vectors,
)
from parsec_client import authenticated_answer, device_certificates, user_certificates
from wire import now, pack

BALLPARK = timedelta(minutes=30)
MARGIN = timedelta(seconds=20)
INVALID_CERTIFICATION = Any(
    "Invalid certification data (…).",
    lambda v: isinstance(v, str) and v.startswith("Invalid certification data (") and v.endswith(")."),
)


def wrong_author(expected, got):
    return f"Invalid certification data (Invalid author: expected `{expected}`, got `{got}`)."


def new_user(session, name="zoe", profile="STANDARD", human="", **options):
    """The fields of a user_create by that session, for a user that is not there yet."""
    organization = session.organization
    if human == "":
        human = [organization.email(name), name.capitalize()]
    device = organization.new_device(
        f"{name}@dev1", profile=profile, human_handle=human, label=f"{name}'s first"
    )
    return user_certificates(session.device, device, **options)


async def create(session, **options):
    return await session.call("user_create", **new_user(session, **options))


async def known_users(session):
    reply = await session.call("human_find")
    return sorted(result["user_id"] for result in reply["results"])


# --- ping ----------------------------------------------------------------------------------------


@table({
    "empty": "", "text": "hello", "64 characters": "x" * 64, "unicode": "日本語 ✓ \U0001f600",
    "NUL inside": "a\0b", "newlines": "a\r\nb",
})
async def ping(t, text):
    """4.1: the pong is the same string."""
    alice = await t.alice()
    expect_ok(await alice.call("ping", ping=text), pong=text)


@better("closes the connection")
@case
async def ping_too_long_for_an_event(t):
    """4.1: a ping too long for an event is answered, without event."""
    alice = await t.alice()
    for size in (8_000, 100_000, 1_048_576):
        reply = await alice.call("ping", ping="x" * size)
        check(reply == {"status": "ok", "pong": "x" * size}, f"{size}: {str(reply)[:80]}")


# --- user_get ------------------------------------------------------------------------------------


def certified(reply):
    """A user_get reply with its lists as sets (their order is free)."""
    chain = reply["trustchain"]
    for name, listed in (("device_certificates", reply["device_certificates"]), *chain.items()):
        check(len(set(listed)) == len(listed), f"a certificate twice in {name}")
    return {
        **{name: value for name, value in reply.items() if name not in ("device_certificates", "trustchain")},
        "device_certificates": set(reply["device_certificates"]),
        "trustchain": {name: set(listed) for name, listed in chain.items()},
    }


def names_of(octets_set, organization):
    """The known certificates in a set, by name: for readable failures."""
    names = {}
    for device in organization.devices.values():
        for field, octets in device.certificates.items():
            if field.endswith("user_certificate"):
                names[octets] = f"{field}:{device.user_id}"
            elif field.endswith("device_certificate"):
                names[octets] = f"{field}:{device.id}"
    return sorted(names.get(octets, f"<unknown {octets[:4].hex()}>") for octets in octets_set)


def expect_user(reply, organization, user_id, devices, *, redacted=False, revoked=None, chain=None):
    """chain: {"devices": [device ids], "users": [user ids], "revoked_users": {certificates}}"""
    prefix = "redacted_" if redacted else ""
    chain = chain or {}

    def user_certificate(name):
        first = next(d for d in organization.devices.values()
                     if d.user_id == name and "user_certificate" in d.certificates)
        return first.certificates[f"{prefix}user_certificate"]

    def device_certificate(name):
        return organization.devices[name].certificates[f"{prefix}device_certificate"]

    expect_ok(
        reply, user_certificate=ANY, revoked_user_certificate=ANY, device_certificates=ANY,
        trustchain=Any("the three lists", lambda v: set(v) == {"devices", "users", "revoked_users"}),
    )
    got = certified(reply)
    same(got["user_certificate"], user_certificate(user_id), "user_certificate")
    same(got["revoked_user_certificate"], revoked, "revoked_user_certificate")
    pairs = (
        ("device_certificates", got["device_certificates"], {device_certificate(d) for d in devices}),
        ("trustchain devices", got["trustchain"]["devices"],
         {device_certificate(d) for d in chain.get("devices", ())}),
        ("trustchain users", got["trustchain"]["users"],
         {user_certificate(u) for u in chain.get("users", ())}),
    )
    for what, found, wanted in pairs:
        check(
            found == wanted,
            f"{what}: got {names_of(found, organization)}, want {names_of(wanted, organization)}",
        )
    same(got["trustchain"]["revoked_users"], set(chain.get("revoked_users", ())), "revoked_users")


@case
async def user_get_of_the_first_user(t):
    """4.4 user_get: certificates signed by the root key have no certifier: the chain is empty."""
    alice = await t.alice()
    reply = await alice.call("user_get", user_id="alice")
    expect_user(reply, alice.organization, "alice", ["alice@dev1"])


@case
async def user_get_unknown(t):
    """4.4 user_get: unknown: not_found."""
    alice = await t.alice()
    expect(await alice.call("user_get", user_id="nobody"), "not_found")


@case
async def user_get_of_another_organization(t):
    """4.4 user_get: users of other organizations are unknown here."""
    alice = await t.alice()
    other = await t.alice()
    await other.add_user("bob")
    expect(await alice.call("user_get", user_id="bob"), "not_found")


@case
async def user_get_chain_of_one(t):
    """4.4 user_get: the device that certified the user, and its owner, are in the chain."""
    alice = await t.alice()
    await alice.add_user("bob")
    reply = await alice.call("user_get", user_id="bob")
    expect_user(
        reply, alice.organization, "bob", ["bob@dev1"],
        chain={"devices": ["alice@dev1"], "users": ["alice"]},
    )


@case
async def user_get_chain_of_several(t):
    """4.4 user_get: the chain is the closure of who certified: devices, owners, their revocations."""
    alice = await t.alice()
    organization = alice.organization
    bob = await organization.connect(await alice.add_user("bob", "ADMIN"))
    bob_2 = await organization.connect(await bob.add_device("dev2"))
    carol = await organization.connect(await bob_2.add_user("carol", "ADMIN"))
    dave = await organization.connect(await carol.add_user("dave"))
    await dave.add_device("dev2")
    revocation = await alice.revoke("carol")
    reply = await alice.call("user_get", user_id="dave")
    expect_user(
        reply, organization, "dave", ["dave@dev1", "dave@dev2"],
        chain={
            # dave@dev2 was certified by dave@dev1, so dave himself is reached
            "devices": ["dave@dev1", "carol@dev1", "bob@dev2", "bob@dev1", "alice@dev1"],
            "users": ["dave", "carol", "bob", "alice"],
            "revoked_users": [revocation],
        },
    )
    reply = await alice.call("user_get", user_id="carol")
    expect_user(
        reply, organization, "carol", ["carol@dev1"], revoked=revocation,
        chain={"devices": ["bob@dev2", "bob@dev1", "alice@dev1"], "users": ["bob", "alice"]},
    )


@case
async def user_get_own_devices_in_the_chain(t):
    """4.4 user_get: the user itself is in the chain only if it certified something of itself."""
    alice = await t.alice()
    await alice.add_device("dev2")
    reply = await alice.call("user_get", user_id="alice")
    expect_user(
        reply, alice.organization, "alice", ["alice@dev1", "alice@dev2"],
        chain={"devices": ["alice@dev1"], "users": ["alice"]},
    )


@case
async def user_get_revoker_is_in_the_chain(t):
    """4.4 user_get: the device that certified the revocation is followed too."""
    alice = await t.alice()
    organization = alice.organization
    bob = await organization.connect(await alice.add_user("bob", "ADMIN"))
    await alice.add_user("carol")
    revocation = await bob.revoke("carol")
    reply = await alice.call("user_get", user_id="carol")
    expect_user(
        reply, organization, "carol", ["carol@dev1"], revoked=revocation,
        chain={"devices": ["alice@dev1", "bob@dev1"], "users": ["alice", "bob"]},
    )


@case
async def user_get_revokers_of_reached_owners(t):
    """4.4 user_get: the certifiers of the revocations met on the way are followed as well."""
    alice = await t.alice()
    organization = alice.organization
    bob = await organization.connect(await alice.add_user("bob", "ADMIN"))
    await bob.add_user("dave")
    carol = await organization.connect(await alice.add_user("carol", "ADMIN"))
    revocation = await carol.revoke("bob")
    reply = await alice.call("user_get", user_id="dave")
    expect_user(
        reply, organization, "dave", ["dave@dev1"],
        chain={
            "devices": ["bob@dev1", "alice@dev1", "carol@dev1"],
            "users": ["bob", "alice", "carol"],
            "revoked_users": [revocation],
        },
    )


@case
async def user_get_by_an_outsider_is_redacted(t):
    """4.4 user_get: an OUTSIDER gets the redacted user and device certificates everywhere."""
    alice, bob = await t.pair("OUTSIDER")
    organization = alice.organization
    chain = {"devices": ["alice@dev1"], "users": ["alice"]}
    for session, redacted in ((alice, False), (bob, True)):
        reply = await session.call("user_get", user_id="bob")
        expect_user(reply, organization, "bob", ["bob@dev1"], redacted=redacted, chain=chain)
        reply = await session.call("user_get", user_id="alice")
        expect_user(reply, organization, "alice", ["alice@dev1"], redacted=redacted)


# --- human_find ----------------------------------------------------------------------------------


async def members(t):
    """alice, and users whose order by label, by id and by creation all differ."""
    alice = await t.alice()
    for name, human in (
        ("u5", None),
        ("Zed", ["zed@example.com", "adam"]),
        ("bob", ["bob@example.com", "Zoé Ñandú"]),
        ("u4", None),
        ("B", None),
        ("amy", ["amy@other.org", "ADAM"]),
        ("carl", ["carl@example.com", "Carl (x)"]),
    ):
        await alice.add_user(name, human=human)
    await alice.revoke("carl")
    await alice.revoke("u4")
    return alice


@table({
    "all": ({}, ["amy", "Zed", "alice", "carl", "bob", "B", "u4", "u5"]),
    "omit_revoked": ({"omit_revoked": True}, ["amy", "Zed", "alice", "bob", "B", "u5"]),
    "omit_non_human": ({"omit_non_human": True}, ["amy", "Zed", "alice", "carl", "bob"]),
    "both": ({"omit_revoked": True, "omit_non_human": True}, ["amy", "Zed", "alice", "bob"]),
    "query null": ({"query": None}, ["amy", "Zed", "alice", "carl", "bob", "B", "u4", "u5"]),
    "query empty": ({"query": ""}, ["amy", "Zed", "alice", "carl", "bob", "B", "u4", "u5"]),
    "by label": ({"query": "adam"}, ["amy", "Zed"]),
    "by label, other case": ({"query": "ADAM"}, ["amy", "Zed"]),
    "by part of a label": ({"query": "and"}, ["bob"]),
    "by email": ({"query": "other.org"}, ["amy"]),
    "by user id": ({"query": "zed"}, ["Zed"]),
    "by user id of a non human": ({"query": "U5"}, ["u5"]),
    "across label and email": ({"query": "Alicealice@"}, ["alice"]),
    "across email and user id": ({"query": "example.combob"}, ["bob"]),
    "no pattern": ({"query": "^ad.m|^B$"}, []),
    "no wildcard": ({"query": "ad%m"}, []),
    "no single wildcard": ({"query": "ad_m"}, []),
    "two words": ({"query": "adam  zed@"}, ["Zed"]),
    "nothing matches": ({"query": "no such thing"}, []),
    "query and omit": ({"query": "example", "omit_revoked": True}, ["Zed", "alice", "bob"]),
    "page 1 of 3": ({"page": 1, "per_page": 3}, ["amy", "Zed", "alice"]),
    "page 3 of 3": ({"page": 3, "per_page": 3}, ["u4", "u5"]),
    "page behind the last": ({"page": 4, "per_page": 3}, []),
    "one per page": ({"page": 6, "per_page": 1}, ["B"]),
    "100 per page": ({"per_page": 100}, ["amy", "Zed", "alice", "carl", "bob", "B", "u4", "u5"]),
    "a slice of the query": ({"query": "example", "page": 2, "per_page": 2}, ["carl", "bob"]),
}, limit_s=30)
async def human_find(t, row):
    """4.4 human_find: query, omissions, order (humans by label and id, then the others), pages."""
    fields, wanted = row
    alice = await members(t)
    reply = await alice.call("human_find", **fields)
    page, per_page = fields.get("page", 1), fields.get("per_page", 100)
    expect_ok(reply, results=ANY, page=page, per_page=per_page, total=instance(int))
    same([result["user_id"] for result in reply["results"]], wanted, "user ids")
    if "page" not in fields:
        same(reply["total"], len(wanted), "total")
    else:
        everything = await alice.call("human_find", **{**fields, "page": 1, "per_page": 100})
        same(reply["total"], len(everything["results"]), "total")


@case
async def human_find_results(t):
    """4.4 human_find: what a result holds."""
    alice = await t.alice()
    await alice.add_user("bob", human=None)
    await alice.add_user("carl", "OUTSIDER", human=["c@d.e", "Carl Ö"])
    await alice.revoke("carl")
    expect_ok(
        await alice.call("human_find"),
        page=1, per_page=100, total=3,
        results=[
            {"user_id": "alice", "human_handle": ["alice@example.com", "Alice"], "revoked": False},
            {"user_id": "carl", "human_handle": ["c@d.e", "Carl Ö"], "revoked": True},
            {"user_id": "bob", "human_handle": None, "revoked": False},
        ],
    )


@table({
    "page 0": {"page": 0}, "page negative": {"page": -1}, "per_page 0": {"per_page": 0},
    "per_page 101": {"per_page": 101}, "page null": {"page": None},
    "omit_revoked null": {"omit_revoked": None}, "omit_non_human integer": {"omit_non_human": 7},
    "query integer": {"query": 1},
})
async def human_find_out_of_range(t, fields):
    """4.4 human_find: page ≥ 1, per_page 1..100, types."""
    alice = await t.alice()
    expect_invalid(await alice.call("human_find", **fields), **{name: ANY for name in fields})


@better("takes it for a pattern, and drops the connection")
@table({"open parenthesis": "(", "open bracket": "[a", "bad repetition": "*a", "bad escape": "a\\",
        "any character": ".lice", "alternatives": "alice|bob"})
async def human_find_is_no_pattern(t, query):
    """4.4 human_find: a query is plain text, never a pattern: nobody is called that."""
    alice = await t.alice()
    expect_ok(await alice.call("human_find", query=query), results=[], total=0, page=ANY, per_page=ANY)
    expect_ok(await alice.call("ping", ping="x"), pong="x")


@better("drops the connection")
@case
async def human_find_with_a_nul_character(t):
    """4.4 human_find: PostgreSQL text holds no NUL: no match or bad_message, never a dropped connection."""
    alice = await t.alice()
    reply = await alice.call("human_find", query="a\0b")
    check(reply["status"] == "bad_message" or reply.get("total") == 0, f"got {reply}")


# --- user_create ---------------------------------------------------------------------------------


@table({"STANDARD": "STANDARD", "ADMIN": "ADMIN", "OUTSIDER": "OUTSIDER"})
async def user_create(t, profile):
    """4.4 user_create: the user is there, with certificates as the exact bytes sent, and may connect."""
    alice = await t.alice()
    zoe = await alice.add_user("zoe", profile)
    reply = await alice.call("user_get", user_id="zoe")
    expect_user(
        reply, alice.organization, "zoe", ["zoe@dev1"],
        chain={"devices": ["alice@dev1"], "users": ["alice"]},
    )
    session = await alice.organization.connect(zoe)
    for cmd, refused_for in (
        ("user_revoke", ("STANDARD", "OUTSIDER")), ("realm_create", ("OUTSIDER",)),
    ):
        status = "not_allowed" if profile in refused_for else "bad_message"
        expect(await session.call(cmd), status)


@table({
    "absent profile, admin": ({"profile": OMIT, "is_admin": True}, "ADMIN"),
    "absent profile, not admin": ({"profile": OMIT, "is_admin": False}, "STANDARD"),
    "absent human handle": ({"human_handle": OMIT}, "STANDARD"),
    "null human handle": ({"human_handle": None}, "STANDARD"),
})
async def user_certificate_defaults(t, row):
    """3.3 user_certificate: absent profile and absent human handle have their meaning."""
    content, profile = row
    alice = await t.alice()
    shared = {"public_key": certificates.public_key()}
    redacted = {**content, **shared}
    if "human_handle" not in content:
        redacted["human_handle"] = None
    device = alice.organization.new_device("zoe@dev1")
    made = user_certificates(
        alice.device, device,
        changes={"user_certificate": {**content, **shared}, "redacted_user_certificate": redacted},
    )
    expect_ok(await alice.call("user_create", **made))
    session = await alice.organization.connect(device)
    status = "bad_message" if profile == "ADMIN" else "not_allowed"
    expect(await session.call("user_revoke"), status)


CERTIFICATES = (
    "user_certificate", "device_certificate", "redacted_user_certificate",
    "redacted_device_certificate",
)


@table({
    f"{how}: {name}": (name, how) for name in CERTIFICATES
    for how in ("empty", "wrong key", "other author", "root author")
})
async def user_create_unverified(t, row):
    """4.4 user_create 1, 3.3: each of the four must verify with the author's key and author."""
    name, how = row
    alice = await t.alice()
    change, reason = {
        "empty": ({}, INVALID_CERTIFICATION),
        "wrong key": ({"key": SigningKey()}, INVALID_CERTIFICATION),
        "other author": ({"author": "bob@dev1"}, wrong_author("alice@dev1", "bob@dev1")),
        "root author": ({"author": None}, INVALID_CERTIFICATION),
    }[how]
    fields = new_user(alice, changes={name: change})
    if how == "empty":
        fields[name] = b""
    expect(await alice.call("user_create", **fields), "invalid_certification", reason)
    same(await known_users(alice), ["alice"], "users")


@table({
    "not zlib": lambda key: key.sign(b"not zlib"),
    "not msgpack": lambda key: key.sign(zlib.compress(b"\xc1")),
    "not a map": lambda key: key.sign(zlib.compress(pack([1]))),
    "trailing octet behind the msgpack": lambda key: key.sign(zlib.compress(pack({"a": 1}) + b"\0")),
    "signature alone": lambda key: key.sign(b""),
    "63 octets": lambda key: key.sign(b"")[:63],
    "a bomb": lambda key: key.sign(zlib.compress(bytes(64 << 20))),
})
async def unreadable_certificate(t, make):
    """3.3: bad zlib, bad msgpack, a bomb: invalid_certification."""
    alice = await t.alice()
    fields = {**new_user(alice), "user_certificate": make(alice.device.key)}
    expect(await alice.call("user_create", **fields), "invalid_certification", INVALID_CERTIFICATION)
    expect_ok(await alice.call("ping", ping="x"), pong="x")


@table({
    "type missing": {"type": OMIT},
    "type of another certificate": {"type": "device_certificate"},
    "type unknown": {"type": "dummy"},
    "author missing": {"author": OMIT},
    "timestamp missing": {"timestamp": OMIT},
    "timestamp null": {"timestamp": None},
    "timestamp float": {"timestamp": 1.5},
    "user_id missing": {"user_id": OMIT},
    "user_id invalid": {"user_id": "a b"},
    "public_key missing": {"public_key": OMIT},
    "public_key of 31 octets": {"public_key": bytes(31)},
    "is_admin missing": {"is_admin": OMIT},
    "is_admin null": {"is_admin": None},
    "is_admin str": {"is_admin": "maybe"},
    "profile null": {"profile": None},
    "profile unknown": {"profile": "KING"},
    "is_admin with profile STANDARD": {"is_admin": True, "profile": "STANDARD"},
    "is_admin with profile OUTSIDER": {"is_admin": True, "profile": "OUTSIDER"},
    "human_handle a str": {"human_handle": "Zoe <zoe@example.com>"},
    "human_handle of one": {"human_handle": ["zoe@example.com"]},
    "human_handle with nulls": {"human_handle": [None, None]},
})
async def invalid_user_certificate(t, content):
    """3.3 user_certificate: a missing or invalid field: invalid_certification."""
    alice = await t.alice()
    fields = new_user(alice, changes={"user_certificate": content})
    expect(await alice.call("user_create", **fields), "invalid_certification", INVALID_CERTIFICATION)


@table({
    "type of another certificate": {"type": "user_certificate"},
    "device_id missing": {"device_id": OMIT},
    "device_id is a user": {"device_id": "zoe"},
    "verify_key missing": {"verify_key": OMIT},
    "verify_key of 33 octets": {"verify_key": bytes(33)},
    "verify_key null": {"verify_key": None},
    "device_label integer": {"device_label": 1},
})
async def invalid_device_certificate(t, content):
    """3.3 device_certificate: a missing or invalid field: invalid_certification."""
    alice = await t.alice()
    fields = new_user(alice, changes={"device_certificate": content})
    expect(await alice.call("user_create", **fields), "invalid_certification", INVALID_CERTIFICATION)


@case
async def admin_profile_without_is_admin(t):
    """3.3 user_certificate: only is_admin true with another profile is invalid."""
    alice = await t.alice()
    shared = {"is_admin": False, "profile": "ADMIN", "public_key": certificates.public_key()}
    fields = new_user(
        alice, changes={"user_certificate": shared, "redacted_user_certificate": shared}
    )
    expect_ok(await alice.call("user_create", **fields))


@case
async def unknown_fields_of_a_certificate_are_ignored(t):
    """3.3, 1.4: unknown fields do no harm in a certificate."""
    alice = await t.alice()
    fields = new_user(alice, changes={name: {"future": [1, 2]} for name in CERTIFICATES})
    expect_ok(await alice.call("user_create", **fields))


@case
async def user_create_two_timestamps(t):
    """4.4 user_create 2: user and device timestamps differ, be it by one microsecond."""
    alice = await t.alice()
    at = now()
    fields = new_user(
        alice, timestamp=at, changes={"device_certificate": {"timestamp": at + timedelta(microseconds=1)}}
    )
    expect(
        await alice.call("user_create", **fields), "invalid_data",
        "Device and User certificates must have the same timestamp.",
    )


@table({"past": -BALLPARK - MARGIN, "future": BALLPARK + MARGIN})
async def user_create_out_of_the_ballpark(t, offset):
    """4.4 user_create 3, 3.4: |timestamp − now| < 30 minutes."""
    alice = await t.alice()
    reply = await create(alice, timestamp=now() + offset)
    expect(reply, "invalid_certification", "Invalid timestamp in certificate.")


@table({"past": -BALLPARK + MARGIN, "future": BALLPARK - MARGIN})
async def user_create_in_the_ballpark(t, offset):
    """3.4: a timestamp within 30 minutes is accepted."""
    alice = await t.alice()
    expect_ok(await create(alice, timestamp=now() + offset))


@case
async def user_create_two_user_ids(t):
    """4.4 user_create 4: the device is of another user."""
    alice = await t.alice()
    fields = new_user(alice, changes={"device_certificate": {"device_id": "yann@dev1"}})
    expect(
        await alice.call("user_create", **fields), "invalid_data",
        "Device and User must have the same user ID.",
    )


DIFFERS = "Redacted {} certificate differs from {} certificate."


@table({
    "user: id": ("redacted_user_certificate", {"user_id": "yann"}),
    "user: timestamp": ("redacted_user_certificate", {"timestamp": now()}),
    "user: public key": ("redacted_user_certificate", {"public_key": bytes(32)}),
    "user: profile": ("redacted_user_certificate", {"profile": "OUTSIDER"}),
    "device: id": ("redacted_device_certificate", {"device_id": "zoe@dev2"}),
    "device: timestamp": ("redacted_device_certificate", {"timestamp": now()}),
    "device: verify key": ("redacted_device_certificate", {"verify_key": bytes(32)}),
})
async def user_create_redacted_differs(t, row):
    """4.4 user_create 5, 6: redacted certificate with other content."""
    alice = await t.alice()
    name, change = row
    reply = await create(alice, changes={name: change})
    kind = "User" if "user" in name else "Device"
    expect(reply, "invalid_data", DIFFERS.format(kind, kind))


@table({
    "the same": ["zoe@example.com", "Zoe"], "another label": ["zoe@example.com", "Other"],
    "another email": ["other@example.com", "Zoe"],
})
async def user_create_redacted_with_human_handle(t, human):
    """4.4 user_create 5: redacted user certificate that holds a human handle."""
    alice = await t.alice()
    reply = await create(alice, changes={"redacted_user_certificate": {"human_handle": human}})
    expect(
        reply, "invalid_data",
        "Redacted User certificate must not contain a human_handle field.",
    )


@case
async def user_create_redacted_with_device_label(t):
    """4.4 user_create 6: redacted device certificate that holds a label."""
    alice = await t.alice()
    reply = await create(
        alice, changes={"redacted_device_certificate": {"device_label": "x"}}
    )
    expect(
        reply, "invalid_data",
        "Redacted Device certificate must not contain a device_label field.",
    )


@case
async def user_create_order_of_checks(t):
    """4.4 user_create: the first failing check decides; one fault is mended at a time."""
    alice = await t.alice()
    await alice.add_user("bob")
    at, late = now(), now() + timedelta(hours=1)
    old = {"timestamp": at - timedelta(hours=2)}

    async def attempt(changes, timestamp=at):
        return await create(
            alice, name="bob", human=["alice@example.com", "A"], timestamp=timestamp, changes=changes
        )

    spoilt_redacted = {"redacted_device_certificate": {"key": SigningKey()}}
    expect(
        await attempt({**spoilt_redacted, "device_certificate": {"timestamp": late}}),
        "invalid_certification", INVALID_CERTIFICATION,
    )
    expect(
        await attempt({"device_certificate": {**old, "device_id": "x@y"}}),
        "invalid_data", "Device and User certificates must have the same timestamp.",
    )
    expect(
        await attempt({"device_certificate": {"device_id": "x@y"}}, late),
        "invalid_certification", "Invalid timestamp in certificate.",
    )
    expect(
        await attempt(
            {"device_certificate": {"device_id": "x@y"}, "redacted_user_certificate": {"user_id": "q"}}
        ),
        "invalid_data", "Device and User must have the same user ID.",
    )
    redacted_device = {"redacted_device_certificate": {"device_id": "q@q", "device_label": "x"}}
    expect(
        await attempt({"redacted_user_certificate": {"user_id": "q"}, **redacted_device}),
        "invalid_data", DIFFERS.format("User", "User"),
    )
    expect(
        await attempt({"redacted_user_certificate": {"human_handle": ["a@b", "A"]}, **redacted_device}),
        "invalid_data", ANY,
    )
    expect(await attempt(redacted_device), "invalid_data", DIFFERS.format("Device", "Device"))
    expect(await attempt({}), "already_exists", "User `bob` already exists")


@case
async def user_create_taken(t):
    """4.4 user_create 7: user ID taken, by a living or a revoked user."""
    alice = await t.alice()
    await alice.add_user("bob")
    reply = await create(alice, name="bob", human=None)
    expect(reply, "already_exists", "User `bob` already exists")
    await alice.revoke("bob")
    reply = await create(alice, name="bob", human=None)
    expect(reply, "already_exists", "User `bob` already exists")


@case
async def user_ids_are_compared_exactly(t):
    """3.1: user IDs differ by case."""
    alice = await t.alice()
    await alice.add_user("bob")
    await alice.add_user("Bob", human=["other@example.com", "Other"])
    same(await known_users(alice), ["Bob", "alice", "bob"], "users")


@case
async def user_create_human_taken(t):
    """4.4 user_create 8: another non-revoked user has the same email; nothing is stored."""
    alice = await t.alice()
    await alice.add_user("bob", human=["joe@example.com", "Joe"])
    reply = await create(alice, name="zoe", human=["joe@example.com", "Other Label"])
    expect(
        reply, "already_exists",
        "Human handle `Other Label <joe@example.com>` already corresponds to a non-revoked user",
    )
    same(await known_users(alice), ["alice", "bob"], "users")
    expect(await alice.call("user_get", user_id="zoe"), "not_found")
    zoe = alice.organization.new_device("zoe@dev1")
    _, result = await t.handshake(lambda challenge: authenticated_answer(zoe, challenge))
    same(result["result"], "bad_identity", "handshake of the refused user")


@case
async def user_create_human_of_a_revoked_user(t):
    """4.4 user_create 8, 9: a revoked user's email may be used again; the first label wins."""
    alice = await t.alice()
    await alice.add_user("bob", human=["joe@example.com", "Joe"])
    await alice.revoke("bob")
    await alice.add_user("zoe", human=["joe@example.com", "Joseph"])
    reply = await alice.call("human_find", query="joe@")
    same(
        [(result["user_id"], result["human_handle"]) for result in reply["results"]],
        [("bob", ["joe@example.com", "Joe"]), ("zoe", ["joe@example.com", "Joe"])],
        "results",
    )


@case
async def humans_belong_to_one_organization(t):
    """4.4 user_create 9: a human is per organization."""
    first, second = await t.alice(), await t.alice()
    for session in (first, second):
        await session.add_user("bob", human=["joe@example.com", "Joe"])


@case
async def user_create_by_a_user_that_is_not_admin(t):
    """4.4 user_create 0: profile ≠ ADMIN: not_allowed, with valid fields too."""
    for profile in ("STANDARD", "OUTSIDER"):
        _, bob = await t.pair(profile)
        expect(await create(bob), "not_allowed", "User `bob` is not admin")


@case
async def user_create_missing_fields(t):
    """4.4 user_create: four required fields, none null."""
    alice = await t.alice()
    missing = "Missing data for required field."
    expect_invalid(await alice.call("user_create"), **{name: missing for name in CERTIFICATES})
    null = "Field may not be null."
    expect_invalid(
        await alice.call("user_create", **{name: None for name in CERTIFICATES}),
        **{name: null for name in CERTIFICATES},
    )


# --- user_revoke ---------------------------------------------------------------------------------


async def revoke(session, user_id, **changes):
    certificate = session.revocation(user_id, **changes)
    return await session.call("user_revoke", revoked_user_certificate=certificate)


@case
async def user_revoke(t):
    """4.4 user_revoke 6: ok; the certificate is served as the exact bytes sent."""
    alice = await t.alice()
    await alice.add_user("bob")
    certificate = alice.revocation("bob")
    expect_ok(await alice.call("user_revoke", revoked_user_certificate=certificate))
    reply = await alice.call("user_get", user_id="bob")
    same(reply["revoked_user_certificate"], certificate, "revoked_user_certificate")


@table({
    "empty": None,
    "wrong key": {"key": SigningKey()},
    "other author": {"author": "bob@dev1"},
    "type": {"type": "user_certificate"},
    "user_id missing": {"user_id": OMIT},
    "user_id invalid": {"user_id": "a@b"},
    "author null": {"author": None},
})
async def user_revoke_unverified(t, changes):
    """4.4 user_revoke 1: does not verify: invalid_certification."""
    alice = await t.alice()
    await alice.add_user("bob")
    certificate = b"" if changes is None else alice.revocation(**{"user_id": "bob", **changes})
    reply = await alice.call("user_revoke", revoked_user_certificate=certificate)
    expect(reply, "invalid_certification", INVALID_CERTIFICATION)
    same((await alice.call("user_get", user_id="bob"))["revoked_user_certificate"], None, "revocation")


@table({"past": -BALLPARK - MARGIN, "future": BALLPARK + MARGIN})
async def user_revoke_out_of_the_ballpark(t, offset):
    """4.4 user_revoke 2: not in the ballpark, checked before self-revocation."""
    alice = await t.alice()
    for user_id in ("alice", "nobody"):
        reply = await revoke(alice, user_id, timestamp=now() + offset)
        expect(reply, "invalid_certification", "Invalid timestamp in certification.")


@case
async def user_revoke_oneself(t):
    """4.4 user_revoke 3: own user: not_allowed."""
    alice = await t.alice()
    expect(await revoke(alice, "alice"), "not_allowed", "Cannot do self-revocation")


@case
async def user_revoke_unknown(t):
    """4.4 user_revoke 4: unknown user: not_found."""
    alice = await t.alice()
    expect(await revoke(alice, "nobody"), "not_found")


@case
async def user_revoke_twice(t):
    """4.4 user_revoke 5: already revoked."""
    alice = await t.alice()
    await alice.add_user("bob")
    await alice.revoke("bob")
    expect(await revoke(alice, "bob"), "already_revoked", "User `bob` already revoked")


@case
async def user_revoke_by_a_user_that_is_not_admin(t):
    """4.4 user_revoke 0: not ADMIN: not_allowed."""
    for profile in ("STANDARD", "OUTSIDER"):
        _, bob = await t.pair(profile)
        expect(await revoke(bob, "alice"), "not_allowed", "User `bob` is not admin")


@case
@better("not in force before its date")
async def revocation_in_the_near_future(t):
    """4.4, 2.2: revoked as soon as the revocation is stored, also where it is dated ahead."""
    alice = await t.alice()
    bob = await alice.add_user("bob")
    session = await alice.organization.connect(bob)
    expect_ok(await revoke(alice, "bob", timestamp=now() + timedelta(minutes=10)))
    check(await session.wait_end() is not None, "the connection of the revoked user goes on")
    reply = await alice.call("human_find", query="bob")
    same([result["revoked"] for result in reply["results"]], [True], "revoked")
    _, result = await t.handshake(lambda challenge: authenticated_answer(bob, challenge))
    same(result["result"], "revoked_device", "handshake")


@case
@better("the human handle is in use until the date")
async def revocation_in_the_near_future_is_final(t):
    """4.4: revoked already, whatever the date; the human handle is free."""
    alice = await t.alice()
    await alice.add_user("bob", human=["joe@example.com", "Joe"])
    expect_ok(await revoke(alice, "bob", timestamp=now() + timedelta(minutes=10)))
    expect(await revoke(alice, "bob"), "already_revoked", "User `bob` already revoked")
    expect_ok(await create(alice, name="zoe", human=["joe@example.com", "Joe"]))


# --- device_create -------------------------------------------------------------------------------


def new_device(session, device_id=None, **options):
    device = session.organization.new_device(
        device_id or f"{session.device.user_id}@dev2", label="second",
        profile=session.device.profile, human_handle=session.device.human_handle,
    )
    return device_certificates(session.device, device, **options)


async def create_device(session, *args, **options):
    return await session.call("device_create", **new_device(session, *args, **options))


@table({"ADMIN": "ADMIN", "STANDARD": "STANDARD", "OUTSIDER": "OUTSIDER"})
async def device_create(t, profile):
    """4.4 device_create 6: any profile may add devices of its own; they connect."""
    alice, bob = await t.pair(profile)
    second = await bob.add_device("dev2")
    session = await alice.organization.connect(second)
    third = await session.add_device("dev3")
    await alice.organization.connect(third)
    reply = await alice.call("user_get", user_id="bob")
    same(len(reply["device_certificates"]), 3, "number of devices")


@table({
    **{
        f"{how}: {name}": (name, how)
        for name in ("device_certificate", "redacted_device_certificate")
        for how in ("wrong key", "other author")
    },
    "empty: device_certificate": ("device_certificate", "empty"),
    "empty: redacted_device_certificate": Better(
        "takes an empty redacted certificate for an absent one", ("redacted_device_certificate", "empty")
    ),
})
async def device_create_unverified(t, row):
    """4.4 device_create 1: does not verify: invalid_certification."""
    name, how = row
    alice = await t.alice()
    change = {
        "empty": {}, "wrong key": {"key": SigningKey()}, "other author": {"author": "bob@dev1"},
    }[how]
    fields = new_device(alice, changes={name: change})
    if how == "empty":
        fields[name] = b""
    expect(await alice.call("device_create", **fields), "invalid_certification", INVALID_CERTIFICATION)


@table({"past": -BALLPARK - MARGIN, "future": BALLPARK + MARGIN})
async def device_create_out_of_the_ballpark(t, offset):
    """4.4 device_create 2: not in the ballpark, checked before the user."""
    alice = await t.alice()
    for device_id in ("alice@dev2", "bob@dev2"):
        reply = await create_device(alice, device_id, timestamp=now() + offset)
        expect(reply, "invalid_certification", "Invalid timestamp in certification.")


@case
async def device_create_for_another_user(t):
    """4.4 device_create 3: device of another user, known or not; before the redacted checks."""
    alice = await t.alice()
    await alice.add_user("bob")
    for device_id in ("bob@dev2", "nobody@dev1", "bob@dev1"):
        reply = await create_device(
            alice, device_id, changes={"redacted_device_certificate": {"verify_key": bytes(32)}}
        )
        expect(reply, "bad_user_id", "Device must be handled by it own user.")


@table({
    "other id": ({"device_id": "alice@dev3"}, DIFFERS.format("Device", "Device")),
    "other timestamp": ({"timestamp": now()}, DIFFERS.format("Device", "Device")),
    "other key": ({"verify_key": bytes(32)}, DIFFERS.format("Device", "Device")),
    "label": (
        {"device_label": "second"},
        "Redacted Device certificate must not contain a device_label field.",
    ),
})
async def device_create_redacted(t, row):
    """4.4 device_create 4: redacted differs or holds a label; before already_exists."""
    change, reason = row
    alice = await t.alice()
    for device_id in ("alice@dev2", "alice@dev1"):
        reply = await create_device(
            alice, device_id, changes={"redacted_device_certificate": change}
        )
        expect(reply, "invalid_data", reason)


@case
async def device_create_taken(t):
    """4.4 device_create 5: device ID taken."""
    alice = await t.alice()
    reply = await create_device(alice, "alice@dev1")
    expect(reply, "already_exists", "Device `alice@dev1` already exists")


@case
async def device_create_without_label(t):
    """3.3 device_certificate: null and absent labels are both fine."""
    alice = await t.alice()
    for number, change in enumerate(({"device_label": None}, {"device_label": OMIT})):
        expect_ok(
            await create_device(alice, f"alice@new{number}", changes={"device_certificate": change})
        )


# --- §3.1 identifiers ----------------------------------------------------------------------------


NEWLINE = Any("ends in a newline", lambda value: value.endswith("\n"))


def identifiers(kind, *, valid):
    """The vectors of a kind, without those that end in a newline."""
    return [
        vector["value"] for vector in vectors("identifiers.jsonl")
        if vector["type"] == kind and vector["valid"] == valid and vector["value"] != NEWLINE
    ]


async def expect_identifiers(values, probe, *, valid):
    """probe(value) tells whether the server takes it."""
    wrong = []
    for value in values:
        if await probe(value) != valid:
            wrong.append(value)
    check(not wrong, f"{'refused' if valid else 'accepted'}: {wrong}")


def by_status(call, field, message):
    """A probe: is that value of the field refused with that message?"""

    async def probe(value):
        reply = await call(value)
        if reply["status"] == "bad_message":
            same(reply["errors"], {field: [message]}, f"errors for {value!r}")
            return False
        expect(reply, "not_found")
        return True

    return probe


def user_id_probe(alice):
    return by_status(
        lambda value: alice.call("user_get", user_id=value), "user_id", "Invalid user name"
    )


def organization_id_probe(admin):
    return by_status(
        lambda value: admin.call("organization_status", organization_id=value),
        "organization_id", "Invalid organization ID",
    )


def device_id_probe(alice):
    """A device of another user: a valid ID fails at check 3 of device_create, others at check 1."""

    async def probe(value):
        reply = await create_device(alice, "x@y", changes={
            name: {"device_id": value}
            for name in ("device_certificate", "redacted_device_certificate")
        })
        if reply["status"] == "invalid_certification":
            return False
        check(reply["status"] in ("bad_user_id", "already_exists"), f"{value!r}: {reply}")
        return True

    return probe


@table({"accepted": True, "rejected": False})
async def user_ids(t, valid):
    """3.1, vectors: user IDs."""
    alice = await t.alice()
    values = [value for value in identifiers("user_id", valid=valid) if value != "alice"]
    await expect_identifiers(values, user_id_probe(alice), valid=valid)


@table({"accepted": True, "rejected": False})
async def organization_ids(t, valid):
    """3.1, vectors: organization IDs."""
    admin = await t.administration()
    # names that nobody will have created on a shared server
    values = [value for value in identifiers("organization_id", valid=valid) if value != "CoolOrg"]
    await expect_identifiers(values, organization_id_probe(admin), valid=valid)


@table({
    "accepted": True,
    "rejected": Better("drops the connection when only the user part is too long in octets", False),
})
async def device_ids(t, valid):
    """3.1, vectors: device IDs, in certificates."""
    alice = await t.alice()
    values = identifiers("device_id", valid=valid)
    await expect_identifiers(values, device_id_probe(alice), valid=valid)


@table({
    "accepted": True,
    "rejected": Better("counts the octets of the whole device ID only", False),
})
async def device_names(t, valid):
    """3.1, vectors: device names, as part of the device ID (there bounded in characters)."""
    alice = await t.alice()
    names = identifiers("device_name", valid=valid)
    values = [f"zoe@{name}" for name in names if len(name) > 32 or len(name.encode()) <= 32]
    await expect_identifiers(values, device_id_probe(alice), valid=valid)


@better("accepts an identifier followed by a newline")
@case
async def a_trailing_newline_is_not_part_of_an_identifier(t):
    """3.1: organization, user, device IDs and names that end in a newline are rejected."""
    alice, admin = await t.alice(), await t.administration()
    await expect_identifiers(["a\n"], user_id_probe(alice), valid=False)
    await expect_identifiers(["a\n"], organization_id_probe(admin), valid=False)
    await expect_identifiers(["a@b\n"], device_id_probe(alice), valid=False)


@table({
    "accepted": True,
    "rejected": Better("drops the connection", False),
}, limit_s=30)
async def human_handles(t, valid):
    """3.1, vectors: human handles, in certificates."""
    alice = await t.alice()

    async def probe(human):
        # a timestamp out of the ballpark: valid handles fail at check 3, invalid ones at check 1
        reply = await create(alice, human=human, timestamp=now() - timedelta(hours=1))
        expect(reply, "invalid_certification")
        return reply["reason"] == "Invalid timestamp in certificate."

    values = [
        [vector["email"], vector["label"]]
        for vector in vectors("human_handles.jsonl") if vector["valid"] == valid
    ]
    await expect_identifiers(values, probe, valid=valid)


@case
async def device_label_of_any_text(t):
    """3.3: labels are free text, kept as they are."""
    alice = await t.alice()
    for number, label in enumerate(("", "a" * 254, "é日本\n", "<b>")):
        fields = new_device(
            alice, f"alice@n{number}", changes={"device_certificate": {"device_label": label}}
        )
        expect_ok(await alice.call("device_create", **fields))
