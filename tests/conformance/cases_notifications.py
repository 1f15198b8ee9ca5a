"""protocol/6-events.md §6.2: what the servers of one database tell each other by NOTIFY."""
import asyncio
import base64
import os
import zlib
from datetime import timedelta
from uuid import uuid4

from cases_events import (
    aside, hear_all, invite_status, maintenance, message_received, no_event, pinged, roles_updated,
    save_all, vlobs_updated,
)
from harness import Any, better, case, check, eventually, expect, expect_end, expect_ok, same, table
from parsec_client import device_certificates, insist, user_certificates
from wire import now, pack


# --- What a server tells the others ---------------------------------------------------------------

HEX = Any("hex string", lambda v: isinstance(v, str) and len(v) >= 16 and int(v, 16) >= 0)


class Ear:
    """What a database connection hears of one organization on the notification channel."""

    def __init__(self, database, organization):
        self.database, self.organization, self.ids = database, organization, set()
        self.fences = 0

    @classmethod
    async def open(cls, t, organization):
        return cls(await (await t.database()).listen(), organization)

    async def hears(self, *signals):
        """Exactly these notifications of the organization, in any order, and then our own one."""
        self.fences += 1
        fence = {"organization_id": self.organization.id, "ping": f"fence {self.fences}"}
        got = []
        while len(got) < len(signals):
            got.append(await self._next())
        await self.database.inject("pinged", author="nobody@nowhere", **fence)
        last = await self._next()
        while last["__signal__"] != "pinged" or last["ping"] != fence["ping"]:
            got.append(last)
            last = await self._next()
        for document in got:
            same(document.pop("__id__", None), HEX, "__id__")
        left = list(got)
        for signal in signals:
            check(signal in left, f"got {got}, want {signal}")
            left.remove(signal)
        check(not left, f"unexpected notifications {left}")

    async def _next(self):
        while True:
            heard = await asyncio.wait_for(self.database.heard.get(), 5)
            if heard.get("organization_id") == self.organization.id:
                check(heard["__id__"] not in self.ids, "the same __id__ twice")
                self.ids.add(heard["__id__"])
                return heard


def signal(organization, name, **fields):
    return {"__signal__": name, "organization_id": organization.id, **fields}


@case(needs=["db"])
async def signal_of_ping(t):
    """6.2: pinged holds organization, author device and text."""
    alice = await t.alice()
    ear = await Ear.open(t, alice.organization)
    await alice.call("ping", ping="hé")
    await ear.hears(signal(alice.organization, "pinged", author="alice@dev1", ping="hé"))


@case(needs=["db"])
async def signal_of_a_v1_ping(t):
    """4.1, 6.2: an API v1 device pings like any other."""
    organization = await t.organization()
    old = await organization.connect(organization.alice, version=1)
    ear = await Ear.open(t, organization)
    await old.call("ping", ping="old")
    await ear.hears(signal(organization, "pinged", author="alice@dev1", ping="old"))


@case(needs=["db"])
async def signals_of_realm_commands(t):
    """6.2: realm.roles_updated and message.received, one notification for each event."""
    alice, _bob = await t.pair()
    organization = alice.organization
    ear = await Ear.open(t, organization)
    realm_id = await alice.create_realm()
    role = {"author": "alice@dev1", "realm_id": realm_id}
    await ear.hears(
        signal(organization, "realm.roles_updated", user="alice", role_str="OWNER", **role)
    )
    await alice.share(realm_id, "bob", "READER", message=b"m")
    await ear.hears(
        signal(organization, "realm.roles_updated", user="bob", role_str="READER", **role),
        signal(organization, "message.received", author="alice@dev1", recipient="bob", index=1),
    )
    await alice.share(realm_id, "bob", None)
    await ear.hears(
        signal(organization, "realm.roles_updated", user="bob", role_str=None, **role)
    )


