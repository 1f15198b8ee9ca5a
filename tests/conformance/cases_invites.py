"""protocol/5-invite.md: invitations, their statuses and mails, and the claim conduit."""
import asyncio
import email
import email.policy
import secrets
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from harness import (
    Better, Failure, better, case, check, eventually, expect, expect_end, expect_invalid,
    expect_ok, expect_silent, instance, same, short, table,
)
from wire import now

GREETER, CLAIMER = "greeter", "claimer"
SIDES = (GREETER, CLAIMER)
GREETER_KEY, CLAIMER_KEY = bytes(range(32)), bytes(range(32, 64))
MISSING, NULL = "Missing data for required field.", "Field may not be null."


# --- the two sides of a conduit ------------------------------------------------------------------

STATES = [
    "1_WAIT_PEERS", "2_1_CLAIMER_HASHED_NONCE", "2_2_GREETER_NONCE", "2_3_CLAIMER_NONCE",
    "3_1_CLAIMER_TRUST", "3_2_GREETER_TRUST", "4_COMMUNICATE",
]
WAIT, HASHED, GREETER_NONCE, CLAIMER_NONCE, TRUST_1, TRUST_2, COMMUNICATE = STATES

# side → state of its first exchange → command, its fields, the fields of its ok reply
STEPS = {
    GREETER: {
        WAIT: (
            "invite_1_greeter_wait_peer",
            {"greeter_public_key": GREETER_KEY}, {"claimer_public_key": CLAIMER_KEY},
        ),
        HASHED: ("invite_2a_greeter_get_hashed_nonce", {}, {"claimer_hashed_nonce": b"hashed"}),
        GREETER_NONCE: (
            "invite_2b_greeter_send_nonce",
            {"greeter_nonce": b"greeter nonce"}, {"claimer_nonce": b"claimer nonce"},
        ),
        TRUST_1: ("invite_3a_greeter_wait_peer_trust", {}, {}),
        TRUST_2: ("invite_3b_greeter_signify_trust", {}, {}),
        COMMUNICATE: (
            "invite_4_greeter_communicate", {"payload": b"of greeter"}, {"payload": b"of claimer"}
        ),
    },
    CLAIMER: {
        WAIT: (
            "invite_1_claimer_wait_peer",
            {"claimer_public_key": CLAIMER_KEY}, {"greeter_public_key": GREETER_KEY},
        ),
        HASHED: (
            "invite_2a_claimer_send_hashed_nonce",
            {"claimer_hashed_nonce": b"hashed"}, {"greeter_nonce": b"greeter nonce"},
        ),
        CLAIMER_NONCE: ("invite_2b_claimer_send_nonce", {"claimer_nonce": b"claimer nonce"}, {}),
        TRUST_1: ("invite_3a_claimer_signify_trust", {}, {}),
        TRUST_2: ("invite_3b_claimer_wait_peer_trust", {}, {}),
        COMMUNICATE: (
            "invite_4_claimer_communicate", {"payload": b"of claimer"}, {"payload": b"of greeter"}
        ),
    },
}

# in these states that side may be the first to talk (the two nonces have a fixed order) …
FIRST_TALKS = {
    f"{side} in {state}": (state, side)
    for state in STATES for side in SIDES
    if (state, side) not in ((GREETER_NONCE, GREETER), (CLAIMER_NONCE, CLAIMER))
}
# … and here it is by a command that begins in that very state
FIRST_COMMANDS = {
    label: (state, side) for label, (state, side) in FIRST_TALKS.items() if state in STEPS[side]
}


# these commands go on into the next state before they have their reply
GOES_ON = {(HASHED, CLAIMER), (GREETER_NONCE, GREETER)}


def but_first(rows):
    return {label: row for label, row in rows.items() if row[0] != WAIT}


GHOST = "a peer that left while it waited goes on talking"
DEAF = "a waiting greeter goes on waiting after the deletion"


def with_ghosts(rows):
    """Marks the rows (state, leaver) in which the reference would answer for the leaver."""
    return {
        label: row if (row[0], other(row[1])) in GOES_ON else Better(GHOST, row)
        for label, row in rows.items()
    }


def with_deaf_greeters(rows):
    """Marks the rows (state, waiting side) of the greeter."""
    return {
        label: Better(DEAF, row) if row[1] == GREETER else row for label, row in rows.items()
    }


def other(side):
    return CLAIMER if side == GREETER else GREETER


def before(state):
    return STATES[STATES.index(state) - 1]


async def still_waits(task, seconds=0.2):
    """The command got no reply for a moment: its talk is over, it listens now."""
    await asyncio.wait([task], timeout=seconds)
    if task.done():
        raise Failure(f"it should wait for its peer, but got {short(task.result())}")


class Meeting:
    """A greeter and a claimer connected over one invitation."""

    def __init__(self, alice, token, kind):
        self.organization, self.alice = alice.organization, alice
        self.token, self.kind = token, kind
        self.addresses = dict.fromkeys(SIDES, alice.organization.address)
        self.connections = {}
        self.waiting = {}  # side → task of a command that waits

    @classmethod
    async def make(cls, t, kind="DEVICE"):
        email_address = "zoe@example.com" if kind == "USER" else None
        return await cls.over(await t.alice(), kind, email_address)

    @classmethod
    async def over(cls, greeter, kind, email_address=None):
        """Over an invitation made by that session."""
        meeting = cls(greeter, await greeter.invite(kind, email_address), kind)
        for side in SIDES:
            await meeting.reconnect(side)
        return meeting

    async def connect(self, side):
        """One more connection of that side."""
        if side == GREETER:
            return await self.organization.connect(
                self.alice.device, address=self.addresses[GREETER]
            )
        return await self.organization.connect_invited(
            self.token, self.kind, address=self.addresses[CLAIMER]
        )

    async def reconnect(self, side):
        self.connections[side] = await self.connect(side)

    async def leave(self, side):
        """That side's connection breaks, also while its command waits."""
        task = self.waiting.pop(side, None)
        if task:
            task.cancel()
        await self.connections[side].socket.abort()

    def start(self, side, state, connection=None, **changes):
        """Sends the command of that side that begins in that state; the task of its reply."""
        cmd, fields, _ = STEPS[side][state]
        token = {"token": self.token} if side == GREETER else {}
        connection = connection or self.connections[side]
        task = connection.start(cmd, **{**token, **fields, **changes})
        # a command that nobody waits for any more may end with its connection
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    async def wait_in(self, side, state, seconds=0.2):
        """That side waits in that state, alone so far; the task of its command."""
        if side not in self.waiting:
            self.waiting[side] = self.start(side, state)
        await still_waits(self.waiting[side], seconds)
        return self.waiting[side]

    async def finish(self, side, state, task=None):
        """The ok reply of that side's command that began in that state."""
        task = task or self.waiting.pop(side)
        try:
            expect_ok(await task, **STEPS[side][state][2])
        except Failure as failure:
            raise Failure(f"{STEPS[side][state][0]}: {failure}") from None

    async def advance(self, state, first=None):
        """Both talk in that state; the replies that come by it. first: who waits alone before."""
        for side in SIDES if first is None else (first, other(first)):
            if side not in self.waiting:
                self.waiting[side] = self.start(side, state)
            if side == first:
                await still_waits(self.waiting[side])
        for side in SIDES:
            if (state, side) not in GOES_ON:
                await self.finish(side, state if state in STEPS[side] else before(state))

    async def reach(self, target):
        """The conduit in that state. In the two nonce states one side waits there already."""
        for state in STATES[:STATES.index(target)]:
            await self.advance(state)
        return self

    async def complete(self, start=WAIT):
        """The rest of the conversation, from that state on."""
        for state in STATES[STATES.index(start):]:
            await self.advance(state)

    async def delete(self):
        """The greeter deletes the invitation, by a connection of its own."""
        reply = await self.alice.call("invite_delete", token=self.token, reason="CANCELLED")
        expect_ok(reply)


