"""protocol/7-apiv1.md §7.3: users and devices by invitation, and the v1 forms of other commands."""
import asyncio
from datetime import timedelta

from certificates import OMIT, SigningKey
from harness import (
    ANY, Better, Failure, better, case, check, eventually, expect, expect_invalid, expect_ok,
    expect_silent, same, short, table,
)
from parsec_client import user_certificates
from wire import now

MISSING, NULL = "Missing data for required field.", "Field may not be null."
ADMINS_ONLY = "Only allowed for user with ADMIN profile."


async def v1_session(t, profile=None):
    """A v1 session of alice, or of bob with that profile."""
    alice = await t.alice()
    device = alice.device if profile is None else await alice.add_user("bob", profile)
    return await alice.organization.connect(device, version=1)


# --- user_find -----------------------------------------------------------------------------------


async def members(t):
    alice = await v1_session(t)
    v2 = await alice.organization.connect(alice.device)
    for name in ("bob", "bobby", "abob", "zoe", "bill_x"):
        await v2.add_user(name, human=None)
    await v2.revoke("bobby")
    return alice


ALL = ["abob", "alice", "bill_x", "bob", "bobby", "zoe"]


@table({
    "everybody": ({}, ALL),
    "query null": ({"query": None}, ALL),
    "empty query": ({"query": ""}, ALL),
    "part of the user ID": ({"query": "bob"}, ["abob", "bob", "bobby"]),
    "other letter case": ({"query": "BoB"}, ["abob", "bob", "bobby"]),
    "nobody": ({"query": "nobody"}, []),
    "underscore is no wildcard": ({"query": "b_b"}, []),
    "underscore": ({"query": "L_X"}, ["bill_x"]),
    "not a user ID: %": ({"query": "b%"}, []),
    "not a user ID: .": ({"query": "b.b"}, []),
    "not a user ID: space": ({"query": "bob "}, []),
    "not a user ID: a device": ({"query": "bob@dev1"}, []),
    "not a user ID: too long": ({"query": "b" * 33}, []),
    "revoked left out": ({"omit_revoked": True}, ["abob", "alice", "bill_x", "bob", "zoe"]),
    "revoked not left out": ({"omit_revoked": False}, ALL),
    "query, revoked left out": ({"query": "bob", "omit_revoked": True}, ["abob", "bob"]),
})
async def user_find(t, row):
    """7.3 user_find: user IDs by user ID; query is case-insensitive; what is no user ID finds nothing."""
    fields, wanted = row
    alice = await members(t)
    expect_ok(
        await alice.call("user_find", **fields),
        results=wanted, page=1, per_page=100, total=len(wanted),
    )


@table({
    "page 1": (1, 4, ALL[:4]), "page 2": (2, 4, ALL[4:]), "page 3": (3, 4, []),
    "exactly one page": (1, 6, ALL), "one each": (5, 1, ["bobby"]), "far": (1000, 100, []),
})
async def user_find_pages(t, row):
    """7.3 user_find: a page is a slice, total counts all."""
    page, per_page, wanted = row
    alice = await members(t)
    expect_ok(
        await alice.call("user_find", page=page, per_page=per_page),
        results=wanted, page=page, per_page=per_page, total=6,
    )


@table({
    "wrong types": (
        {"query": 1, "omit_revoked": "?", "page": "x", "per_page": []},
        {
            "query": "Not a valid string.", "omit_revoked": "Not a valid boolean.",
            "page": "Not a valid integer.", "per_page": "Not a valid integer.",
        },
    ),
    "too small": ({"page": 0, "per_page": 0}, {"page": ANY, "per_page": ANY}),
    "too large": ({"per_page": 101}, {"per_page": ANY}),
    "nulls": (
        {"omit_revoked": None, "page": None, "per_page": None},
        {"omit_revoked": NULL, "page": NULL, "per_page": NULL},
    ),
})
async def user_find_invalid(t, row):
    """1.4, 7.3 user_find: its fields."""
    fields, errors = row
    alice = await v1_session(t)
    expect_invalid(await alice.call("user_find", **fields), **errors)


@case
async def user_find_by_an_outsider(t):
    """7.3 user_find: OUTSIDER: as human_find, before the validation."""
    bob = await v1_session(t, "OUTSIDER")
    for fields in ({}, {"page": "x"}):
        expect(
            await bob.call("user_find", **fields),
            "not_allowed", reason="Not allowed for user with OUTSIDER profile.",
        )


@case
async def user_find_by_a_standard_user(t):
    """7.3 user_find: other profiles may."""
    bob = await v1_session(t, "STANDARD")
    same((await bob.call("user_find"))["results"], ["alice", "bob"], "results")


