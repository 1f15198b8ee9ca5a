"""protocol/6-events.md §6.1: what a client hears, who hears it, and in which order."""
import asyncio
from uuid import uuid4

from harness import (
    Better, better, case, check, eventually, expect, expect_invalid, expect_ok, expect_silent, same,
    table,
)
from parsec_client import insist
from wire import Closed, now

ROLES = ("READER", "CONTRIBUTOR", "MANAGER", "OWNER")


# --- Events ---------------------------------------------------------------------------------------


def pinged(text):
    return {"event": "pinged", "ping": text}


def message_received(index):
    return {"event": "message.received", "index": index}


def invite_status(token, status):
    return {"event": "invite.status_changed", "token": token, "invitation_status": status}


def roles_updated(realm_id, role):
    return {"event": "realm.roles_updated", "realm_id": realm_id, "role": role}


def vlobs_updated(realm_id, checkpoint, vlob_id, version):
    return {
        "event": "realm.vlobs_updated",
        "realm_id": realm_id,
        "checkpoint": checkpoint,
        "src_id": vlob_id,
        "src_version": version,
    }


def maintenance(what, realm_id, revision):
    return {
        "event": f"realm.maintenance_{what}",
        "realm_id": realm_id,
        "encryption_revision": revision,
    }


# --- Steps that other files use too ---------------------------------------------------------------


def aside(connection, cmd, **fields):
    """A call that goes on beside the case, quietly: also when the case ends before it does."""
    task = connection.start(cmd, **fields)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


async def no_event(connection):
    same(await connection.call("events_listen", wait=False), {"status": "no_events"}, "reply")


async def hear_all(connection, events, name="the connection"):
    """It hears these events (one, or a list whose order does not count) and no other meanwhile."""
    left = list(events) if isinstance(events, list) else [events]
    while left:
        heard = await connection.next_event()
        check(heard in left, f"{name} heard {heard}, want {left}")
        left.remove(heard)


async def save_all(session, realm_id, revision=2):
    """Copies every version to the new revision."""
    fields = {"realm_id": realm_id, "encryption_revision": revision}
    reply = await session.call("vlob_maintenance_get_reencryption_batch", size=1000, **fields)
    batch = insist(reply, "get_reencryption_batch")["batch"]
    reply = await session.call("vlob_maintenance_save_reencryption_batch", batch=batch, **fields)
    return insist(reply, "save_reencryption_batch")


# --- The audience of each event -------------------------------------------------------------------


class Audience:
    """Subscribed connections of one organization, by name, and a sender of markers apart from them.

    `hears(bob=event)` checks that bob hears that event and all the others nothing: whoever was
    named hears it, then the sender pings, and that ping is the next event of everybody.
    """

    def __init__(self, marker_sender, connections):
        self.marker_sender, self.connections, self.pings = marker_sender, connections, 0

    def __getattr__(self, name):
        return self.connections[name]

    async def hears(self, **expected):
        for name, events in expected.items():
            await hear_all(self.connections[name], events, name)
        self.pings += 1
        marker = pinged(f"marker {self.pings}")
        expect_ok(await self.marker_sender.call("ping", ping=marker["ping"]), pong=marker["ping"])
        for name, connection in self.connections.items():
            same(await connection.next_event(), marker, f"next event of {name}")


async def audience(t):
    """alice twice on her device dev1 and once on dev2, bob likewise, and carol.

    Both dev2 are connected to the second server, where there is one.
    """
    alice = await t.alice()
    organization = alice.organization
    bob = await organization.connect(await alice.add_user("bob"))
    carol = await organization.connect(await alice.add_user("carol", "OUTSIDER"))
    marker_sender = await organization.connect(await alice.add_user("marker"))
    connections = {"alice": alice, "bob": bob, "carol": carol}
    for name in ("alice", "bob"):
        session = connections[name]
        connections[f"{name}_again"] = await organization.connect(session.device)
        device = await session.add_device("dev2")
        connections[f"{name}_dev2"] = await organization.connect(device, address=t.second)
    for connection in connections.values():
        await connection.subscribe()
    return Audience(marker_sender, connections)


@case
async def audience_of_pinged(t):
    """6.1, 4.1: pinged goes to all devices of the organization except the author device."""
    a = await audience(t)
    expect_ok(await a.alice.call("ping", ping="hi"), pong="hi")
    event = pinged("hi")
    await a.hears(alice_dev2=event, bob=event, bob_again=event, bob_dev2=event, carol=event)