@case(needs=["db"])
async def signals_of_vlob_commands(t):
    """6.2: realm.vlobs_updated holds the checkpoint, the vlob and its version."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    ear = await Ear.open(t, alice.organization)
    vlob_id = await alice.create_vlob(realm_id)
    await alice.update_vlob(vlob_id, 2)
    other_id = await alice.create_vlob(realm_id)
    await ear.hears(*(
        signal(
            alice.organization, "realm.vlobs_updated", author="alice@dev1", realm_id=realm_id,
            checkpoint=checkpoint, src_id=src_id, src_version=version,
        )
        for checkpoint, src_id, version in ((1, vlob_id, 1), (2, vlob_id, 2), (3, other_id, 1))
    ))


@case(needs=["db"])
async def signals_of_maintenance(t):
    """6.2: realm.maintenance_started and _finished, and a message for every participant."""
    alice, _bob, realm_id = await t.realm_pair("READER")
    organization = alice.organization
    await alice.create_vlob(realm_id)
    ear = await Ear.open(t, organization)
    fields = {"author": "alice@dev1", "realm_id": realm_id, "encryption_revision": 2}
    await alice.start_reencryption(realm_id, ["alice", "bob"])
    await ear.hears(
        signal(organization, "realm.maintenance_started", **fields),
        signal(organization, "message.received", author="alice@dev1", recipient="alice", index=1),
        signal(organization, "message.received", author="alice@dev1", recipient="bob", index=1),
    )
    await save_all(alice, realm_id)
    await alice.finish_reencryption(realm_id)
    await ear.hears(signal(organization, "realm.maintenance_finished", **fields))


@case(needs=["db"])
async def signals_of_invitations(t):
    """6.2: invite.status_changed of each change, invite.conduit_updated of each conduit step."""
    alice = await t.alice()
    organization = alice.organization
    ear = await Ear.open(t, organization)
    token = await alice.invite("USER", "zack@example.com")

    def status(text):
        return signal(
            organization, "invite.status_changed", greeter="alice", token=token, status_str=text
        )

    await ear.hears(status("IDLE"))
    claimer = await organization.connect_invited(token, "USER")
    await ear.hears(status("READY"))
    conduit = signal(organization, "invite.conduit_updated", token=token)
    waiting = aside(claimer, "invite_1_claimer_wait_peer", claimer_public_key=bytes(32))
    await ear.hears(conduit)
    greeter = aside(alice, "invite_1_greeter_wait_peer", token=token, greeter_public_key=bytes(32))
    insist(await waiting, "claimer")
    insist(await greeter, "greeter")
    await ear.hears(conduit, conduit)
    await claimer.socket.abort()
    await ear.hears(status("IDLE"))
    expect_ok(await alice.call("invite_delete", token=token, reason="ROTTEN"))
    await ear.hears(status("DELETED"))


@case(needs=["db"])
async def signals_of_users_and_devices(t):
    """6.2: user.created, user.revoked and device.created, with the certificates as stored."""
    alice = await t.alice()
    organization = alice.organization
    ear = await Ear.open(t, organization)
    bob = await alice.add_user("bob")
    await ear.hears(signal(
        organization, "user.created", user_id="bob", first_device_id="bob@dev1",
        user_certificate=bob.certificates["user_certificate"],
        first_device_certificate=bob.certificates["device_certificate"],
    ))
    device = await alice.add_device("dev2")
    await ear.hears(signal(
        organization, "device.created", device_id="alice@dev2", encrypted_answer=b"",
        device_certificate=device.certificates["device_certificate"],
    ))
    await alice.revoke("bob")
    await ear.hears(signal(organization, "user.revoked", user_id="bob"))


@case(needs=["db"])
async def signal_of_bootstrap(t):
    """6.2, 7.2: organization_bootstrap tells of its first user."""
    organization = t.new_organization()
    bootstrap_token = await organization.create()
    ear = await Ear.open(t, organization)
    alice = await organization.bootstrap(bootstrap_token)
    await ear.hears(signal(
        organization, "user.created", user_id="alice", first_device_id="alice@dev1",
        user_certificate=alice.certificates["user_certificate"],
        first_device_certificate=alice.certificates["device_certificate"],
    ))


@case(needs=["db"])
async def signal_of_expiration(t):
    """6.2, 7.1: a date that is past expires the organization at once; a future one does not."""
    organization = await t.organization()
    ear = await Ear.open(t, organization)
    admin = await t.administration()
    fields = {"organization_id": organization.id}
    later, past = now() + timedelta(days=1), now() - timedelta(seconds=1)
    expect_ok(await admin.call("organization_update", expiration_date=later, **fields))
    await ear.hears()
    expect_ok(await admin.call("organization_update", expiration_date=past, **fields))
    await ear.hears(signal(organization, "organization.expired"))


@case(needs=["db"])
async def signals_of_v1_invitations(t):
    """6.2, 7.3: user.claimed, device.claimed and the two cancellations."""
    organization = await t.organization()
    alice = await organization.connect(organization.alice, version=1)
    ear = await Ear.open(t, organization)
    for kind, invited, cancel in (
        ("user", {"user_id": "zack"}, "user_cancel_invitation"),
        ("device", {"invited_device_name": "dev9"}, "device_cancel_invitation"),
    ):
        claimed_id = {"user_id": "zack"} if kind == "user" else {"device_id": "alice@dev9"}
        claim = {f"invited_{key}": value for key, value in claimed_id.items()}
        inviting = aside(alice, f"{kind}_invite", **invited)
        claimer = await organization.connect_anonymous()

        async def invited_already():
            reply = await claimer.call(f"{kind}_get_invitation_creator", **claim)
            return reply["status"] == "ok"

        await eventually(invited_already, "the invitation")
        claiming = aside(claimer, f"{kind}_claim", encrypted_claim=b"claim", **claim)
        expect_ok(await inviting, encrypted_claim=b"claim")
        await ear.hears(
            signal(organization, f"{kind}.claimed", encrypted_claim=b"claim", **claimed_id)
        )
        expect_ok(await alice.call(cancel, **invited))
        await ear.hears(signal(organization, f"{kind}.invitation.cancelled", **claimed_id))
        expect(await claiming, "denied", reason="Invitation creator rejected us.")


@case(needs=["db"])
async def notification_belongs_to_the_transaction(t):
    """6.2: who hears the notification sees its rows."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    ear = await Ear.open(t, alice.organization)
    vlob_id = await alice.create_vlob(realm_id)
    for version in range(2, 8):
        await alice.send_request(
            "vlob_update", encryption_revision=1, vlob_id=vlob_id, timestamp=now(),
            version=version, blob=b"",
        )
    for version in range(1, 8):
        heard = await ear.database.next_signal(alice.organization, "realm.vlobs_updated")
        rows = await ear.database.rows(
            "SELECT version FROM vlob_atom WHERE vlob_id = $1 AND version = $2",
            vlob_id, heard["src_version"],
        )
        same((heard["src_version"], rows), (version, [(version,)]), "version and row")