# --- invite_new ----------------------------------------------------------------------------------


@table({"USER": {"type": "USER", "claimer_email": "zoe@example.com"}, "DEVICE": {"type": "DEVICE"}})
async def invite_new(t, fields):
    """5.1 invite_new: ok with a token."""
    alice = await t.alice()
    reply = await alice.call("invite_new", send_email=False, **fields)
    expect_ok(reply, token=instance(UUID))


@table({
    "USER by STANDARD": ("STANDARD", "USER", False, "not_allowed"),
    "USER by OUTSIDER": ("OUTSIDER", "USER", False, "not_allowed"),
    "USER by STANDARD, with mail": ("STANDARD", "USER", True, "not_allowed"),
    "USER by ADMIN": ("ADMIN", "USER", False, "ok"),
    "DEVICE by STANDARD": ("STANDARD", "DEVICE", False, "ok"),
    "DEVICE by OUTSIDER": ("OUTSIDER", "DEVICE", False, "ok"),
    "DEVICE by ADMIN": ("ADMIN", "DEVICE", False, "ok"),
})
async def invite_new_profiles(t, row):
    """5.1 invite_new: a USER invitation is for ADMIN only, a DEVICE invitation for everybody."""
    profile, kind, send_email, status = row
    _, bob = await t.pair(profile)
    fields = {"claimer_email": "zoe@example.com"} if kind == "USER" else {}
    reply = await bob.call("invite_new", type=kind, send_email=send_email, **fields)
    expect(reply, status)


@table({
    "DEVICE with mail": ("DEVICE", True, "not_available"),
    "DEVICE without mail": ("DEVICE", False, "ok"),
    "USER with mail": ("USER", True, "ok"),
    "USER without mail": ("USER", False, "ok"),
})
async def invite_new_without_human_handle(t, row):
    """5.1 invite_new: DEVICE with send_email needs the author's human handle."""
    kind, send_email, status = row
    alice = await t.alice()
    bob = await alice.organization.connect(await alice.add_user("bob", "ADMIN", human=None))
    fields = {"claimer_email": "zoe@example.com"} if kind == "USER" else {}
    reply = await bob.call("invite_new", type=kind, send_email=send_email, **fields)
    expect(reply, status)
    listed = (await bob.call("invite_list"))["invitations"]
    same(len(listed), 1 if status == "ok" else 0, "number of invitations")


@table({
    "nothing": ({}, {"type": MISSING}),
    "type unknown": ({"type": "X"}, {"type": "Unsupported value: X"}),
    "type in lower case": ({"type": "user"}, {"type": "Unsupported value: user"}),
    "type missing, others wrong": ({"send_email": "?", "claimer_email": 1}, {"type": MISSING}),
    "USER, nothing else": ({"type": "USER"}, {"claimer_email": MISSING, "send_email": MISSING}),
    "DEVICE, nothing else": ({"type": "DEVICE"}, {"send_email": MISSING}),
    "USER, wrong types": (
        {"type": "USER", "claimer_email": 1, "send_email": "perhaps"},
        {"claimer_email": "Not a valid string.", "send_email": "Not a valid boolean."},
    ),
    "USER, nulls": (
        {"type": "USER", "claimer_email": None, "send_email": None},
        {"claimer_email": NULL, "send_email": NULL},
    ),
})
async def invite_new_invalid(t, row):
    """5.1 invite_new: type missing or unknown, and the fields of each type."""
    fields, errors = row
    alice = await t.alice()
    expect_invalid(await alice.call("invite_new", **fields), **errors)


@case
async def invite_new_is_validated_before_the_profile(t):
    """5.1 invite_new: whether it is allowed depends on the type, so validation comes first."""
    _, bob = await t.pair("STANDARD")
    expect(await bob.call("invite_new", type="USER"), "bad_message")
    expect(await bob.call("invite_new"), "bad_message")


@better("drops the connection")
@case
async def invite_new_with_an_email_too_long(t):
    """storage 1, 1.4: an email that the column cannot hold is refused, not a crash."""
    alice = await t.alice()
    reply = await alice.call(
        "invite_new", type="USER", claimer_email="x" * 256, send_email=False
    )
    check(reply["status"] != "ok", "stored")
    expect_ok(await alice.call("ping", ping="x"), pong="x")


@case
async def token_is_reused(t):
    """5.1 invite_new: a not deleted invitation of the same greeter, type and email: same token."""
    alice, bob = await t.pair("ADMIN")
    zoe = await alice.invite("USER", "zoe@example.com")
    yan = await alice.invite("USER", "yan@example.com")
    mine = await alice.invite("DEVICE")
    same(await alice.invite("USER", "zoe@example.com"), zoe, "token of the same email")
    same(await alice.invite("DEVICE"), mine, "token of the same greeter's device")
    bobs = [await bob.invite("USER", "zoe@example.com"), await bob.invite("DEVICE")]
    check(len({zoe, yan, mine, *bobs}) == 5, "a token was reused that should not")
    expect_ok(await alice.call("invite_delete", token=zoe, reason="FINISHED"))
    expect_ok(await alice.call("invite_delete", token=mine, reason="FINISHED"))
    check(await alice.invite("USER", "zoe@example.com") != zoe, "token of a deleted invitation")
    check(await alice.invite("DEVICE") != mine, "token of a deleted invitation")
    same(await alice.invite("USER", "yan@example.com"), yan, "token of the same email")


@case
async def token_is_reused_by_the_other_devices(t):
    """5.1 invite_new: the greeter is a user: another device of it gets the same token."""
    alice = await t.alice()
    second = await alice.organization.connect(await alice.add_device("dev2"))
    same(await second.invite("DEVICE"), await alice.invite("DEVICE"), "token")


@case
async def token_is_reused_also_while_the_claimer_is_there(t):
    """5.1 invite_new: reuse does not disturb a conversation."""
    meeting = await Meeting.make(t)
    await meeting.reach(TRUST_1)
    same(await meeting.alice.invite(meeting.kind), meeting.token, "token")
    await meeting.complete(TRUST_1)