@case
async def audience_of_pinged_from_another_server(t):
    """6.1: the author device is left out wherever its connections are."""
    a = await audience(t)
    expect_ok(await a.alice_dev2.call("ping", ping="hi"), pong="hi")
    event = pinged("hi")
    await a.hears(
        alice=event, alice_again=event, bob=event, bob_again=event, bob_dev2=event, carol=event
    )


@case
async def audience_of_message_received(t):
    """6.1: message.received goes to all the recipient user's devices, with the message's number."""
    a = await audience(t)
    realm_id = await a.alice.create_realm()
    event = roles_updated(realm_id, "OWNER")
    await a.hears(alice=event, alice_again=event, alice_dev2=event)
    for index, role in enumerate(("READER", "MANAGER", None), 1):
        await a.alice.share(realm_id, "bob", role, message=b"key")
        events = [roles_updated(realm_id, role), message_received(index)]
        await a.hears(bob=events, bob_again=events, bob_dev2=events)


@case
async def audience_of_a_message_to_oneself(t):
    """6.1: message.received is not filtered by author."""
    a = await audience(t)
    realm_id = await a.alice.create_realm()
    event = roles_updated(realm_id, "OWNER")
    await a.hears(alice=event, alice_again=event, alice_dev2=event)
    await a.alice.start_reencryption(realm_id, ["alice"])
    event = message_received(1)
    await a.hears(
        alice=event,
        alice_again=event,
        alice_dev2=[event, maintenance("started", realm_id, 2)],
    )


@case
async def audience_of_invite_status_changed(t):
    """6.1, 5: invite.status_changed goes to all the greeter's devices, the author's one included."""
    a = await audience(t)
    token = await a.alice.invite("USER", "zack@example.com")

    async def greeter_hears(status):
        event = invite_status(token, status)
        await a.hears(alice=event, alice_again=event, alice_dev2=event)

    await greeter_hears("IDLE")
    claimer = await a.alice.organization.connect_invited(token, "USER", address=t.second)
    await greeter_hears("READY")
    await claimer.socket.abort()
    await greeter_hears("IDLE")
    expect_ok(await a.alice_dev2.call("invite_delete", token=token, reason="CANCELLED"))
    await greeter_hears("DELETED")


@case
async def audience_of_roles_updated(t):
    """6.1: realm.roles_updated goes to the devices of the user whose role changed, author or not."""
    a = await audience(t)
    realm_id = await a.alice.create_realm()
    event = roles_updated(realm_id, "OWNER")
    await a.hears(alice=event, alice_again=event, alice_dev2=event)
    for role in (*ROLES, None, "READER"):
        await a.alice_dev2.share(realm_id, "bob", role)
        event = roles_updated(realm_id, role)
        await a.hears(bob=event, bob_again=event, bob_dev2=event)
    await a.alice.share(realm_id, "carol", "CONTRIBUTOR")
    await a.hears(carol=roles_updated(realm_id, "CONTRIBUTOR"))


@case
async def audience_of_vlobs_updated(t):
    """6.1: realm.vlobs_updated goes to the realm's members except the author device."""
    a = await audience(t)
    realm_id = await a.alice.create_realm()
    event = roles_updated(realm_id, "OWNER")
    await a.hears(alice=event, alice_again=event, alice_dev2=event)
    vlob_id = await a.alice.create_vlob(realm_id)
    await a.hears(alice_dev2=vlobs_updated(realm_id, 1, vlob_id, 1))

    await a.alice.share(realm_id, "bob", "CONTRIBUTOR")
    event = roles_updated(realm_id, "CONTRIBUTOR")
    await a.hears(bob=event, bob_again=event, bob_dev2=event)
    await a.bob_dev2.update_vlob(vlob_id, 2)
    event = vlobs_updated(realm_id, 2, vlob_id, 2)
    await a.hears(alice=event, alice_again=event, alice_dev2=event, bob=event, bob_again=event)

    other_id = await a.bob.create_vlob(realm_id)
    event = vlobs_updated(realm_id, 3, other_id, 1)
    await a.hears(alice=event, alice_again=event, alice_dev2=event, bob_dev2=event)