@case(needs=["db"])
async def refused_commands_notify_nothing(t):
    """6.2, 4: no commit, no notification."""
    alice, _bob, realm_id = await t.realm_pair("READER")
    vlob_id = await alice.create_vlob(realm_id)
    ear = await Ear.open(t, alice.organization)
    expect(await alice.try_update_vlob(vlob_id, 1), "bad_version")
    certificate = alice.role(realm_id, "bob", "READER")
    reply = await alice.call(
        "realm_update_roles", role_certificate=certificate, recipient_message=b"m"
    )
    expect(reply, "already_granted")
    reply = await alice.call("user_revoke", revoked_user_certificate=alice.revocation("nobody"))
    expect(reply, "not_found")
    await ear.hears()


# --- What the others tell a server ----------------------------------------------------------------


@case(needs=["db"])
async def foreign_events_reach_clients(t):
    """6.2: the documented notifications of another server become events here."""
    alice, bob, realm_id = await t.realm_pair("READER")
    await bob.subscribe()
    database = await t.database()
    vlob_id, token = uuid4(), uuid4()
    ours = {"organization_id": alice.organization.id}
    author = {"author": "alice@dev1", **ours}
    rows = [
        ("pinged", {"ping": "foreign", **author}, pinged("foreign")),
        ("message.received", {"recipient": "bob", "index": 7, **author}, message_received(7)),
        (
            "invite.status_changed",
            {"greeter": "bob", "token": token, "status_str": "READY", **ours},
            invite_status(token, "READY"),
        ),
        (
            "realm.roles_updated",
            {"realm_id": realm_id, "user": "bob", "role_str": "MANAGER", **author},
            roles_updated(realm_id, "MANAGER"),
        ),
        (
            "realm.vlobs_updated",
            {"realm_id": realm_id, "checkpoint": 5, "src_id": vlob_id, "src_version": 3, **author},
            vlobs_updated(realm_id, 5, vlob_id, 3),
        ),
        *(
            (
                f"realm.maintenance_{what}",
                {"realm_id": realm_id, "encryption_revision": 2, **author},
                maintenance(what, realm_id, 2),
            )
            for what in ("started", "finished")
        ),
    ]
    for name, fields, event in rows:
        await database.inject(name, **fields)
        same(await bob.next_event(), event, f"event of {name}")
    await no_event(bob)