@case
async def a_token_belongs_to_its_organization(t):
    """5.1 invite_new: the same greeter name, type and email elsewhere: another invitation."""
    alice, stranger = await t.alice(), await t.alice()
    token = await alice.invite("USER", "zoe@example.com")
    check(await stranger.invite("USER", "zoe@example.com") != token, "the same token")


@case(limit_s=40)
async def concurrent_invite_new(t):
    """5.1 invite_new: several at once for different emails are all kept."""
    alice = await t.alice()
    sessions = [await alice.organization.connect(alice.device) for _ in range(6)]
    tokens = await asyncio.gather(
        *(session.invite("USER", f"{n}@example.com") for n, session in enumerate(sessions))
    )
    listed = (await alice.call("invite_list"))["invitations"]
    same({item["token"] for item in listed}, set(tokens), "listed tokens")


# --- invite_list ---------------------------------------------------------------------------------


@case
async def invite_list(t):
    """5.1 invite_list: the greeter's not deleted ones, by creation date; claimer_email for USER only."""
    alice, bob = await t.pair("ADMIN")
    expect_ok(await alice.call("invite_list"), invitations=[])
    start = now()
    wanted = []
    for kind, address in (
        ("USER", "zoe@example.com"), ("DEVICE", None), ("USER", "ann@example.com"),
        ("USER", "mia@example.com"),
    ):
        token = await alice.invite(kind, address)
        wanted.append({"type": kind, "token": token, "status": "IDLE"})
        if address:
            wanted[-1]["claimer_email"] = address
    await bob.invite("USER", "bob's@example.com")
    got = (await alice.call("invite_list"))["invitations"]
    dates = [item.pop("created_on") for item in got]
    same(got, wanted, "invitations")
    check(dates == sorted(dates), f"not by creation date: {dates}")
    margin = timedelta(minutes=5)
    check(all(start - margin < date < now() + margin for date in dates), f"dates {dates}")
    expect_ok(await alice.call("invite_delete", token=wanted[1]["token"], reason="ROTTEN"))
    got = (await alice.call("invite_list"))["invitations"]
    same([item["token"] for item in got], [wanted[n]["token"] for n in (0, 2, 3)], "tokens")


@case
async def reuse_keeps_the_creation_date(t):
    """5.1 invite_new, invite_list: a reused invitation is the same one."""
    alice = await t.alice()
    await alice.invite("USER", "zoe@example.com")
    before = await alice.call("invite_list")
    await alice.invite("USER", "zoe@example.com")
    same(await alice.call("invite_list"), before, "list")


async def status_of(session, token):
    listed = (await session.call("invite_list"))["invitations"]
    return next((item["status"] for item in listed if item["token"] == token), "gone")


async def eventually_status(session, token, status):
    async def probe():
        return await status_of(session, token) == status

    await eventually(probe, f"invite_list says {status}")


@case
async def statuses_in_invite_list(t):
    """5: IDLE without claimer, READY while a claimer is connected, IDLE again after it left."""
    alice = await t.alice()
    token, unrelated = await alice.invite("USER", "zoe@example.com"), await alice.invite("DEVICE")
    same(await status_of(alice, token), "IDLE", "status before")
    for leave in ("close", "abort", "close"):
        claimer = await alice.organization.connect_invited(token, "USER")
        await eventually_status(alice, token, "READY")
        same(await status_of(alice, unrelated), "IDLE", "status of the other invitation")
        await getattr(claimer.socket, leave)()
        await eventually_status(alice, token, "IDLE")


@case
async def a_refused_claimer_is_not_ready(t):
    """5: READY when a claimer's handshake succeeds, not when it fails."""
    alice = await t.alice()
    token = await alice.invite("DEVICE")
    await alice.subscribe()
    _, result = await t.handshake({
        "handshake": "answer", "client_api_version": [2, 0], "type": "INVITED",
        "organization_id": alice.organization.id, "invitation_type": "USER", "token": token,
    })
    same(result["result"], "bad_identity", "result")
    expect(await alice.call("events_listen", wait=False), "no_events")
    same(await status_of(alice, token), "IDLE", "status")


# --- events --------------------------------------------------------------------------------------


def status_event(token, status):
    return {"event": "invite.status_changed", "token": token, "invitation_status": status}


@case
async def status_events(t):
    """5, 6.1: IDLE on creation, READY, IDLE, READY with the claimer, DELETED; to all greeter's devices."""
    alice, bob = await t.pair("ADMIN")
    second = await alice.organization.connect(await alice.add_device("dev2"))
    for session in (alice, bob, second):
        await session.subscribe()
    token = await alice.invite("USER", "zoe@example.com")

    async def heard(status):
        for session in (alice, second):
            same(await session.next_event(), status_event(token, status), "event")

    await heard("IDLE")
    claimer = await alice.organization.connect_invited(token, "USER")
    await heard("READY")
    await claimer.socket.close()
    await heard("IDLE")
    claimer = await alice.organization.connect_invited(token, "USER")
    await heard("READY")
    await claimer.socket.abort()
    await heard("IDLE")
    expect_ok(await second.call("invite_delete", token=token, reason="CANCELLED"))
    await heard("DELETED")
    expect(await bob.call("events_listen", wait=False), "no_events")


@case
async def reuse_gives_the_event_again(t):
    """5.1 invite_new: event IDLE, also when the token is reused."""
    alice = await t.alice()
    token = await alice.invite("DEVICE")
    await alice.subscribe()
    await alice.invite("DEVICE")
    same(await alice.next_event(), status_event(token, "IDLE"), "event")


@table({"waiting in the conduit": True, "idle": False})
async def deletion_with_a_claimer_there(t, in_conduit):
    """5.1 invite_delete: DELETED comes, also when a claimer is connected."""
    meeting = await Meeting.make(t)
    listener = await (await meeting.connect(GREETER)).subscribe()
    if in_conduit:
        await meeting.wait_in(CLAIMER, WAIT)
    expect_ok(
        await meeting.alice.call("invite_delete", token=meeting.token, reason="CANCELLED")
    )
    same(await listener.next_event(), status_event(meeting.token, "DELETED"), "event")
    await expect_end(meeting.connections[CLAIMER])


@better("does not read while it waits")
@table({"aborted": "abort", "closed": "close"})
async def a_claimer_that_leaves_while_it_waits(t, leave):
    """1.2, 5: the server notices at once that a waiting peer is gone: IDLE."""
    meeting = await Meeting.make(t)
    listener = await (await meeting.connect(GREETER)).subscribe()
    await meeting.wait_in(CLAIMER, WAIT)
    meeting.waiting[CLAIMER].cancel()
    await asyncio.wait([meeting.waiting[CLAIMER]])
    await asyncio.wait_for(getattr(meeting.connections[CLAIMER].socket, leave)(), 5)
    same(await listener.next_event(5), status_event(meeting.token, "IDLE"), "event")


# --- invite_delete -------------------------------------------------------------------------------