@case
async def audience_of_maintenance(t):
    """6.1: realm.maintenance_* go to the realm's members except the author device."""
    a = await audience(t)
    realm_id = await a.alice.create_realm()
    await a.alice.share(realm_id, "bob", "OWNER")
    event = roles_updated(realm_id, "OWNER")
    await a.hears(
        alice=event, alice_again=event, alice_dev2=event, bob=event, bob_again=event, bob_dev2=event
    )
    vlob_id = await a.bob.create_vlob(realm_id)
    event = vlobs_updated(realm_id, 1, vlob_id, 1)
    await a.hears(alice=event, alice_again=event, alice_dev2=event, bob_dev2=event)

    await a.bob.start_reencryption(realm_id, ["alice", "bob"])
    started, message = maintenance("started", realm_id, 2), message_received(1)
    both = [started, message]
    await a.hears(
        alice=both, alice_again=both, alice_dev2=both,
        bob=message, bob_again=message, bob_dev2=both,
    )
    await save_all(a.bob, realm_id)
    await a.alice.finish_reencryption(realm_id)
    event = maintenance("finished", realm_id, 2)
    await a.hears(alice_dev2=event, bob=event, bob_again=event, bob_dev2=event)


@table({role: role for role in ROLES})
async def every_role_is_a_member(t, role):
    """6.1: members of the realm are those with any role."""
    alice, bob, realm_id = await t.realm_pair(role)
    await bob.subscribe()
    vlob_id = await alice.create_vlob(realm_id)
    same(await bob.next_event(), vlobs_updated(realm_id, 1, vlob_id, 1), "event")


@case
async def an_outsider_can_be_a_member(t):
    """6.1: membership does not depend on the profile."""
    alice, olga, realm_id = await t.realm_pair("READER", "OUTSIDER")
    await olga.subscribe()
    vlob_id = await alice.create_vlob(realm_id)
    same(await olga.next_event(), vlobs_updated(realm_id, 1, vlob_id, 1), "event")


@case
async def other_organizations_hear_nothing(t):
    """6.1: an event stays in its organization, also with the same user and realm IDs elsewhere."""
    alice, bob = await t.pair()
    other_alice, other_bob = await t.pair()
    realm_id, vlob_id = uuid4(), uuid4()
    for owner in (alice, other_alice):
        await owner.create_realm(realm_id)
        await owner.share(realm_id, "bob", "READER")
    await bob.subscribe()
    await other_bob.subscribe()
    await alice.call("ping", ping="here")
    await alice.create_vlob(realm_id, vlob_id=vlob_id)
    await alice.share(realm_id, "bob", "MANAGER", message=b"m")
    await alice.call("ping", ping="end here")
    await hear_all(bob, [
        pinged("here"),
        vlobs_updated(realm_id, 1, vlob_id, 1),
        roles_updated(realm_id, "MANAGER"),
        message_received(1),
        pinged("end here"),
    ])
    await other_alice.call("ping", ping="end there")
    same(await other_bob.next_event(), pinged("end there"), "event of the other organization")


@case
async def api_v1_devices_hear_the_same(t):
    """6.1, 4: API v1 authenticated connections have the same events."""
    alice, bob = await t.pair()
    old = await alice.organization.connect(bob.device, version=1)
    await old.subscribe()
    realm_id = await alice.create_realm()
    await alice.share(realm_id, "bob", "READER", message=b"m")
    await hear_all(old, [roles_updated(realm_id, "READER"), message_received(1)])
    vlob_id = await alice.create_vlob(realm_id)
    same(await old.next_event(), vlobs_updated(realm_id, 1, vlob_id, 1), "event")
    await alice.call("ping", ping="x")
    same(await old.next_event(), pinged("x"), "event")


# --- Commands that have no event ------------------------------------------------------------------