@case(needs=["db"])
async def foreign_events_keep_their_audience(t):
    """6.2, 6.1: an injected event reaches only those whom it concerns."""
    alice, bob = await t.pair()
    realm_id = await alice.create_realm()
    for connection in (alice, bob):
        await connection.subscribe()
    database = await t.database()
    ours = {"organization_id": alice.organization.id}
    vlob = {"realm_id": realm_id, "checkpoint": 1, "src_id": uuid4(), "src_version": 1}
    await database.inject("pinged", author="bob@dev1", ping="by bob", **ours)
    await database.inject("message.received", author="bob@dev1", recipient="alice", index=1, **ours)
    await database.inject("realm.vlobs_updated", author="bob@dev1", **vlob, **ours)
    await database.inject("pinged", author="zack@dev1", ping="end", **ours)
    await hear_all(bob, pinged("end"), "bob")
    events = [pinged("by bob"), message_received(1), {"event": "realm.vlobs_updated", **vlob}]
    await hear_all(alice, [*events, pinged("end")], "alice")


@case(needs=["db"])
async def foreign_role_changes_membership(t):
    """6.2, 6.1: a realm.roles_updated from another server changes the list of realms."""
    alice, bob, realm_id = await t.realm_pair(None)
    await bob.subscribe()
    database = await t.database()
    fields = {
        "organization_id": alice.organization.id, "author": "alice@dev1",
        "realm_id": realm_id, "user": "bob",
    }

    async def grant(role):
        async with database.connection.transaction():
            await database.execute(
                "INSERT INTO realm_user_role"
                " (realm, user_, role, certificate, certified_by, certified_on)"
                " SELECT realm._id, user_._id, $3::text::realm_role, $4, device._id, $5"
                " FROM realm, user_, device"
                " WHERE realm.realm_id = $1 AND user_.user_id = 'bob' AND"
                " device.device_id = 'alice@dev1' AND realm.organization = user_.organization AND"
                " realm.organization = device.organization AND"
                " user_.organization ="
                " (SELECT _id FROM organization WHERE organization_id = $2)",
                realm_id, alice.organization.id, role, alice.role(realm_id, "bob", role), now(),
            )
            await database.inject("realm.roles_updated", role_str=role, **fields)
        same(await bob.next_event(), roles_updated(realm_id, role), "event")

    await grant("READER")
    vlob_id = await alice.create_vlob(realm_id)
    same(await bob.next_event(), vlobs_updated(realm_id, 1, vlob_id, 1), "event")
    await grant(None)
    await alice.update_vlob(vlob_id, 2)
    await alice.call("ping", ping="end")
    same(await bob.next_event(), pinged("end"), "event")


@case(needs=["db"])
async def foreign_revocation_closes_connections(t):
    """6.2, 2.3: a revocation by another server closes the user's connections here."""
    alice, bob = await t.pair()
    database = await t.database()
    async with database.connection.transaction():
        await database.execute(
            "UPDATE user_ SET revoked_on = $2, revoked_user_certificate = $3,"
            " revoked_user_certifier = (SELECT device._id FROM device JOIN organization AS o"
            "  ON o._id = device.organization WHERE o.organization_id = $1 AND"
            "  device_id = 'alice@dev1')"
            " FROM organization AS o WHERE o._id = user_.organization AND"
            " o.organization_id = $1 AND user_id = 'bob'",
            alice.organization.id, now(), alice.revocation("bob"),
        )
        await database.inject(
            "user.revoked", organization_id=alice.organization.id, user_id="bob"
        )
    await expect_end(bob)
    expect_ok(await alice.call("ping", ping="x"), pong="x")