# --- the two families of invitations -------------------------------------------------------------


def start(connection, cmd, **fields):
    """A call that goes on beside the case, and may end with its connection."""
    task = connection.start(cmd, **fields)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


class Users:
    """user_invite, user_claim, …: name is the user ID."""

    @staticmethod
    def id(session, name):
        return name

    @staticmethod
    def invite(session, name):
        return start(session, "user_invite", user_id=name)

    @staticmethod
    async def cancel(session, name):
        return await session.call("user_cancel_invitation", user_id=name)

    @staticmethod
    async def creator(anonymous, invited_id):
        return await anonymous.call("user_get_invitation_creator", invited_user_id=invited_id)

    @staticmethod
    def claim(anonymous, invited_id, claim=b"claim"):
        return start(anonymous, "user_claim", invited_user_id=invited_id, encrypted_claim=claim)

    @staticmethod
    async def create(session, name, answer=None):
        """(the new device, what the claimer should get)"""
        new = session.organization.new_device(f"{name}@first")
        made = v1_user(session.device, new)
        expect_ok(await session.call("user_create", **made))
        return new, made


class Devices:
    """device_invite, device_claim, …: name is the device name."""

    @staticmethod
    def id(session, name):
        return f"{session.device.user_id}@{name}"

    @staticmethod
    def invite(session, name):
        return start(session, "device_invite", invited_device_name=name)

    @staticmethod
    async def cancel(session, name):
        return await session.call("device_cancel_invitation", invited_device_name=name)

    @staticmethod
    async def creator(anonymous, invited_id):
        return await anonymous.call("device_get_invitation_creator", invited_device_id=invited_id)

    @staticmethod
    def claim(anonymous, invited_id, claim=b"claim"):
        return start(anonymous, "device_claim", invited_device_id=invited_id, encrypted_claim=claim)

    @staticmethod
    async def create(session, name, answer=b"answer"):
        """(the new device, what the claimer should get)"""
        new = session.organization.new_device(Devices.id(session, name))
        made = {**v1_device(session.device, new), "encrypted_answer": answer}
        expect_ok(await session.call("device_create", **made))
        return new, made


KINDS = {"user": Users, "device": Devices}


def v1_user(author, new, **options):
    """The two fields of a v1 user_create."""
    made = user_certificates(author, new, **options)
    return {name: made[name] for name in ("user_certificate", "device_certificate")}


def v1_device(author, new, **options):
    return {"device_certificate": v1_user(author, new, **options)["device_certificate"]}


async def still_waits(task, seconds=0.2):
    await asyncio.wait([task], timeout=seconds)
    if task.done():
        raise Failure(f"it should wait, but got {short(task.result())}")


class Invitation:
    """alice (v1) who invites, and an anonymous claimer."""

    @classmethod
    async def make(cls, t, kind, name="zoe", invite=True, claimer_address=None):
        self = cls()
        self.kind, self.name = kind, name
        self.alice = await v1_session(t)
        self.organization = self.alice.organization
        self.id = kind.id(self.alice, name)
        self.claimer = await self.organization.connect_anonymous(address=claimer_address)
        if invite:
            self.invite = kind.invite(self.alice, name)
            await self.valid()
        return self

    async def valid(self):
        """Waits until the invitation is there."""

        async def probe():
            return (await self.kind.creator(self.claimer, self.id))["status"] == "ok"

        await eventually(probe, f"an invitation for {self.id}")

    def claim(self, connection=None, claim=b"claim"):
        return self.kind.claim(connection or self.claimer, self.id, claim)

    async def claimed(self, claim=b"claim"):
        """The claimer waits, the inviter has its claim."""
        task = self.claim(claim=claim)
        expect_ok(await self.invite, encrypted_claim=claim)
        return task


@table(KINDS)
async def invited_claimed_created(t, kind):
    """7.3: the inviter waits for the claim, the claimer for the creation; then it can connect."""
    invitation = await Invitation.make(t, kind)
    await still_waits(invitation.invite)
    claim = await invitation.claimed(b"the claim")
    await still_waits(claim)
    new, made = await kind.create(invitation.alice, invitation.name)
    expect_ok(await claim, **made)
    session = await invitation.organization.connect(new, version=1)
    expect_ok(await session.call("ping", ping="x"), pong="x")
    expect(await invitation.claim(), "not_found")


@table(KINDS)
async def as_fast_as_they_can(t, kind):
    """7.3: no event is missed between the reply of one command and the wait of the next."""
    invitation = await Invitation.make(t, kind, invite=False)
    for number in range(4):
        invitation.name = f"zoe{number}"
        invitation.id = kind.id(invitation.alice, invitation.name)
        invitation.invite = kind.invite(invitation.alice, invitation.name)
        await invitation.valid()
        claim = await invitation.claimed()
        _, made = await kind.create(invitation.alice, invitation.name)
        expect_ok(await claim, **made)