@case
async def refused_commands_have_no_event(t):
    """4, 6.1: an event leaves only with the commit of what caused it."""
    alice, bob, realm_id = await t.realm_pair("READER")
    vlob_id = await alice.create_vlob(realm_id)
    await bob.subscribe()
    expect(await alice.try_update_vlob(vlob_id, 1), "bad_version")
    expect(await alice.try_update_vlob(vlob_id, 3), "bad_version")
    expect(await alice.try_update_vlob(vlob_id, 2, revision=2), "bad_encryption_revision")
    certificate = alice.role(realm_id, "bob", "READER")
    reply = await alice.call(
        "realm_update_roles", role_certificate=certificate, recipient_message=b"again"
    )
    expect(reply, "already_granted")
    reply = await alice.call(
        "realm_start_reencryption_maintenance", realm_id=realm_id, encryption_revision=2,
        timestamp=now(), per_participant_message={"alice": b""},
    )
    expect(reply, "participants_mismatch")
    await alice.call("ping", ping="end")
    same(await bob.next_event(), pinged("end"), "event")


@case
async def silent_commands(t):
    """4.6, 4.7, 6.1: blocks, reads, re-encryption batches, users and devices have no event."""
    alice, bob, realm_id = await t.realm_pair("OWNER")
    vlob_id = await alice.create_vlob(realm_id)
    await alice.start_reencryption(realm_id, ["alice", "bob"])
    await bob.subscribe()
    same((await save_all(alice, realm_id))["done"], 1, "done")
    await alice.finish_reencryption(realm_id)
    block_id = await alice.create_block(realm_id)
    insist(await alice.call("block_read", block_id=block_id), "block_read")
    insist(await alice.call("vlob_read", encryption_revision=2, vlob_id=vlob_id), "vlob_read")
    await alice.add_user("zack")
    await alice.add_device("dev2")
    await alice.revoke("zack")
    await alice.call("ping", ping="end")
    await hear_all(bob, [maintenance("finished", realm_id, 2), pinged("end")])


@table({"64 characters": "x" * 64, "empty": "", "64 wide characters": "é✓" * 32})
async def ping_that_fits_an_event(t, text):
    """6.1: the ping of a pinged event is a string of at most 64 characters."""
    alice, bob = await t.pair()
    await bob.subscribe()
    expect_ok(await alice.call("ping", ping=text), pong=text)
    same(await bob.next_event(), pinged(text), "event")


@table({
    "65 characters": Better("sends the event all the same", "x" * 65),
    "1 MiB": Better("closes the author's connection", "x" * 1_048_576),
})
async def ping_too_long_for_an_event(t, text):
    """4.1: a ping too long for an event is answered without one."""
    alice, bob = await t.pair()
    await bob.subscribe()
    expect_ok(await alice.call("ping", ping=text), pong=text)
    await alice.call("ping", ping="end")
    same(await bob.next_event(), pinged("end"), "event")


# --- events_subscribe -----------------------------------------------------------------------------


@case
async def nothing_without_subscribe(t):
    """6.1: only from events_subscribe on does a connection collect events."""
    alice, bob = await t.pair()
    await alice.call("ping", ping="before")
    await no_event(bob)
    await bob.subscribe()
    await no_event(bob)
    await alice.call("ping", ping="after")
    same(await bob.next_event(), pinged("after"), "event")


@case
async def listening_without_subscribe_waits(t):
    """6.1: without a subscription there is no event: events_listen waits until a new request."""
    alice, bob = await t.pair()
    await bob.send_request("events_listen")
    await bob.socket.ping()
    await alice.call("ping", ping="x")
    await expect_silent(bob, 0.15)
    expect_ok(await bob.call("ping", ping="still alive"), pong="still alive")


@case
async def subscribe_is_idempotent(t):
    """6.1: subscribing again succeeds, keeps the queue and doubles nothing."""
    alice, bob = await t.pair()
    for _ in range(3):
        expect_ok(await bob.call("events_subscribe"))
    await alice.call("ping", ping="first")
    for _ in range(2):
        expect_ok(await bob.call("events_subscribe"))
    await alice.call("ping", ping="second")
    same(await bob.next_event(), pinged("first"), "event")
    same(await bob.next_event(), pinged("second"), "event")
    await no_event(bob)


@case
async def subscribe_again_keeps_membership(t):
    """6.1: membership is right after subscribing again, whatever changed meanwhile."""
    alice, bob, realm_id = await t.realm_pair("READER")
    gone_id = await alice.create_realm()
    await alice.share(gone_id, "bob", "READER")
    await bob.subscribe()
    await alice.share(gone_id, "bob", None)
    same(await bob.next_event(), roles_updated(gone_id, None), "event")
    expect_ok(await bob.call("events_subscribe"))
    await alice.create_vlob(gone_id)
    vlob_id = await alice.create_vlob(realm_id)
    same(await bob.next_event(), vlobs_updated(realm_id, 1, vlob_id, 1), "event")