@case(needs=["db"])
async def foreign_expiration_closes_connections(t):
    """6.2, 2.3: an expiration by another server closes the organization's connections here."""
    alice, bob = await t.pair()
    other = await t.alice()
    database = await t.database()
    async with database.connection.transaction():
        await database.execute(
            "UPDATE organization SET expiration_date = $2 WHERE organization_id = $1",
            alice.organization.id, now(),
        )
        await database.inject("organization.expired", organization_id=alice.organization.id)
    await expect_end(alice)
    await expect_end(bob)
    expect_ok(await other.call("ping", ping="x"), pong="x")


@case(needs=["db"])
async def foreign_claim_wakes_the_inviter(t):
    """6.2, 7.3: a user.claimed from another server answers user_invite."""
    organization = await t.organization()
    alice = await organization.connect(organization.alice, version=1)
    database = await t.database()
    inviting = aside(alice, "user_invite", user_id="zack")
    claimer = await organization.connect_anonymous()

    async def invited():
        reply = await claimer.call("user_get_invitation_creator", invited_user_id="zack")
        return reply["status"] == "ok"

    await eventually(invited, "the invitation")
    await database.inject(
        "user.claimed", organization_id=organization.id, user_id="zack", encrypted_claim=b"x"
    )
    expect_ok(await inviting, encrypted_claim=b"x")


def encoded(document):
    return base64.b64encode(pack(document)).decode()


MALFORMED = {
    "empty": "",
    "not base64": "?!* not base64",
    "not msgpack": "wcHBwcE=",
    "not a map": encoded([1, 2, 3]),
    "nil": encoded(None),
    "no signal": encoded({"__id__": "00" * 16, "organization_id": "Org"}),
    "signal is not a string": encoded({"__id__": "00" * 16, "__signal__": 7}),
    "unknown signal": encoded(
        {"__id__": "00" * 16, "__signal__": "no.such", "organization_id": "Org"}
    ),
    "no id": encoded({"__signal__": "user.revoked", "organization_id": "Org", "user_id": "x"}),
    "fields missing": encoded({"__id__": "00" * 16, "__signal__": "pinged"}),
    "fields of a wrong type": encoded(
        {"__id__": "00" * 16, "__signal__": "realm.vlobs_updated", "organization_id": 1,
         "author": None, "realm_id": "x", "checkpoint": "y", "src_id": 3, "src_version": {}}
    ),
    "roles_updated without a role": encoded(
        {"__id__": "00" * 16, "__signal__": "realm.roles_updated", "organization_id": "Org",
         "author": "a@b", "realm_id": uuid4(), "user": "a"}
    ),
    "unknown fields": encoded(
        {"__id__": "00" * 16, "__signal__": "pinged", "organization_id": "Org", "author": "a@b",
         "ping": "x", "more": [1, {"a": b"b"}]}
    ),
}


@table(MALFORMED, needs=["db"], alone=True)
async def malformed_notification(t, payload):
    """6.2: an unknown or malformed notification is ignored: the next event arrives."""
    alice, bob = await t.pair()
    await bob.subscribe()
    await (await t.database()).inject_raw(payload)
    expect_ok(await alice.call("ping", ping="after"), pong="after")
    same(await bob.next_event(), pinged("after"), "event")
    newcomer = await (await alice.organization.connect(bob.device)).subscribe()
    await alice.call("ping", ping="again")
    same(await newcomer.next_event(), pinged("again"), "event")


# --- Large events ---------------------------------------------------------------------------------

TOO_LARGE = "closes the connection: the event does not fit into a notification"