@table(KINDS)
async def empty_claim(t, kind):
    """7.3: an empty claim is a claim."""
    invitation = await Invitation.make(t, kind)
    await invitation.claimed(b"")


@better("fails when the event is too large for a notification")
@table(KINDS)
async def large_claim(t, kind):
    """6.2, 7.3: no command fails because its event is too large."""
    invitation = await Invitation.make(t, kind)
    invitation.claim(claim=bytes(range(256)) * 80)
    await asyncio.wait([invitation.invite], timeout=4)
    check(invitation.invite.done(), "the inviter gets no claim")
    expect_ok(invitation.invite.result(), encrypted_claim=bytes(range(256)) * 80)


@better("drops the connection")
@case
async def large_answer(t):
    """6.2, 7.3 device_create: no command fails because its event is too large."""
    invitation = await Invitation.make(t, Devices)
    claim = await invitation.claimed()
    new, made = await Devices.create(invitation.alice, invitation.name, b"answer" * 4000)
    expect_ok(await claim, **made)
    await invitation.organization.connect(new)


@case
async def created_by_a_v2_connection(t):
    """7.3 user_claim: it waits for user.created, whoever and whatever API creates the user."""
    invitation = await Invitation.make(t, Users)
    claim = await invitation.claimed()
    v2 = await invitation.organization.connect(invitation.alice.device)
    zoe = await v2.add_user("zoe", device="first")
    expect_ok(
        await claim,
        user_certificate=zoe.certificates["user_certificate"],
        device_certificate=zoe.certificates["device_certificate"],
    )


@case
async def claimed_but_created_by_another_admin(t):
    """7.3 user_claim: any admin may create the user."""
    invitation = await Invitation.make(t, Users)
    v2 = await invitation.organization.connect(invitation.alice.device)
    bob = await invitation.organization.connect(await v2.add_user("bob", "ADMIN"), version=1)
    claim = await invitation.claimed()
    _, made = await Users.create(bob, "zoe")
    expect_ok(await claim, **made)


@table(KINDS)
async def denied(t, kind):
    """7.3: user_cancel_invitation while the claimer waits: denied, and the invitation is gone."""
    invitation = await Invitation.make(t, kind)
    claim = await invitation.claimed()
    expect_ok(await kind.cancel(invitation.alice, invitation.name))
    expect(await claim, "denied", reason="Invitation creator rejected us.")
    expect(await kind.creator(invitation.claimer, invitation.id), "not_found")
    expect(await invitation.claim(), "not_found")


@table(KINDS)
async def cancelled_before_the_claim(t, kind):
    """7.3: a cancelled invitation is not found; the inviter still waits for a claim."""
    invitation = await Invitation.make(t, kind)
    other = await invitation.organization.connect(invitation.alice.device, version=1)
    expect_ok(await kind.cancel(other, invitation.name))
    expect(await kind.creator(invitation.claimer, invitation.id), "not_found")
    expect(await invitation.claim(), "not_found")
    await still_waits(invitation.invite)


@table(KINDS)
async def nothing_to_cancel(t, kind):
    """7.3 *_cancel_invitation: ok whether there was one or not."""
    alice = await v1_session(t)
    for _ in range(2):
        expect_ok(await kind.cancel(alice, "zoe"))


@better("drops the connection")
@table({"user": (Users, "alice"), "device": (Devices, "dev1")})
async def cancelling_an_invitation_of_who_exists(t, row):
    """7.3 *_cancel_invitation: ok whether there was one or not: here the user or device exists."""
    kind, name = row
    alice = await v1_session(t)
    expect_ok(await kind.cancel(alice, name))
    expect_ok(await alice.call("ping", ping="x"), pong="x")


@table(KINDS)
async def after_a_denial_invited_again(t, kind):
    """7.3: a new invitation of the same ID after a denial is a new one."""
    invitation = await Invitation.make(t, kind)
    claim = await invitation.claimed()
    expect_ok(await kind.cancel(invitation.alice, invitation.name))
    expect(await claim, "denied")
    invitation.invite = kind.invite(invitation.alice, invitation.name)
    await invitation.valid()
    claim = await invitation.claimed(b"second")
    _, made = await kind.create(invitation.alice, invitation.name)
    expect_ok(await claim, **made)


@table(KINDS)
async def two_claimers(t, kind):
    """7.3: every claimer of the ID waits for the same creation."""
    invitation = await Invitation.make(t, kind)
    first = await invitation.claimed()
    second = invitation.claim(await invitation.organization.connect_anonymous())
    await still_waits(second)
    _, made = await kind.create(invitation.alice, invitation.name)
    expect_ok(await first, **made)
    expect_ok(await second, **made)