@table({"FINISHED": "FINISHED", "CANCELLED": "CANCELLED", "ROTTEN": "ROTTEN"})
async def invite_delete(t, reason):
    """5.1 invite_delete: ok once, then already_deleted, whatever the reasons."""
    alice = await t.alice()
    token = await alice.invite("USER", "zoe@example.com")
    expect_ok(await alice.call("invite_delete", token=token, reason=reason))
    for again in (reason, "FINISHED", "CANCELLED"):
        expect(await alice.call("invite_delete", token=token, reason=again), "already_deleted")
    expect_ok(await alice.call("invite_list"), invitations=[])


@case
async def invite_delete_not_found(t):
    """5.1 invite_delete: not one of the greeter's: not_found, and nothing is deleted."""
    alice, bob = await t.pair("ADMIN")
    stranger = await t.alice()
    token = await alice.invite("USER", "zoe@example.com")
    for session, candidate in ((alice, uuid4()), (bob, token), (stranger, token)):
        reply = await session.call("invite_delete", token=candidate, reason="FINISHED")
        expect(reply, "not_found")
    same(await status_of(alice, token), "IDLE", "status")
    expect_ok(await alice.call("invite_delete", token=token, reason="FINISHED"))
    expect(await bob.call("invite_delete", token=token, reason="FINISHED"), "not_found")


@table({
    "nothing": ({}, {"token": MISSING, "reason": MISSING}),
    "wrong types": ({"token": "x", "reason": 1}, {"token": "Not an UUID", "reason": "Not string"}),
    "unknown reason": ({"token": uuid4(), "reason": "DONE"}, {"reason": "Invalid role `DONE`"}),
})
async def invite_delete_invalid(t, row):
    """1.4, 5.1 invite_delete: its fields."""
    fields, errors = row
    alice = await t.alice()
    expect_invalid(await alice.call("invite_delete", **fields), **errors)


@case
async def deletion_closes_every_claimer(t):
    """5.1 invite_delete: every claimer connection of that token is closed (1000), no other one."""
    alice = await t.alice()
    organization = alice.organization
    token, spared = await alice.invite("USER", "zoe@example.com"), await alice.invite("DEVICE")
    claimers = [await organization.connect_invited(token, "USER") for _ in range(3)]
    spared_claimer = await organization.connect_invited(spared, "DEVICE")
    expect_ok(await alice.call("invite_delete", token=token, reason="FINISHED"))
    for claimer in claimers:
        await expect_end(claimer)
    expect_ok(await spared_claimer.call("ping", ping="x"), pong="x")
    expect(await spared_claimer.call("invite_info"), "ok")


@case
async def concurrent_deletions(t):
    """5.1 invite_delete: of several at once exactly one gets ok."""
    alice = await t.alice()
    token = await alice.invite("DEVICE")
    sessions = [await alice.organization.connect(alice.device) for _ in range(5)]
    replies = await asyncio.gather(
        *(session.call("invite_delete", token=token, reason="FINISHED") for session in sessions)
    )
    statuses = sorted(reply["status"] for reply in replies)
    same(statuses, ["already_deleted"] * 4 + ["ok"], "statuses")


@case
async def revoked_greeter(t):
    """5: what a revoked greeter left behind does not break anything for the claimer or the others."""
    alice, bob = await t.pair("ADMIN")
    token = await bob.invite("USER", "zoe@example.com")
    claimer = await alice.organization.connect_invited(token, "USER")
    await alice.revoke("bob")
    await expect_end(bob)
    reply = await claimer.call("invite_info")
    same(reply.get("greeter_user_id"), "bob", f"greeter (of {short(reply)})")


# --- invite_info ---------------------------------------------------------------------------------


@case
async def invite_info_user(t):
    """5.2 invite_info: USER: type, claimer_email, greeter."""
    alice = await t.alice()
    token = await alice.invite("USER", "zoe@example.com")
    claimer = await alice.organization.connect_invited(token, "USER")
    for _ in range(2):
        expect_ok(
            await claimer.call("invite_info"),
            type="USER", claimer_email="zoe@example.com", greeter_user_id="alice",
            greeter_human_handle=["alice@example.com", "Alice"],
        )


@case
async def invite_info_device(t):
    """5.2 invite_info: DEVICE: no claimer_email."""
    _, bob = await t.pair("OUTSIDER")
    token = await bob.invite("DEVICE")
    claimer = await bob.organization.connect_invited(token, "DEVICE")
    expect_ok(
        await claimer.call("invite_info"),
        type="DEVICE", greeter_user_id="bob", greeter_human_handle=["bob@example.com", "Bob"],
    )


@case
async def invite_info_without_human_handle(t):
    """5.2 invite_info: a greeter without human handle: null."""
    alice = await t.alice()
    bob = await alice.organization.connect(await alice.add_user("bob", "ADMIN", human=None))
    for kind, fields in (("USER", {"claimer_email": "zoé ✓"}), ("DEVICE", {})):
        token = await bob.invite(kind, **fields)
        claimer = await alice.organization.connect_invited(token, kind)
        expect_ok(
            await claimer.call("invite_info"),
            type=kind, greeter_user_id="bob", greeter_human_handle=None, **fields,
        )


# --- the conduit: conversations ------------------------------------------------------------------


@table({"USER": "USER", "DEVICE": "DEVICE"})
async def conversation(t, kind):
    """5.3: the twelve commands, both peers going on as fast as they can."""
    meeting = await Meeting.make(t, kind)

    async def talk(side):
        for state in STEPS[side]:
            await meeting.finish(side, state, meeting.start(side, state))

    await asyncio.gather(*(talk(side) for side in SIDES))


@table(FIRST_TALKS)
async def either_comes_first(t, row):
    """5.3: in every state the one that came first waits for its peer, then both get their replies."""
    state, first = row
    meeting = await (await Meeting.make(t)).reach(state)
    await meeting.advance(state, first)
    if state != COMMUNICATE:
        await meeting.complete(STATES[STATES.index(state) + 1])


@case
async def always_the_same_first(t):
    """5.3: a whole conversation with one side always first, then one with the other."""
    meeting = await Meeting.make(t)
    for side in SIDES:
        for state in STATES:
            await meeting.advance(state, side if (state, side) in FIRST_TALKS.values() else None)


@case
async def pipelined_conversation(t):
    """1.2, 5.3: conduit commands are not cancelled by a new request: that one is queued behind."""
    meeting = await Meeting.make(t)
    for side in SIDES:
        token = {"token": meeting.token} if side == GREETER else {}
        for cmd, fields, _ in STEPS[side].values():
            await meeting.connections[side].send_request(cmd, **token, **fields)
        await meeting.connections[side].send_request("ping", ping=side)
    for side in SIDES:
        for cmd, _, wanted in STEPS[side].values():
            reply = await meeting.connections[side].recv_reply()
            same(reply, {"status": "ok", **wanted}, f"reply of {cmd}")
        expect_ok(await meeting.connections[side].recv_reply(), pong=side)