@case
async def unknown_fields_are_ignored(t):
    """6.1, 1.4: events_subscribe has no field of its own."""
    alice = await t.alice()
    expect_ok(await alice.call("events_subscribe", wait=True, realm_id="x"))


# --- events_listen --------------------------------------------------------------------------------


@table({"by default": {}, "wait": {"wait": True}, "wait as 1": {"wait": 1}})
async def listen_waits(t, fields):
    """6.1: with wait, the default, an empty queue makes events_listen wait for an event."""
    alice, bob = await t.pair()
    await bob.subscribe()
    await bob.send_request("events_listen", **fields)
    await expect_silent(bob, 0.15)
    await alice.call("ping", ping="now")
    expect_ok(await bob.recv_reply(), event="pinged", ping="now")


@table({"false": False, "0": 0, "the string false": "false"})
async def listen_without_waiting(t, wait):
    """6.1: without wait an empty queue gives no_events, and a full one its oldest event."""
    alice, bob = await t.pair()
    await bob.subscribe()
    same(await bob.call("events_listen", wait=wait), {"status": "no_events"}, "reply")
    await alice.call("ping", ping="now")

    async def heard():
        reply = await bob.call("events_listen", wait=wait)
        if reply["status"] == "no_events":
            return False
        expect_ok(reply, event="pinged", ping="now")
        return True

    await eventually(heard, "the event")


@case
async def invalid_wait(t):
    """6.1, 1.4: wait is a boolean; an invalid request takes no event."""
    alice, bob = await t.pair()
    await bob.subscribe()
    await alice.call("ping", ping="x")
    expect_invalid(await bob.call("events_listen", wait="maybe"), wait="Not a valid boolean.")
    expect_invalid(await bob.call("events_listen", wait=None), wait="Field may not be null.")
    same(await bob.next_event(), pinged("x"), "event")


@case
async def oldest_event_first(t):
    """6.1: events are delivered in order, each once, whatever the listener's pace."""
    alice, bob = await t.pair()
    await bob.subscribe()
    for number in range(30):
        await alice.call("ping", ping=str(number))
    for number in range(30):
        same(await bob.next_event(), pinged(str(number)), "event")
    await no_event(bob)


@case
async def every_connection_has_its_own_queue(t):
    """6.1: two connections of one device each collect every event."""
    alice, bob = await t.pair()
    again = await alice.organization.connect(bob.device)
    await bob.subscribe()
    await alice.call("ping", ping="1")
    same(await bob.next_event(), pinged("1"), "event")
    await again.subscribe()
    await alice.call("ping", ping="2")
    for connection in (again, bob):
        same(await connection.next_event(), pinged("2"), "event")
        await no_event(connection)


@case
async def events_collect_while_other_commands_run(t):
    """6.1: the queue fills whether or not the connection listens."""
    alice, bob = await t.pair()
    await bob.subscribe()
    for number in range(5):
        await alice.call("ping", ping=str(number))
        expect_ok(await bob.call("message_get", offset=0), messages=[])
    for number in range(5):
        same(await bob.next_event(), pinged(str(number)), "event")


@case
async def pipelined_listens_without_waiting(t):
    """6.1, 1.2: events_listen without wait is served in order like any command."""
    alice, bob = await t.pair()
    again = await alice.organization.connect(bob.device)
    await bob.subscribe()
    await again.subscribe()
    for number in range(3):
        await alice.call("ping", ping=str(number))
    for number in range(3):
        same(await again.next_event(), pinged(str(number)), "event of the other connection")
    same(await bob.next_event(), pinged("0"), "event")
    await bob.socket.ping()
    for _ in range(3):
        await bob.send_request("events_listen", wait=False)
    await bob.send_request("ping", ping="end")
    expect_ok(await bob.recv_reply(), event="pinged", ping="1")
    expect_ok(await bob.recv_reply(), event="pinged", ping="2")
    same(await bob.recv_reply(), {"status": "no_events"}, "reply")
    expect_ok(await bob.recv_reply(), pong="end")