@table(KINDS)
async def two_inviters(t, kind):
    """7.3: everyone who invited that ID waits for the same claim."""
    invitation = await Invitation.make(t, kind)
    again = await invitation.organization.connect(invitation.alice.device, version=1)
    second = kind.invite(again, invitation.name)
    await still_waits(second)
    await invitation.claimed(b"for both")
    expect_ok(await second, encrypted_claim=b"for both")


@table(KINDS)
async def invitations_side_by_side(t, kind):
    """7.3: claims, creations and denials of one ID are not those of another."""
    invitations = {"zoe": await Invitation.make(t, kind, "zoe")}
    alice = invitations["zoe"].alice
    organization = alice.organization
    for name in ("yan", "xia"):
        invitation = invitations[name] = Invitation()
        invitation.kind, invitation.name, invitation.organization = kind, name, organization
        invitation.alice = await organization.connect(alice.device, version=1)
        invitation.claimer = await organization.connect_anonymous()
        invitation.id = kind.id(alice, name)
        invitation.invite = kind.invite(invitation.alice, name)
        await invitation.valid()
    claims = {name: await each.claimed(name.encode()) for name, each in invitations.items()}
    expect_ok(await kind.cancel(alice, "yan"))
    _, made = await kind.create(alice, "xia")
    expect(await claims["yan"], "denied")
    expect_ok(await claims["xia"], **made)
    await still_waits(claims["zoe"])


@table(KINDS)
async def same_name_elsewhere(t, kind):
    """7.3: invitations belong to their organization."""
    invitation = await Invitation.make(t, kind)
    stranger = await v1_session(t)
    outsider = await stranger.organization.connect_anonymous()
    expect(await kind.creator(outsider, invitation.id), "not_found")
    expect(await invitation.claim(outsider), "not_found")
    other = kind.invite(stranger, invitation.name)
    await still_waits(other)
    await invitation.claimed()
    await still_waits(other, 0.1)


# --- waiting and a new request (§1.2) ------------------------------------------------------------


NEW_REQUESTS = {
    "ping": ({"cmd": "ping", "ping": "x"}, {"status": "ok", "pong": "x"}),
    "unknown command": ({"cmd": "nope"}, {"status": "unknown_command", "reason": "Unknown command"}),
}
CANCELLED = {
    f"{kind}: {what}": (KINDS[kind], *row)
    for kind in KINDS for what, row in NEW_REQUESTS.items()
}


@table(CANCELLED)
async def new_request_cancels_an_invite(t, row):
    """1.2: a new request cancels a waiting *_invite, which gets no reply; the invitation stays."""
    kind, document, reply = row
    invitation = await Invitation.make(t, kind, invite=False)
    field = {"user_id": "zoe"} if kind is Users else {"invited_device_name": "zoe"}
    cmd = "user_invite" if kind is Users else "device_invite"
    await invitation.alice.send_request(cmd, **field)
    await invitation.valid()
    same(await invitation.alice.request(document), reply, "reply")
    await expect_silent(invitation.alice, 0.15)
    claim = invitation.claim()
    await still_waits(claim)
    await expect_silent(invitation.alice, 0.05)
    _, made = await kind.create(invitation.alice, "zoe")
    expect_ok(await claim, **made)


@table(CANCELLED)
async def new_request_cancels_a_claim(t, row):
    """1.2: a new request cancels a waiting *_claim, which gets no reply."""
    kind, document, reply = row
    invitation = await Invitation.make(t, kind)
    field = "invited_user_id" if kind is Users else "invited_device_id"
    cmd = "user_claim" if kind is Users else "device_claim"
    await invitation.claimer.send_request(cmd, **{field: invitation.id, "encrypted_claim": b"x"})
    expect_ok(await invitation.invite, encrypted_claim=b"x")
    same(await invitation.claimer.request(document), reply, "reply")
    await kind.create(invitation.alice, "zoe")
    await expect_silent(invitation.claimer, 0.15)


@table(KINDS)
async def invite_again_on_the_same_connection(t, kind):
    """1.2: an *_invite behind an *_invite cancels the first: one claim, one reply."""
    invitation = await Invitation.make(t, kind, invite=False)
    field = {"user_id": "zoe"} if kind is Users else {"invited_device_name": "zoe"}
    cmd = "user_invite" if kind is Users else "device_invite"
    for _ in range(3):
        await invitation.alice.send_request(cmd, **field)
        await invitation.valid()
    await invitation.alice.socket.ping()
    invitation.claim()
    expect_ok(await invitation.alice.recv_reply(), encrypted_claim=b"claim")
    await expect_silent(invitation.alice, 0.15)