@table({"another command": ("ping", {"ping": "behind"}), "itself": None, "unknown": ("nope", {})})
async def request_behind_a_conduit_wait(t, request):
    """1.2: a request behind a waiting conduit command is served after it, not instead of it."""
    meeting = await Meeting.make(t)
    greeter = meeting.connections[GREETER]
    cmd, fields, wanted = STEPS[GREETER][WAIT]
    await greeter.send_request(cmd, token=meeting.token, **fields)
    if request is None:
        await greeter.send_request(cmd, token=meeting.token, **fields)
    else:
        await greeter.send_request(request[0], **request[1])
    await expect_silent(greeter, 0.2)
    await meeting.finish(CLAIMER, WAIT, meeting.start(CLAIMER, WAIT))
    expect_ok(await greeter.recv_reply(), **wanted)
    if request is None:
        await meeting.finish(CLAIMER, WAIT, meeting.start(CLAIMER, WAIT))
        expect_ok(await greeter.recv_reply(), **wanted)
    else:
        status = "ok" if request[0] == "ping" else "unknown_command"
        expect(await greeter.recv_reply(), status)


@case
async def waiting_has_no_limit(t):
    """5.3: waiting is bounded only by the connection's life (here: a few seconds)."""
    meeting = await Meeting.make(t)
    await still_waits(meeting.start(GREETER, WAIT), 4)


@table({
    "empty": (b"", b""), "empty and not": (b"", b"x"), "equal": (b"same", b"same"),
    "zeros": (bytes(10), bytes(11)), "large": (bytes(range(256)) * 2000, b"\xff" * 700_000),
})
async def communicate_payloads(t, payloads):
    """5.3: 4_COMMUNICATE hands over any payload; b"" is a payload too."""
    of_greeter, of_claimer = payloads
    meeting = await (await Meeting.make(t)).reach(COMMUNICATE)
    for _ in range(2):
        tasks = [
            meeting.start(GREETER, COMMUNICATE, payload=of_greeter),
            meeting.start(CLAIMER, COMMUNICATE, payload=of_claimer),
        ]
        expect_ok(await tasks[0], payload=of_claimer)
        expect_ok(await tasks[1], payload=of_greeter)


@case
async def communicate_as_often_as_they_like(t):
    """5.3: 4_COMMUNICATE is followed by itself, with both payloads cleared."""
    meeting = await (await Meeting.make(t)).reach(COMMUNICATE)

    async def talk(side):
        for number in range(15):
            reply = await meeting.start(side, COMMUNICATE, payload=b"%d" % number)
            expect_ok(reply, payload=b"%d" % number)

    await asyncio.gather(*(talk(side) for side in SIDES))


@table(dict(zip(SIDES, SIDES)))
async def communicate_in_turns(t, first):
    """5.3: many rounds of 4_COMMUNICATE with the same side always first."""
    meeting = await (await Meeting.make(t)).reach(COMMUNICATE)
    for number in range(5):
        early = meeting.start(first, COMMUNICATE, payload=b"early %d" % number)
        await still_waits(early, 0.05)
        late = meeting.start(other(first), COMMUNICATE, payload=b"late %d" % number)
        expect_ok(await early, payload=b"late %d" % number)
        expect_ok(await late, payload=b"early %d" % number)


@case
async def empty_nonces(t):
    """5.3: the payload b"" is a payload: "empty" means absent."""
    meeting = await (await Meeting.make(t)).reach(HASHED)
    first = meeting.start(CLAIMER, HASHED, claimer_hashed_nonce=b"")
    expect_ok(await meeting.start(GREETER, HASHED), claimer_hashed_nonce=b"")
    second = meeting.start(GREETER, GREETER_NONCE, greeter_nonce=b"")
    expect_ok(await first, greeter_nonce=b"")
    expect_ok(await meeting.start(CLAIMER, CLAIMER_NONCE, claimer_nonce=b""))
    expect_ok(await second, claimer_nonce=b"")


@table({state: state for state in STATES})
async def a_new_conversation(t, state):
    """5.3: 1_WAIT_PEERS always restarts: from any state, with other keys, to the end."""
    meeting = await (await Meeting.make(t)).reach(state)
    for side in list(meeting.waiting):
        await meeting.leave(side)
        await meeting.reconnect(side)
    keys = {side: secrets.token_bytes(32) for side in SIDES}
    tasks = {
        side: meeting.start(side, WAIT, **{f"{side}_public_key": keys[side]}) for side in SIDES
    }
    for side in SIDES:
        expect_ok(await tasks[side], **{f"{other(side)}_public_key": keys[other(side)]})
    await meeting.complete(HASHED)


@case
async def independent_conversations(t):
    """5.3: conduits of different invitations, also of one greeter, do not touch each other."""
    alice, bob = await t.pair("ADMIN")
    meetings = []
    for session in (alice, alice, bob):
        kind = "DEVICE" if session is bob else "USER"
        address = None if session is bob else f"{secrets.token_hex(4)}@example.com"
        meetings.append(await Meeting.over(session, kind, address))
    await asyncio.gather(*(meeting.complete() for meeting in meetings))


@case
async def peers_on_changing_connections(t):
    """5.3: the conduit belongs to the invitation: each command may come by another connection."""
    meeting = await Meeting.make(t)
    for state in STATES:
        await meeting.advance(state)
        for side in SIDES:
            if side not in meeting.waiting:
                await meeting.leave(side)
                await meeting.reconnect(side)


@case
async def greeter_with_two_devices(t):
    """5.3: for the greeter: one of its own: any device of the greeting user."""
    meeting = await (await Meeting.make(t)).reach(TRUST_1)
    second = await meeting.alice.add_device("dev2")
    meeting.connections[GREETER] = await meeting.organization.connect(second)
    await meeting.complete(TRUST_1)


# --- the conduit: invalid_state ------------------------------------------------------------------


@table({state: state for state in STATES})
async def wrong_command(t, state):
    """5.3 Talk 2: a command of another state: invalid_state at once, and nothing is disturbed."""
    meeting = await (await Meeting.make(t)).reach(state)
    for side in SIDES:
        connection = await meeting.connect(side)
        for begins, (cmd, _, _) in STEPS[side].items():
            if begins in (state, WAIT):
                continue
            reply = await meeting.start(side, begins, connection)
            check(reply == {"status": "invalid_state"}, f"{cmd}: got {short(reply)}")
    await meeting.complete(state)


@table(but_first(FIRST_COMMANDS))
async def talking_twice(t, row):
    """5.3 Talk 2: our own payload is already there: invalid_state; the first one goes on."""
    state, side = row
    meeting = await (await Meeting.make(t)).reach(state)
    await meeting.wait_in(side, state)
    second = await meeting.connect(side)
    for _ in range(2):
        expect(await meeting.start(side, state, second), "invalid_state")
    await still_waits(meeting.waiting[side], 0.05)
    await meeting.complete(state)