def lengthened(key, certificate, size=20_000):
    """The same content, its zlib stream made long by empty blocks."""
    content = zlib.decompress(certificate[64:])
    deflate = zlib.compressobj(wbits=-15)
    body = deflate.compress(content) + deflate.flush()
    check_sum = zlib.adler32(content).to_bytes(4, "big")
    return key.sign(b"\x78\x01" + b"\0\0\0\xff\xff" * (size // 5) + body + check_sum)


@better(TOO_LARGE)
@case
async def user_create_with_long_certificates(t):
    """6.2: a command does not fail because its event is too large for a notification."""
    alice = await t.alice()
    made = user_certificates(alice.device, alice.organization.new_device("bob@dev1"))
    made = {name: lengthened(alice.device.key, octets) for name, octets in made.items()}
    expect_ok(await alice.call("user_create", **made))
    reply = await alice.call("user_get", user_id="bob")
    same(reply.get("user_certificate"), made["user_certificate"], "user certificate")


@better(TOO_LARGE)
@case
async def device_create_with_a_long_certificate(t):
    """6.2: the same for device.created."""
    alice = await t.alice()
    made = device_certificates(alice.device, alice.organization.new_device("alice@dev2"))
    made = {name: lengthened(alice.device.key, octets) for name, octets in made.items()}
    expect_ok(await alice.call("device_create", **made))
    reply = await alice.call("user_get", user_id="alice")
    check(made["device_certificate"] in reply["device_certificates"], "the device is not there")


@better(TOO_LARGE)
@table({"user": {"user_id": "zack"}, "device": {"invited_device_name": "dev9"}})
async def long_claim(t, invited):
    """6.2, 7.3: the same for user.claimed and device.claimed: the inviter gets the whole claim."""
    kind = "user" if "user_id" in invited else "device"
    claim = {"invited_user_id": "zack"} if kind == "user" else {"invited_device_id": "alice@dev9"}
    organization = await t.organization()
    alice = await organization.connect(organization.alice, version=1, address=t.second)
    inviting = aside(alice, f"{kind}_invite", **invited)
    claimer = await organization.connect_anonymous()

    async def is_invited():
        reply = await claimer.call(f"{kind}_get_invitation_creator", **claim)
        return reply["status"] == "ok"

    await eventually(is_invited, "the invitation")
    octets = os.urandom(300_000)
    await claimer.send_request(f"{kind}_claim", encrypted_claim=octets, **claim)
    done, _ = await asyncio.wait(
        [inviting, asyncio.create_task(claimer.wait_end())], return_when=asyncio.FIRST_COMPLETED
    )
    check(inviting in done, "the claimer's connection was closed")
    expect_ok(await inviting, encrypted_claim=octets)


@better(TOO_LARGE)
@case
async def long_encrypted_answer(t):
    """6.2, 7.3: the claimer of a device gets an answer that is too large for a notification."""
    organization = await t.organization()
    alice = await organization.connect(organization.alice, version=1)
    inviting = aside(alice, "device_invite", invited_device_name="dev9")
    claimer = await organization.connect_anonymous(address=t.second)

    async def is_invited():
        reply = await claimer.call(
            "device_get_invitation_creator", invited_device_id="alice@dev9"
        )
        return reply["status"] == "ok"

    await eventually(is_invited, "the invitation")
    claiming = aside(
        claimer, "device_claim", invited_device_id="alice@dev9", encrypted_claim=b"claim"
    )
    expect_ok(await inviting, encrypted_claim=b"claim")
    made = device_certificates(alice.device, organization.new_device("alice@dev9"))
    answer = os.urandom(300_000)
    expect_ok(await alice.call(
        "device_create", device_certificate=made["device_certificate"], encrypted_answer=answer
    ))
    expect_ok(
        await claiming, device_certificate=made["device_certificate"], encrypted_answer=answer
    )


# --- The LISTEN connection ------------------------------------------------------------------------


@better("keeps its subscribers without events, or ends")
@case(needs=["db", "chaos"], alone=True, limit_s=60)
async def lost_notifications_close_the_subscribers(t):
    """6.2: when the LISTEN connection was lost, the connections that had subscribed are closed."""
    alice, bob = await t.pair()
    await bob.subscribe()
    database = await t.database()
    await database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await expect_end(bob, code=None, timeout=20)

    async def works_again():
        try:
            listener = await alice.organization.connect(bob.device)
            speaker = await alice.organization.connect(alice.device)
            await listener.subscribe()
            insist(await speaker.call("ping", ping="x", timeout=3), "ping")
            return await listener.next_event(timeout=3) == pinged("x")
        except Exception:
            return False

    await eventually(works_again, "service after the connections came back", seconds=30)