@table(KINDS)
async def ping_frames_while_waiting(t, kind):
    """1.2: in every waiting state the server goes on answering Ping."""
    invitation = await Invitation.make(t, kind)
    await invitation.alice.socket.ping(b"inviter")
    claim = await invitation.claimed()
    await invitation.claimer.socket.ping(b"claimer")
    await still_waits(claim, 0.05)


@table(KINDS)
async def inviter_that_left(t, kind):
    """7.3: the invitation does not need the inviter's connection."""
    invitation = await Invitation.make(t, kind)
    invitation.invite.cancel()
    await invitation.alice.socket.abort()
    claim = invitation.claim()
    await still_waits(claim)
    invitation.alice = await invitation.organization.connect(invitation.alice.device, version=1)
    _, made = await kind.create(invitation.alice, "zoe")
    expect_ok(await claim, **made)


# --- refusals ------------------------------------------------------------------------------------


@table({
    "user, existing": (Users, "bob", "User `bob` already exists"),
    "user, revoked": (Users, "eve", "User `eve` already exists"),
    "device": (Devices, "dev1", "Device `alice@dev1` already exists"),
})
async def invite_already_exists(t, row):
    """7.3 *_invite: who exists: already_exists."""
    kind, name, reason = row
    alice = await v1_session(t)
    v2 = await alice.organization.connect(alice.device)
    for user in ("bob", "eve"):
        await v2.add_user(user)
    await v2.revoke("eve")
    expect(await kind.invite(alice, name), "already_exists", reason=reason)


@table({"STANDARD": "STANDARD", "OUTSIDER": "OUTSIDER"})
async def user_invitations_are_for_admins(t, profile):
    """7.3: user_invite, user_cancel_invitation, user_create: not ADMIN: not_allowed, before validation."""
    bob = await v1_session(t, profile)
    for fields in ({}, {"user_id": "zoe"}, {"user_id": "a b"}):
        expect(await bob.call("user_invite", **fields), "not_allowed", reason=ADMINS_ONLY)
        for cmd in ("user_cancel_invitation", "user_create"):
            expect(
                await bob.call(cmd, **fields), "not_allowed", reason="User `bob` is not admin"
            )


@table({"STANDARD": "STANDARD", "OUTSIDER": "OUTSIDER"})
async def device_invitations_are_for_everybody(t, profile):
    """7.3 device_invite: any profile, for its own user."""
    bob = await v1_session(t, profile)
    task = Devices.invite(bob, "new")
    claimer = await bob.organization.connect_anonymous()

    async def probe():
        return (await Devices.creator(claimer, "bob@new"))["status"] == "ok"

    await eventually(probe, "an invitation for bob@new")
    claim = Devices.claim(claimer, "bob@new")
    expect_ok(await task, encrypted_claim=b"claim")
    _, made = await Devices.create(bob, "new")
    expect_ok(await claim, **made)


@table(KINDS)
async def not_invited(t, kind):
    """7.3: without a valid invitation: not_found."""
    alice = await v1_session(t)
    anonymous = await alice.organization.connect_anonymous()
    for name in ("zoe", "yan"):
        expect(await kind.creator(anonymous, kind.id(alice, name)), "not_found")
        expect(await kind.claim(anonymous, kind.id(alice, name)), "not_found")


@table({
    "user_claim": (Users.claim, "alice"),
    "device_claim": (Devices.claim, "alice@dev1"),
    "user_get_invitation_creator": Better("drops the connection", (Users.creator, "alice")),
    "device_get_invitation_creator": Better("drops the connection", (Devices.creator, "alice@dev1")),
})
async def not_invited_but_existing(t, row):
    """7.3: who exists has no valid invitation: not_found."""
    ask, invited_id = row
    alice = await v1_session(t)
    anonymous = await alice.organization.connect_anonymous()
    expect(await ask(anonymous, invited_id), "not_found")


@table({
    "user_invite": ("user_invite", "user_id", "Invalid user name", "a b"),
    "user_cancel_invitation": ("user_cancel_invitation", "user_id", "Invalid user name", "a@b"),
    "device_invite": ("device_invite", "invited_device_name", "Invalid device name", "a@b"),
    "device_cancel_invitation": (
        "device_cancel_invitation", "invited_device_name", "Invalid device name", "x" * 33
    ),
})
async def invalid_authenticated_commands(t, row):
    """1.4, 7.3: the field of each command."""
    cmd, field, error, value = row
    alice = await v1_session(t)
    expect_invalid(await alice.call(cmd), **{field: MISSING})
    expect_invalid(await alice.call(cmd, **{field: None}), **{field: NULL})
    expect_invalid(await alice.call(cmd, **{field: value}), **{field: error})