async def race_of_event_and_cancellation(t, address):
    """Every event is heard exactly once, in order, though each wait may be cancelled just then."""
    alice, bob = await t.pair()
    bob = await (await alice.organization.connect(bob.device, address=address)).subscribe()
    heard = []
    for number in range(25):
        await bob.send_request("events_listen", wait=True)
        await bob.socket.ping()
        ping = aside(alice, "ping", ping=f"event {number}")
        await asyncio.sleep(0.0007 * (number % 6))
        await bob.send_request("ping", ping="cancel")
        reply = await bob.recv_reply()
        if "event" in reply:
            heard.append(reply["ping"])
            reply = await bob.recv_reply()
        expect_ok(reply, pong="cancel")
        insist(await ping, "ping")
        if len(heard) <= number:
            heard.append((await bob.next_event())["ping"])
    same(heard, [f"event {number}" for number in range(25)], "events")
    await no_event(bob)


@better("may lose an event that comes just when its listener is cancelled")
@case
async def event_and_cancellation_at_once(t):
    """1.2, 6.1: an event that meets the cancellation of its listener is not lost, nor doubled."""
    await race_of_event_and_cancellation(t, t.address)


@better("may lose an event that comes just when its listener is cancelled")
@case(needs=["second-server"])
async def event_and_cancellation_at_once_elsewhere(t):
    """1.2, 6.1: the same with the event coming from another server."""
    await race_of_event_and_cancellation(t, t.second)


@case(needs=["second-server"])
async def new_request_cancels_a_wait_for_another_server(t):
    """1.2: the cancelled events_listen gets no reply, also when its event comes from elsewhere."""
    alice, bob = await t.pair()
    bob = await (await alice.organization.connect(bob.device, address=t.second)).subscribe()
    for number in range(5):
        await bob.send_request("events_listen", wait=True)
        await bob.socket.ping()
        expect_ok(await bob.call("ping", ping="cancel"), pong="cancel")
        await alice.call("ping", ping=str(number))
        same(await bob.next_event(), pinged(str(number)), "event")
    await no_event(bob)


@better("drops events once 100 wait")
@case(limit_s=60)
async def overflow_is_never_silent(t):
    """6.1: a connection whose queue overflows is closed; what was delivered has no hole."""
    alice, bob = await t.pair()
    await bob.subscribe()
    total = 400
    for start in range(0, total, 50):
        for number in range(start, start + 50):
            await alice.send_request("ping", ping=str(number))
        for number in range(start, start + 50):
            expect_ok(await alice.recv_reply(), pong=str(number))
    for number in range(total):
        try:
            same(await bob.next_event(timeout=3), pinged(str(number)), "event")
        except Closed:
            return
        except asyncio.TimeoutError:
            check(False, f"event {number} is missing and the connection lives on")


@case
async def listeners_that_leave_do_no_harm(t):
    """6.1, 1.2: connections that vanish while they wait, or with a full queue, hurt no one."""
    alice, bob = await t.pair()
    await bob.subscribe()
    for number in range(5):
        leaver = await (await alice.organization.connect(bob.device)).subscribe()
        if number % 2:
            await leaver.send_request("events_listen", wait=True)
        await alice.call("ping", ping=str(number))
        await leaver.socket.abort()
    for number in range(5):
        same(await bob.next_event(), pinged(str(number)), "event")


# --- Membership -----------------------------------------------------------------------------------


@case
async def membership_follows_the_roles(t):
    """6.1: each realm.roles_updated changes the connection's list of realms; null removes."""
    alice, bob, realm_id = await t.realm_pair(None)
    vlob_id = await alice.create_vlob(realm_id)
    await bob.subscribe()
    version = 1
    for role in ("READER", "MANAGER", None, "CONTRIBUTOR", None, "OWNER"):
        await alice.share(realm_id, "bob", role)
        same(await bob.next_event(), roles_updated(realm_id, role), "event")
        version += 1
        await alice.update_vlob(vlob_id, version)
        if role is not None:
            event = vlobs_updated(realm_id, version, vlob_id, version)
            same(await bob.next_event(), event, f"event as {role}")
    await no_event(bob)