@table(dict(zip(SIDES, SIDES)))
async def waiting_for_a_peer_twice(t, side):
    """5.3 Talk 2: in 1_WAIT_PEERS a second talk resets: the first gets invalid_state."""
    meeting = await Meeting.make(t)
    await meeting.wait_in(side, WAIT)
    first = meeting.waiting.pop(side)
    name, key = f"{side}_public_key", secrets.token_bytes(32)
    second = meeting.start(side, WAIT, await meeting.connect(side), **{name: key})
    expect(await first, "invalid_state")
    await still_waits(second, 0.05)
    expect_ok(await meeting.start(other(side), WAIT), **{name: key})
    await meeting.finish(side, WAIT, second)
    await meeting.complete(HASHED)


@table(dict(zip(SIDES, SIDES)))
async def waiting_for_a_peer_twice_with_the_same_key(t, side):
    """5.3: equal payloads cannot be told apart, but only one of the two gets the peer."""
    meeting = await Meeting.make(t)
    await meeting.wait_in(side, WAIT)
    first = meeting.waiting.pop(side)
    second = meeting.start(side, WAIT, await meeting.connect(side))
    await still_waits(second)
    await meeting.finish(other(side), WAIT, meeting.start(other(side), WAIT))
    statuses = sorted([(await first)["status"], (await second)["status"]])
    same(statuses, ["invalid_state", "ok"], "statuses")
    await meeting.complete(HASHED)


@table(but_first(FIRST_TALKS))
async def restarted_by_the_peer(t, row):
    """5.3: a peer waiting in the old conversation gets invalid_state when the other one restarts."""
    state, waiting = row
    meeting = await (await Meeting.make(t)).reach(state)
    task = await meeting.wait_in(waiting, state)
    del meeting.waiting[waiting]
    starter = other(waiting)
    meeting.waiting[starter] = meeting.start(starter, WAIT)
    expect(await task, "invalid_state")
    await still_waits(meeting.waiting[starter], 0.05)
    await meeting.complete()


@table(but_first(FIRST_TALKS))
async def restarted_by_itself(t, row):
    """5.3: the same when the one who restarts is another connection of the same side."""
    state, side = row
    meeting = await (await Meeting.make(t)).reach(state)
    task = await meeting.wait_in(side, state)
    meeting.waiting[side] = meeting.start(side, WAIT, await meeting.connect(side))
    expect(await task, "invalid_state")
    await still_waits(meeting.waiting[side], 0.05)
    await meeting.complete()


@table(with_ghosts(FIRST_TALKS))
async def peer_left_its_payload_behind(t, row):
    """5.3: the peer left while it waited: its payload stays; the second waits until it is back."""
    state, leaver = row
    stayer = other(leaver)
    meeting = await (await Meeting.make(t)).reach(state)
    await meeting.wait_in(leaver, state)
    await meeting.leave(leaver)
    await meeting.wait_in(stayer, state)
    await meeting.reconnect(leaver)
    task = meeting.waiting.pop(stayer)
    meeting.waiting[leaver] = meeting.start(leaver, WAIT)
    expect(await task, "invalid_state")
    await still_waits(meeting.waiting[leaver], 0.05)
    await meeting.complete()


@table(with_ghosts(but_first(FIRST_COMMANDS)))
async def peer_comes_back_with_the_same_command(t, row):
    """5.3 Talk 2: the payload that was left behind is in the way: invalid_state."""
    state, leaver = row
    meeting = await (await Meeting.make(t)).reach(state)
    await meeting.wait_in(leaver, state)
    await meeting.leave(leaver)
    await meeting.reconnect(leaver)
    expect(await meeting.start(leaver, state), "invalid_state")
    await meeting.wait_in(other(leaver), state, seconds=0.8)


@table(dict(zip(SIDES, SIDES)))
async def peer_comes_back_to_an_empty_place(t, leaver):
    """5.3 Talk 2: its own payload in 1_WAIT_PEERS is no obstacle: the conduit is reset."""
    meeting = await Meeting.make(t)
    await meeting.wait_in(leaver, WAIT)
    await meeting.leave(leaver)
    await meeting.reconnect(leaver)
    name, key = f"{leaver}_public_key", secrets.token_bytes(32)
    task = meeting.start(leaver, WAIT, **{name: key})
    await still_waits(task)
    expect_ok(await meeting.start(other(leaver), WAIT), **{name: key})
    await meeting.finish(leaver, WAIT, task)
    await meeting.complete(HASHED)


# --- the conduit: not_found, deleted -------------------------------------------------------------


GREETER_STATES = {state: state for state in STEPS[GREETER]}


@table(GREETER_STATES)
async def greeter_not_found(t, state):
    """5.3 Talk 1: unknown, or not one of the greeter's own: not_found, and nothing is disturbed."""
    meeting = await (await Meeting.make(t)).reach(state)
    bob = await meeting.organization.connect(await meeting.alice.add_user("bob", "ADMIN"))
    stranger = await t.alice()
    for connection, token in (
        (meeting.alice, uuid4()), (bob, meeting.token), (stranger, meeting.token),
    ):
        expect(await meeting.start(GREETER, state, connection, token=token), "not_found")
    await meeting.complete(state)


@table(GREETER_STATES)
async def greeter_already_deleted(t, state):
    """5.3 Talk 1: deleted comes before the state: already_deleted, in the right state and in others."""
    meeting = await (await Meeting.make(t)).reach(state)
    await meeting.delete()
    for begins in GREETER_STATES:
        expect(await meeting.start(GREETER, begins), "already_deleted")


@case
async def deleted_is_not_for_others(t):
    """5.3 Talk 1: another greeter's deleted invitation is not found."""
    alice, bob = await t.pair("ADMIN")
    token = await alice.invite("DEVICE")
    expect_ok(await alice.call("invite_delete", token=token, reason="ROTTEN"))
    for cmd, fields, _ in STEPS[GREETER].values():
        expect(await bob.call(cmd, token=token, **fields), "not_found")


async def expect_deleted(meeting, side):
    """What a waiting side gets when its invitation is deleted."""
    task = meeting.waiting.pop(side)
    if side == CLAIMER:
        await expect_end(meeting.connections[side])
        await asyncio.wait([task], timeout=1)
        check(task.exception(), "a reply before the Close")
        return
    await asyncio.wait([task], timeout=5)
    if not task.done():
        raise Failure("the greeter goes on waiting")
    expect(task.result(), "already_deleted")


@table(with_deaf_greeters(FIRST_TALKS))
async def deleted_while_the_first_waits(t, row):
    """5.3 Listen: deleted: the greeter gets already_deleted, the claimer's connection is closed."""
    state, side = row
    meeting = await (await Meeting.make(t)).reach(state)
    await meeting.wait_in(side, state)
    await meeting.delete()
    await expect_deleted(meeting, side)