@table({
    "user_claim": ("user_claim", "invited_user_id", "Invalid user name", "a@b"),
    "user_get_invitation_creator": (
        "user_get_invitation_creator", "invited_user_id", "Invalid user name", ""
    ),
    "device_claim": ("device_claim", "invited_device_id", "Invalid device ID", "alice"),
    "device_get_invitation_creator": (
        "device_get_invitation_creator", "invited_device_id", "Invalid device ID", "a@b@c"
    ),
})
async def invalid_anonymous_commands(t, row):
    """1.4, 7.3: the fields of each command."""
    cmd, field, error, value = row
    anonymous = await (await t.organization()).connect_anonymous()
    claim = {"encrypted_claim": MISSING} if "claim" in cmd else {}
    expect_invalid(await anonymous.call(cmd), **{field: MISSING, **claim})
    claim = {"encrypted_claim": "Not bytes"} if "claim" in cmd else {}
    fields = {field: value, "encrypted_claim": "x"}
    expect_invalid(await anonymous.call(cmd, **fields), **{field: error, **claim})


# --- the creator ---------------------------------------------------------------------------------


NO_CHAIN = {"devices": [], "users": [], "revoked_users": []}


@table(KINDS)
async def creator_signed_by_the_root_key(t, kind):
    """7.3 *_get_invitation_creator: the certificates of the device that invited; no certifier above."""
    invitation = await Invitation.make(t, kind)
    made = invitation.alice.device.certificates
    for _ in range(2):
        expect_ok(
            await kind.creator(invitation.claimer, invitation.id),
            user_certificate=made["user_certificate"],
            device_certificate=made["device_certificate"],
            trustchain=NO_CHAIN,
        )


@table(KINDS)
async def creator_with_a_trustchain(t, kind):
    """7.3 *_get_invitation_creator: trustchain as in user_get: who certified, up to the root key."""
    alice = await t.alice()
    organization = alice.organization
    bob = await alice.add_user("bob", "ADMIN")
    session = await organization.connect(bob, version=1)
    anonymous = await organization.connect_anonymous()
    task = kind.invite(session, "zoe")
    replies = []

    async def probe():
        replies.append(await kind.creator(anonymous, kind.id(session, "zoe")))
        return replies[-1]["status"] == "ok"

    await eventually(probe, "an invitation")
    expect_ok(
        replies[-1],
        user_certificate=bob.certificates["user_certificate"],
        device_certificate=bob.certificates["device_certificate"],
        trustchain={
            "devices": [alice.device.certificates["device_certificate"]],
            "users": [alice.device.certificates["user_certificate"]],
            "revoked_users": [],
        },
    )
    task.cancel()


@case
async def a_new_invitation_replaces_the_old(t):
    """7.3: one per ID: the creator is the last one who invited."""
    invitation = await Invitation.make(t, Users)
    v2 = await invitation.organization.connect(invitation.alice.device)
    bob = await v2.add_user("bob", "ADMIN")
    session = await invitation.organization.connect(bob, version=1)
    task = Users.invite(session, "zoe")

    async def probe():
        reply = await Users.creator(invitation.claimer, "zoe")
        return reply["device_certificate"] == bob.certificates["device_certificate"]

    await eventually(probe, "bob's invitation")
    claim = invitation.claim()
    expect_ok(await task, encrypted_claim=b"claim")
    expect_ok(await Users.cancel(session, "zoe"))
    expect(await claim, "denied")
    expect(await Users.creator(invitation.claimer, "zoe"), "not_found")


TABLES = {"user": ("user_invitation", "user_id"), "device": ("device_invitation", "device_id")}


@table({
    f"{kind}, {label}": (KINDS[kind], *TABLES[kind], minutes, status)
    for kind in KINDS
    for label, minutes, status in (("59 minutes", 59, "ok"), ("61 minutes", 61, "not_found"))
}, needs=["db"])
async def invitations_are_valid_for_an_hour(t, row):
    """7.3: valid for 1 hour; then not found, and a new one replaces it."""
    kind, table_name, column, minutes, status = row
    invitation = await Invitation.make(t, kind)
    database = await t.database()
    await database.execute(
        f"""
        UPDATE {table_name} SET created_on = created_on - $1 * interval '1 minute'
        WHERE {column} = $2 AND organization =
            (SELECT _id FROM organization WHERE organization_id = $3)
        """,
        minutes, invitation.id, invitation.organization.id,
    )
    expect(await kind.creator(invitation.claimer, invitation.id), status)
    if status == "not_found":
        expect(await invitation.claim(), "not_found")
        again = await invitation.organization.connect(invitation.alice.device, version=1)
        invitation.invite = kind.invite(again, invitation.name)
        await invitation.valid()
    await invitation.claimed()