@case
async def own_realm_made_after_subscribe(t):
    """6.1: realm_create makes its author's other devices members too."""
    alice = await t.alice()
    other = await alice.organization.connect(await alice.add_device("dev2"))
    await other.subscribe()
    await alice.subscribe()
    realm_id = await alice.create_realm()
    for connection in (alice, other):
        same(await connection.next_event(), roles_updated(realm_id, "OWNER"), "event")
    vlob_id = await other.create_vlob(realm_id)
    same(await alice.next_event(), vlobs_updated(realm_id, 1, vlob_id, 1), "event")
    await alice.update_vlob(vlob_id, 2)
    same(await other.next_event(), vlobs_updated(realm_id, 2, vlob_id, 2), "event")


@case
async def membership_of_many_realms(t):
    """6.1: membership is per realm: each change concerns one realm only."""
    alice, bob = await t.pair()
    realms = [await alice.create_realm() for _ in range(6)]
    for realm_id in realms[::2]:
        await alice.share(realm_id, "bob", "READER")
    await bob.subscribe()
    await alice.share(realms[0], "bob", None)
    await alice.share(realms[1], "bob", "READER")
    same(await bob.next_event(), roles_updated(realms[0], None), "event")
    same(await bob.next_event(), roles_updated(realms[1], "READER"), "event")
    vlobs = [await alice.create_vlob(realm_id) for realm_id in realms]
    for number in (1, 2, 4):
        event = vlobs_updated(realms[number], 1, vlobs[number], 1)
        same(await bob.next_event(), event, "event")
    await alice.call("ping", ping="end")
    same(await bob.next_event(), pinged("end"), "event")


@case
async def role_of_another_user_changes_nothing(t):
    """6.1: a role that another user gains or loses does not touch this connection's list."""
    alice, bob, realm_id = await t.realm_pair("READER")
    await alice.add_user("carol")
    await bob.subscribe()
    await alice.share(realm_id, "carol", "READER")
    await alice.share(realm_id, "carol", None)
    vlob_id = await alice.create_vlob(realm_id)
    same(await bob.next_event(), vlobs_updated(realm_id, 1, vlob_id, 1), "event")


@case
async def subscribing_after_a_removal(t):
    """6.1: the newest role counts at events_subscribe: a removed member hears nothing."""
    alice, bob, realm_id = await t.realm_pair("READER")
    await alice.share(realm_id, "bob", None)
    await bob.subscribe()
    await alice.create_vlob(realm_id)
    await alice.call("ping", ping="end")
    same(await bob.next_event(), pinged("end"), "event")


@case(needs=["second-server"])
async def membership_changed_from_another_server(t):
    """6.1, 6.2: a role given or taken elsewhere changes the membership here."""
    alice, bob, realm_id = await t.realm_pair(None)
    there = await (await alice.organization.connect(bob.device, address=t.second)).subscribe()
    for version, role in enumerate(("READER", None, "CONTRIBUTOR"), 1):
        await alice.share(realm_id, "bob", role)
        same(await there.next_event(), roles_updated(realm_id, role), "event")
        vlob_id = await alice.create_vlob(realm_id)
        if role:
            same(await there.next_event(), vlobs_updated(realm_id, version, vlob_id, 1), "event")
    await no_event(there)


# --- No event is missed ---------------------------------------------------------------------------


@case
async def every_event_after_subscribe(t):
    """6.1: what commits after the ok of events_subscribe is heard, on connection after connection."""
    alice, bob, realm_id = await t.realm_pair("READER")
    vlob_id = await alice.create_vlob(realm_id)
    for version in range(2, 14):
        connection = await alice.organization.connect(
            bob.device, address=t.second if version % 2 else None
        )
        await connection.subscribe()
        await alice.update_vlob(vlob_id, version)
        event = vlobs_updated(realm_id, version, vlob_id, version)
        same(await connection.next_event(), event, "event")


@case(limit_s=40)
async def subscribing_amid_writers(t):
    """6.1: from the ok of events_subscribe on, every checkpoint comes once, in order, with no hole."""
    alice, bob, realm_id = await t.realm_pair("READER")
    vlob_id = await alice.create_vlob(realm_id)
    writing = True
    last = 1

    async def write():
        nonlocal last
        while writing:
            last += 1
            await alice.update_vlob(vlob_id, last)

    writer = asyncio.create_task(write())
    for number in range(6):
        listener = await alice.organization.connect(
            bob.device, address=t.second if number % 2 else None
        )
        await listener.subscribe()
        reply = await listener.call("vlob_poll_changes", realm_id=realm_id, last_checkpoint=0)
        seen = insist(reply, "poll")["current_checkpoint"]
        checkpoints = []
        while len(checkpoints) < 5 or checkpoints[-1] <= seen + 3:
            checkpoints.append((await listener.next_event())["checkpoint"])
        check(checkpoints[0] <= seen + 1, f"first event {checkpoints[0]}, but {seen} was current")
        first = checkpoints[0]
        same(checkpoints, list(range(first, first + len(checkpoints))), "checkpoints")
    writing = False
    await writer