@table({
    **with_ghosts(FIRST_TALKS),
    "claimer in 2_2_GREETER_NONCE": Better(DEAF, (GREETER_NONCE, CLAIMER)),
})
async def deleted_while_the_second_waits(t, row):
    """5.3 Listen: the same for one that talked second, to a peer that has gone."""
    state, leaver = row
    meeting = await (await Meeting.make(t)).reach(state)
    await meeting.wait_in(leaver, state)
    await meeting.leave(leaver)
    await meeting.wait_in(other(leaver), state)
    await meeting.delete()
    await expect_deleted(meeting, other(leaver))


@better(DEAF)
@case
async def deleted_by_another_device_of_the_greeter(t):
    """5.3 Listen: whoever of the greeter's devices deletes it."""
    meeting = await Meeting.make(t)
    second = await meeting.organization.connect(await meeting.alice.add_device("dev2"))
    await meeting.wait_in(GREETER, WAIT)
    reply = await second.call("invite_delete", token=meeting.token, reason="ROTTEN")
    expect_ok(reply)
    await expect_deleted(meeting, GREETER)
    await expect_end(meeting.connections[CLAIMER])


@better(DEAF)
@case
async def greeter_goes_on_after_a_deletion(t):
    """5.3: already_deleted is a reply: the greeter's connection lives on, for the next invitation."""
    meeting = await Meeting.make(t)
    await meeting.wait_in(GREETER, WAIT)
    await meeting.delete()
    await expect_deleted(meeting, GREETER)
    meeting.token = await meeting.alice.invite("DEVICE")
    await meeting.reconnect(CLAIMER)
    await meeting.complete()


@case
async def commands_of_a_claimer_racing_with_the_deletion(t):
    """5.2: a conduit command on an invitation just deleted gets no reply: the connection is closed."""
    for _ in range(3):
        meeting = await Meeting.make(t)
        claimer = meeting.connections[CLAIMER]
        await meeting.alice.send_request(
            "invite_delete", token=meeting.token, reason="FINISHED"
        )
        cmd, fields, _ = STEPS[CLAIMER][WAIT]
        await claimer.send_request(cmd, **fields)
        expect_ok(await meeting.alice.recv_reply())
        await expect_end(claimer)
        check(claimer.socket._messages.get_nowait() is None, "a reply before the Close")


@table({
    "greeter 1": (
        GREETER, WAIT, {"greeter_public_key": b"short"},
        {"greeter_public_key": "Invalid verify key."},
    ),
    "greeter 1, no token": (GREETER, WAIT, {"token": None}, {"token": NULL}),
    "greeter 2a": (GREETER, HASHED, {"token": "x"}, {"token": "Not an UUID"}),
    "greeter 2b": (GREETER, GREETER_NONCE, {"greeter_nonce": "x"}, {"greeter_nonce": "Not bytes"}),
    "greeter 3a": (GREETER, TRUST_1, {"token": 1}, {"token": "Not an UUID"}),
    "greeter 3b": (GREETER, TRUST_2, {"token": b"x"}, {"token": "Not an UUID"}),
    "greeter 4": (GREETER, COMMUNICATE, {"payload": None}, {"payload": NULL}),
    "claimer 1": (
        CLAIMER, WAIT, {"claimer_public_key": bytes(33)},
        {"claimer_public_key": "Invalid verify key."},
    ),
    "claimer 2a": (CLAIMER, HASHED, {"claimer_hashed_nonce": 1}, {"claimer_hashed_nonce": "Not bytes"}),
    "claimer 2b": (CLAIMER, CLAIMER_NONCE, {"claimer_nonce": None}, {"claimer_nonce": NULL}),
    "claimer 4": (CLAIMER, COMMUNICATE, {"payload": "x"}, {"payload": "Not bytes"}),
})
async def invalid_conduit_command(t, row):
    """1.4, 5.3: fields are validated before anything else; the conversation is not disturbed."""
    side, state, fields, errors = row
    meeting = await (await Meeting.make(t)).reach(state)
    expect_invalid(await meeting.start(side, state, **fields), **errors)
    await meeting.complete(state)


# --- two servers ---------------------------------------------------------------------------------


ACROSS = {"claimer on the second": (False, True), "greeter on the second": (True, False)}


async def apart(t, sides=(False, True)):
    """A Meeting whose two sides are on different servers. sides: who is on the second one."""
    meeting = await Meeting.make(t)
    for side, is_second in zip(SIDES, sides):
        meeting.addresses[side] = t.second if is_second else t.address
        await meeting.leave(side)
        await meeting.reconnect(side)
    return meeting


@table(ACROSS, needs=["second-server"])
async def conversation_across_servers(t, sides):
    """5.3: greeter and claimer may be connected to different servers."""
    meeting = await apart(t, sides)
    await meeting.complete()
    await meeting.advance(COMMUNICATE)
    await meeting.complete()


@table(FIRST_TALKS, needs=["second-server"])
async def either_comes_first_across_servers(t, row):
    """5.3: in every state either side may come first, on different servers too."""
    state, first = row
    meeting = await (await apart(t)).reach(state)
    await meeting.advance(state, first)
    if state != COMMUNICATE:
        await meeting.complete(STATES[STATES.index(state) + 1])


@table(but_first(FIRST_TALKS), needs=["second-server"])
async def restarted_across_servers(t, row):
    """5.3: 1_WAIT_PEERS on one server gives invalid_state to a peer waiting on another."""
    state, waiting = row
    meeting = await (await apart(t)).reach(state)
    task = await meeting.wait_in(waiting, state)
    del meeting.waiting[waiting]
    meeting.waiting[other(waiting)] = meeting.start(other(waiting), WAIT)
    expect(await task, "invalid_state")
    await meeting.complete()


@table(with_deaf_greeters(FIRST_TALKS), needs=["second-server"])
async def deleted_across_servers(t, row):
    """5.1, 5.3: a deletion reaches those who wait on another server, and its idle claimers."""
    state, side = row
    meeting = await (await apart(t, (side == GREETER, side == CLAIMER))).reach(state)
    idle = await meeting.connect(CLAIMER)
    await meeting.wait_in(side, state)
    await meeting.delete()
    await expect_deleted(meeting, side)
    await expect_end(idle)


@case(needs=["second-server"])
async def statuses_across_servers(t):
    """5: READY and IDLE are kept by every server from the events of all."""
    alice = await t.alice()
    organization = alice.organization
    there = await organization.connect(organization.alice, address=t.second)
    await there.subscribe()
    token = await alice.invite("USER", "zoe@example.com")
    same(await there.next_event(), status_event(token, "IDLE"), "event")
    same(await there.call("invite_list"), await alice.call("invite_list"), "list")
    for address in (t.address, t.second):
        claimer = await organization.connect_invited(token, "USER", address=address)
        same(await there.next_event(), status_event(token, "READY"), "event")
        await eventually_status(alice, token, "READY")
        await eventually_status(there, token, "READY")
        await claimer.socket.abort()
        same(await there.next_event(), status_event(token, "IDLE"), "event")
        await eventually_status(alice, token, "IDLE")
        await eventually_status(there, token, "IDLE")
    await there.call("invite_delete", token=token, reason="FINISHED")
    same(await there.next_event(), status_event(token, "DELETED"), "event")
    same(await status_of(alice, token), "gone", "status")