# --- two servers ---------------------------------------------------------------------------------


@table(KINDS, needs=["second-server"])
async def across_servers(t, kind):
    """6.2, 7.3: inviter and claimer on different servers: claim, creation."""
    invitation = await Invitation.make(t, kind, claimer_address=t.second)
    claim = await invitation.claimed()
    _, made = await kind.create(invitation.alice, invitation.name)
    expect_ok(await claim, **made)


@table(KINDS, needs=["second-server"])
async def denied_across_servers(t, kind):
    """6.2, 7.3: inviter and claimer on different servers: denial."""
    invitation = await Invitation.make(t, kind, claimer_address=t.second)
    claim = await invitation.claimed()
    expect_ok(await kind.cancel(invitation.alice, invitation.name))
    expect(await claim, "denied")


# --- user_create, device_create ------------------------------------------------------------------


@case
async def user_create(t):
    """7.3 user_create: two certificates, which stand in for the redacted ones."""
    alice = await v1_session(t)
    new, made = await Users.create(alice, "zoe")
    zoe = await alice.organization.connect(new)
    v2 = await alice.organization.connect(alice.device)
    out = await alice.organization.connect(await v2.add_user("out", "OUTSIDER"))
    for session in (zoe, alice, out):
        reply = await session.call("user_get", user_id="zoe")
        same(reply["user_certificate"], made["user_certificate"], "user certificate")
        same(reply["device_certificates"], [made["device_certificate"]], "device certificates")


@table({"ADMIN": "ADMIN", "STANDARD": "STANDARD", "OUTSIDER": "OUTSIDER", "no profile": OMIT})
async def user_create_profiles(t, profile):
    """7.3 user_create: any profile; without one is_admin decides."""
    alice = await v1_session(t)
    new = alice.organization.new_device("zoe@dev1")
    change = {"profile": profile, "is_admin": profile == "ADMIN"}
    made = v1_user(alice.device, new, changes={"user_certificate": change})
    expect_ok(await alice.call("user_create", **made))
    zoe = await alice.organization.connect(new, version=1)
    status = {"OUTSIDER": "not_allowed"}.get(profile, "ok")
    expect(await zoe.call("user_find"), status)


LONG_AGO = {"timestamp": now() - timedelta(hours=1)}


@table({
    "1 user certificate, another key": (
        {"user_certificate": {"key": SigningKey()}}, "invalid_certification", ANY
    ),
    "1 device certificate, another author": (
        {"device_certificate": {"author": "zoe@dev1"}}, "invalid_certification",
        "Invalid certification data (Invalid author: expected `alice@dev1`, got `zoe@dev1`).",
    ),
    "1 root author": ({"user_certificate": {"author": None}}, "invalid_certification", ANY),
    "2 timestamps": (
        {"device_certificate": LONG_AGO}, "invalid_data",
        "Device and User certificates must have the same timestamp.",
    ),
    "3 ballpark": (
        {"user_certificate": LONG_AGO, "device_certificate": LONG_AGO}, "invalid_certification",
        "Invalid timestamp in certificate.",
    ),
    "4 users": (
        {"device_certificate": {"device_id": "yan@dev1"}}, "invalid_data",
        "Device and User must have the same user ID.",
    ),
    "5 human handle": (
        {"user_certificate": {"human_handle": ["zoe@example.com", "Zoe"]}}, "invalid_data",
        "Redacted User certificate must not contain a human_handle field.",
    ),
    "6 label": (
        {"device_certificate": {"device_label": "PC"}}, "invalid_data",
        "Redacted Device certificate must not contain a device_label field.",
    ),
    "7 taken": (
        {"user_certificate": {"user_id": "alice"}, "device_certificate": {"device_id": "alice@x"}},
        "already_exists", "User `alice` already exists",
    ),
})
async def user_create_refused(t, row):
    """7.3 user_create: the checks of the v2 command, with the certificates as redacted ones."""
    changes, status, reason = row
    alice = await v1_session(t)
    new = alice.organization.new_device("zoe@dev1")
    made = v1_user(alice.device, new, changes=changes)
    expect(await alice.call("user_create", **made), status, reason=reason)
    same((await alice.call("user_find"))["results"], ["alice"], "users")


@case
async def device_create(t):
    """7.3 device_create: one certificate and an encrypted answer."""
    alice = await v1_session(t)
    new, made = await Devices.create(alice, "dev2")
    second = await alice.organization.connect(new)
    reply = await second.call("user_get", user_id="alice")
    check(made["device_certificate"] in reply["device_certificates"], "it is not listed")
    same(len(reply["device_certificates"]), 2, "number of devices")