@better("misses a role that commits between its reading of the roles and its listening")
@case(limit_s=40)
async def role_given_during_subscribe(t):
    """6.1: a role that commits while events_subscribe runs is not missed."""
    alice, bob = await t.pair()
    for number in range(12):
        realm_id = await alice.create_realm()
        listener = await alice.organization.connect(
            bob.device, address=t.second if number % 2 else None
        )
        subscribing = aside(listener, "events_subscribe")
        await asyncio.sleep(0.0005 * (number % 5))
        await alice.share(realm_id, "bob", "READER")
        expect_ok(await subscribing)
        vlob_id = await alice.create_vlob(realm_id)
        heard = await listener.next_event(timeout=5)
        if heard["event"] == "realm.roles_updated":
            heard = await listener.next_event(timeout=5)
        same(heard, vlobs_updated(realm_id, 1, vlob_id, 1), "event")


@case
async def pipelined_subscribe(t):
    """6.1, 1.2: the subscription holds for what follows it in the same packet."""
    alice = await t.alice()
    realm_id = uuid4()
    certificate = alice.role(realm_id, "alice", "OWNER")
    await alice.send_request("events_subscribe")
    await alice.send_request("realm_create", role_certificate=certificate)
    await alice.send_request("events_listen", wait=True)
    expect_ok(await alice.recv_reply())
    expect_ok(await alice.recv_reply())
    expect_ok(await alice.recv_reply(), **roles_updated(realm_id, "OWNER"))


@case(limit_s=40)
async def checkpoints_in_commit_order(t):
    """6.1: the events of a realm come in the order of its checkpoints, whoever writes."""
    alice, bob, realm_id = await t.realm_pair("CONTRIBUTOR")
    organization = alice.organization
    await alice.add_user("carol")
    await alice.share(realm_id, "carol", "READER")
    carol = organization.devices["carol@dev1"]
    listeners = [await organization.connect(carol)]
    if t.second:
        listeners.append(await organization.connect(carol, address=t.second))
    for listener in listeners:
        await listener.subscribe()
    writers = [alice, bob]
    for device in (alice.device, bob.device):
        writers.append(await organization.connect(device, address=t.second))
    written = {}

    async def write(session):
        vlob_id = await session.create_vlob(realm_id)
        for version in range(2, 9):
            await session.update_vlob(vlob_id, version)
        written[vlob_id] = 8

    await asyncio.gather(*(write(writer) for writer in writers))
    for listener in listeners:
        versions = {}
        for checkpoint in range(1, 8 * len(writers) + 1):
            event = await listener.next_event()
            vlob_id = event["src_id"]
            versions[vlob_id] = versions.get(vlob_id, 0) + 1
            same(event, vlobs_updated(realm_id, checkpoint, vlob_id, versions[vlob_id]), "event")
        same(versions, written, "last versions")
        await no_event(listener)


@case
async def event_comes_after_the_commit(t):
    """6.1, 4: who has heard of a change can read it."""
    alice, bob, realm_id = await t.realm_pair("READER")
    bob = await (await alice.organization.connect(bob.device, address=t.second)).subscribe()
    vlob_id = uuid4()
    writing = asyncio.create_task(alice.create_vlob(realm_id, vlob_id=vlob_id))
    for version in range(1, 10):
        await writing
        if version < 9:
            writing = asyncio.create_task(alice.update_vlob(vlob_id, version + 1))
        same(await bob.next_event(), vlobs_updated(realm_id, version, vlob_id, version), "event")
        reply = await bob.call(
            "vlob_poll_changes", realm_id=realm_id, last_checkpoint=version - 1
        )
        check(insist(reply, "poll")["current_checkpoint"] >= version, f"poll: {reply}")
        reply = await bob.call("vlob_read", encryption_revision=1, vlob_id=vlob_id, version=version)
        same(reply["status"], "ok", "status of vlob_read")