@case(needs=["second-server"])
async def token_is_reused_across_servers(t):
    """5.1 invite_new: the invitation is the database's, not the server's."""
    alice = await t.alice()
    there = await alice.organization.connect(alice.device, address=t.second)
    same(await there.invite("DEVICE"), await alice.invite("DEVICE"), "token")


# --- mails ---------------------------------------------------------------------------------------


async def mail_about(t, organization, count=1):
    """The mails of that organization in the mail directory, once there are that many."""
    found = []

    async def probe():
        found.clear()
        for path in Path(t.options.mail_dir).rglob("*"):
            if path.is_file():
                mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                if organization.id in str(mail["Subject"]):
                    found.append(mail)
        return len(found) >= count

    await eventually(probe, f"{count} mails about {organization.id} in {t.options.mail_dir}")
    same(len(found), count, "number of mails")
    return found if count > 1 else found[0]


def http_link(t, organization, action, token):
    address = urlsplit(t.options.backend_addr)
    scheme = "http" if "no_ssl=true" in address.query.lower() else "https"
    return (
        f"{scheme}://{address.netloc}/redirect/{organization.id}"
        f"?action={action}&token={token.hex}"
    )


def bodies(mail):
    same(mail.get_content_type(), "multipart/alternative", "content type")
    parts = {part.get_content_type(): part.get_content() for part in mail.iter_parts()}
    same(sorted(parts), ["text/html", "text/plain"], "parts")
    return parts["text/plain"], parts["text/html"]


def check_link(mail, link):
    text, html = bodies(mail)
    check(link in text, f"{link} is not in the text:\n{text}")
    escaped = link.replace("&", "&amp;")
    check(f'"{link}"' in html or f'"{escaped}"' in html, f"no link to {link} in the HTML")


@case(needs=["mail-dir"])
async def user_invitation_mail(t):
    """server 4: To the claimer, subject and Reply-To of the greeter, the link in text and HTML."""
    alice = await t.alice()
    organization = alice.organization
    token = await alice.invite("USER", "zoe@example.com", send_email=True)
    mail = await mail_about(t, organization)
    same(mail["To"], "zoe@example.com", "To")
    same(mail["Subject"], f"[Parsec] Alice invited you to {organization.id}", "Subject")
    reply_to = mail["Reply-To"].addresses
    same([(a.display_name, a.addr_spec) for a in reply_to], [("Alice", "alice@example.com")], "Reply-To")
    check("@" in mail["From"], f"From {mail['From']}")
    check_link(mail, http_link(t, organization, "claim_user", token))
    for body in bodies(mail):
        check(organization.id in body and "Alice" in body, f"who invites to what?\n{body}")


@case(needs=["mail-dir"])
async def user_invitation_mail_without_human_handle(t):
    """server 4: a greeter without human handle: the user ID, no Reply-To."""
    alice = await t.alice()
    bob = await alice.organization.connect(await alice.add_user("bob", "ADMIN", human=None))
    token = await bob.invite("USER", "zoe@example.com", send_email=True)
    mail = await mail_about(t, alice.organization)
    same(mail["Subject"], f"[Parsec] bob invited you to {alice.organization.id}", "Subject")
    same(mail["Reply-To"], None, "Reply-To")
    check_link(mail, http_link(t, alice.organization, "claim_user", token))


@table({"ADMIN": "ADMIN", "OUTSIDER": "OUTSIDER"}, needs=["mail-dir"])
async def device_invitation_mail(t, profile):
    """server 4: To the author's own address, no Reply-To."""
    _, bob = await t.pair(profile)
    token = await bob.invite("DEVICE", send_email=True)
    mail = await mail_about(t, bob.organization)
    same(mail["To"], "bob@example.com", "To")
    same(mail["Subject"], f"[Parsec] New device invitation to {bob.organization.id}", "Subject")
    same(mail["Reply-To"], None, "Reply-To")
    check_link(mail, http_link(t, bob.organization, "claim_device", token))


@case(needs=["mail-dir"])
async def no_mail_unless_asked(t):
    """5.1 invite_new: only with send_email; each time with it, also for a reused token."""
    alice = await t.alice()
    token = await alice.invite("USER", "zoe@example.com", send_email=False)
    await alice.invite("DEVICE", send_email=False)
    await alice.call("invite_new", type="DEVICE", send_email=None)
    for _ in range(2):
        same(await alice.invite("USER", "zoe@example.com", send_email=True), token, "token")
    for mail in await mail_about(t, alice.organization, count=2):
        check_link(mail, http_link(t, alice.organization, "claim_user", token))


@better("encodes the address of Reply-To into its label")
@case(needs=["mail-dir"])
async def mail_in_unicode(t):
    """server 4: names of any script, in headers and bodies."""
    alice = await t.alice()
    human = ["zoe@example.com", "Zoé Ünïcode 日本"]
    zoe = await alice.organization.connect(await alice.add_user("zoe", "ADMIN", human=human))
    await zoe.invite("USER", "mia@example.com", send_email=True)
    mail = await mail_about(t, alice.organization)
    same(mail["Subject"], f"[Parsec] {human[1]} invited you to {alice.organization.id}", "Subject")
    (address,) = mail["Reply-To"].addresses
    same((address.display_name, address.addr_spec), (human[1], human[0]), "Reply-To")
    for body in bodies(mail):
        check(human[1] in body, f"the greeter's name is not in\n{body}")


@better("puts the label into the HTML as it is")
@case(needs=["mail-dir"])
async def mail_is_escaped(t):
    """server 4: every value is escaped for where it stands: & in the text, &amp; in the HTML."""
    alice = await t.alice()
    human = ["tom@example.com", "Tom & Jerry"]
    tom = await alice.organization.connect(await alice.add_user("tom", "ADMIN", human=human))
    await tom.invite("USER", "mia@example.com", send_email=True)
    text, html = bodies(await mail_about(t, alice.organization))
    check("Tom & Jerry" in text, f"the label is not in the text:\n{text}")
    check("Tom &amp; Jerry" in html, "the label is not in the HTML, or not escaped")
    check("Tom & Jerry" not in html, "the label is in the HTML without escaping")


@better("drops the connection")
@table({
    "LF": "zoe@example.com\nBcc: spy@example.com",
    "CRLF": "zoe@example.com\r\nBcc: spy@example.com",
}, needs=["mail-dir"])
async def mail_header_injection(t, address):
    """server 4: no header injection by the claimer's email; failing to send does not change the reply."""
    alice = await t.alice()
    reply = await alice.call("invite_new", type="USER", claimer_email=address, send_email=True)
    check(reply["status"] in ("ok", "bad_message"), f"got {short(reply)}")
    expect_ok(await alice.call("ping", ping="x"), pong="x")
    for path in Path(t.options.mail_dir).rglob("*"):
        mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        if alice.organization.id in str(mail["Subject"]):
            check(mail["Bcc"] is None, "a header was injected")