@table({
    "1 another key": ({"key": SigningKey()}, "invalid_certification", ANY),
    "1 another author": ({"author": "zoe@dev1"}, "invalid_certification", ANY),
    "2 ballpark": (
        LONG_AGO, "invalid_certification", "Invalid timestamp in certification."
    ),
    "3 label": (
        {"device_label": "PC"}, "invalid_data",
        "Redacted Device certificate must not contain a device_label field.",
    ),
    "4 other user": (
        {"device_id": "zoe@dev2"}, "bad_user_id", "Device must be handled by it own user."
    ),
    "5 taken": (
        {"device_id": "alice@dev1"}, "already_exists", "Device `alice@dev1` already exists"
    ),
    "1 before 2": ({"key": SigningKey(), **LONG_AGO}, "invalid_certification", ANY),
    "2 before 3": (
        {"device_label": "PC", **LONG_AGO}, "invalid_certification",
        "Invalid timestamp in certification.",
    ),
    "3 before 4": (
        {"device_label": "PC", "device_id": "zoe@dev2"}, "invalid_data",
        "Redacted Device certificate must not contain a device_label field.",
    ),
})
async def device_create_refused(t, row):
    """7.3 device_create: its numbered checks."""
    change, status, reason = row
    alice = await v1_session(t)
    new = alice.organization.new_device("alice@dev2")
    made = v1_device(alice.device, new, changes={"device_certificate": change})
    reply = await alice.call("device_create", encrypted_answer=b"", **made)
    expect(reply, status, reason=reason)
    reply = await alice.call("user_get", user_id="alice")
    same(len(reply["device_certificates"]), 1, "number of devices")


@table({
    "user_create": (
        "user_create", {"user_certificate": MISSING, "device_certificate": MISSING},
        {"user_certificate": "Not bytes", "device_certificate": "Not bytes"},
    ),
    "device_create": (
        "device_create", {"device_certificate": MISSING, "encrypted_answer": MISSING},
        {"device_certificate": "Not bytes", "encrypted_answer": "Not bytes"},
    ),
})
async def invalid_creations(t, row):
    """1.4, 7.3: the fields of the v1 forms."""
    cmd, missing, wrong = row
    alice = await v1_session(t)
    expect_invalid(await alice.call(cmd), **missing)
    expect_invalid(await alice.call(cmd, **dict.fromkeys(wrong, "x")), **wrong)


# --- the commands that v1 shares with v2 ---------------------------------------------------------


@case
async def shared_commands(t):
    """7: all of protocol/4-commands.md in the same form on a v1 connection."""
    alice = await (await v1_session(t)).subscribe()
    await Users.create(alice, "zoe")
    bob = alice.organization.new_device("bob@dev1")
    expect_ok(await alice.call("user_create", **v1_user(alice.device, bob)))
    session = await (await alice.organization.connect(bob, version=1)).subscribe()
    realm_id = await alice.create_realm()
    await alice.share(realm_id, "bob", "CONTRIBUTOR", b"hello")
    vlob_id = await session.create_vlob(realm_id, b"from bob")
    block_id = await session.create_block(realm_id, b"block")
    expect_ok(
        await alice.call("vlob_read", encryption_revision=1, vlob_id=vlob_id),
        version=1, blob=b"from bob", author="bob@dev1", timestamp=ANY,
    )
    expect_ok(await alice.call("block_read", block_id=block_id), block=b"block")
    (message,) = (await session.call("message_get", offset=0))["messages"]
    same((message["body"], message["sender"]), (b"hello", "alice@dev1"), "message")
    reply = await alice.call("human_find", query="bob")
    same([user["user_id"] for user in reply["results"]], ["bob"], "users")
    await alice.revoke("zoe")
    events = [(await session.next_event())["event"] for _ in range(2)]
    same(sorted(events), ["message.received", "realm.roles_updated"], "bob's events")
    events = [(await alice.next_event())["event"] for _ in range(2)]
    same(sorted(events), ["realm.roles_updated", "realm.vlobs_updated"], "alice's events")


@case
async def v1_and_v2_of_one_device(t):
    """7: the same device may be connected by both versions at once."""
    alice = await v1_session(t)
    v2 = await alice.organization.connect(alice.device)
    await v2.add_user("bob")
    same((await alice.call("user_find"))["results"], ["alice", "bob"], "users")
    new, _ = await Devices.create(alice, "dev2")
    await v2.organization.connect(new)
    same(len((await v2.call("user_get", user_id="alice"))["device_certificates"]), 2, "devices")
