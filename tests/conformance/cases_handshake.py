"""protocol/2-handshake.md: challenge, answers of all five kinds, results, life of a connection."""
import asyncio
import secrets
from datetime import timedelta
from uuid import uuid4

from certificates import SigningKey
from harness import ANY, Any, Better, better, case, check, expect, expect_end, expect_ok, same, table
from parsec_client import (
    Connection, Device, administration_answer, anonymous_answer, authenticated_answer,
    invited_answer, open_challenge,
)
from wire import BINARY, CONTINUATION, TEXT, frame, now, pack, unpack

INVALID_INFORMATION = "Invalid handshake information"
EXPIRED = "Trial organization has expired"
MISMATCH = "Root verify key for organization differs between client and server"


async def refused(t, answer, result, help=ANY, address=None):
    """The handshake ends with that result, and the server then ends the connection."""
    connection, got = await t.handshake(answer, address)
    same(got.get("handshake"), "result", "handshake")
    same(got.get("result"), result, "result")
    same(got.get("help"), help, "help")
    await expect_end(connection, code=None)


async def accepted(t, answer, address=None):
    connection, got = await t.handshake(answer, address)
    same(got.get("handshake"), "result", "handshake")
    same((got.get("result"), got.get("help")), ("ok", None), "result and help")
    return connection


# --- challenge -----------------------------------------------------------------------------------


@case
async def the_challenge(t):
    """2: the server speaks first: 48 random bytes, fresh for every connection, and its versions."""
    seen = set()
    for _ in range(5):
        socket, challenge = await open_challenge(t.address)
        t.keep(Connection(socket))
        octets = challenge.get("challenge")
        same(
            challenge,
            {
                "handshake": "challenge",
                "challenge": Any("48 bytes", lambda v: isinstance(v, bytes) and len(v) == 48),
                "supported_api_versions": [[2, 0], [1, 2]],
            },
            "challenge",
        )
        check(octets not in seen, "the same challenge twice")
        seen.add(octets)


@case
async def fragmented_answer(t):
    """1.2, 2: the answer may come in fragments too."""
    device = (await t.organization()).alice
    socket, challenge = await open_challenge(t.address)
    t.keep(Connection(socket))
    answer = pack(authenticated_answer(device, challenge["challenge"]))
    await socket.send_raw(frame(BINARY, answer[:10], fin=False))
    await socket.ping(b"x")
    await socket.send_raw(frame(CONTINUATION, answer[10:]))
    same(unpack(await socket.recv())["result"], "ok", "result")


@case
async def request_right_behind_the_answer(t):
    """2, 1.2: a request that comes together with the answer is served after the result."""
    device = (await t.organization()).alice
    socket, challenge = await open_challenge(t.address)
    t.keep(Connection(socket))
    answer = pack(authenticated_answer(device, challenge["challenge"]))
    await socket.send_raw(
        frame(BINARY, answer) + frame(BINARY, pack({"cmd": "ping", "ping": "early"}))
    )
    same(unpack(await socket.recv())["result"], "ok", "result")
    same(unpack(await socket.recv()), {"status": "ok", "pong": "early"}, "reply")


@case
async def leaving_during_the_handshake(t):
    """2: peers that leave between challenge and answer do no harm."""
    for _ in range(10):
        socket, _ = await open_challenge(t.address)
        await socket.abort()
    device = (await t.organization()).alice
    await accepted(t, lambda challenge: authenticated_answer(device, challenge))


@better("waits for ever")
@case(needs=["slow"], limit_s=50)
async def handshake_deadline(t):
    """2: the whole handshake has a deadline (default 30 s), so that a silent peer costs nothing."""
    socket, _ = await open_challenge(t.address)
    await expect_end(t.keep(Connection(socket)), code=None, timeout=45)


# --- version and schema --------------------------------------------------------------------------


@table({
    "2.0": [2, 0], "2.1": [2, 1], "2.99": [2, 99], "2.17": [2, 17],
})
async def any_revision_of_version_2(t, version):
    """2.1: only the version decides; any revision is accepted."""
    device = (await t.organization()).alice
    await accepted(
        t, lambda challenge: authenticated_answer(device, challenge, client_api_version=version)
    )


@table({"1.0": [1, 0], "1.2": [1, 2], "1.3": [1, 3], "1.99": [1, 99]})
async def any_revision_of_version_1(t, version):
    """2.1: only the version decides; any revision is accepted."""
    await accepted(t, {**administration_answer(t.token), "client_api_version": version})


@table({"0.0": [0, 0], "3.0": [3, 0], "4.1": [4, 1], "99.7": [99, 7]})
async def unsupported_version(t, version):
    """2.1: any other version: bad_protocol with the two lists of versions."""
    device = (await t.organization()).alice
    await refused(
        t,
        lambda challenge: authenticated_answer(device, challenge, client_api_version=version),
        "bad_protocol",
        "No overlap between client API versions "
        f"{{{version[0]}.{version[1]}}} and backend API versions {{2.0, 1.2}}",
    )


GOOD_RVK = SigningKey().verify_key
V2 = {
    "handshake": "answer", "client_api_version": [2, 0], "type": "AUTHENTICATED",
    "organization_id": "Org", "device_id": "a@b", "rvk": GOOD_RVK, "answer": b"x",
}
INVITED = {
    "handshake": "answer", "client_api_version": [2, 0], "type": "INVITED",
    "organization_id": "Org", "invitation_type": "USER", "token": uuid4(),
}
V1_ANONYMOUS = {
    "handshake": "answer", "client_api_version": [1, 2], "type": "anonymous",
    "organization_id": "Org", "rvk": None,
}
V1_ADMINISTRATION = {
    "handshake": "answer", "client_api_version": [1, 2], "type": "administration", "token": "x",
}


def without(document, *names):
    return {name: value for name, value in document.items() if name not in names}


@table({
    "no handshake field": without(V2, "handshake"),
    "handshake is not answer": {**V2, "handshake": "challenge"},
    "no type": without(V2, "type"),
    "unknown type": {**V2, "type": "DUMMY"},
    "type null": {**V2, "type": None},
    "type integer": {**V2, "type": 1},
    "no client_api_version": without(V2, "client_api_version"),
    "client_api_version null": {**V2, "client_api_version": None},
    "client_api_version integer": {**V2, "client_api_version": 2},
    "client_api_version str": {**V2, "client_api_version": "2.0"},
    "client_api_version of one": {**V2, "client_api_version": [2]},
    "client_api_version of three": {**V2, "client_api_version": [2, 0, 0]},
    "client_api_version of words": {**V2, "client_api_version": ["a", "b"]},
    "v2 type with version 1": {**V2, "client_api_version": [1, 2]},
    "invited with version 1": {**INVITED, "client_api_version": [1, 2]},
    "v1 authenticated with version 2": {**V2, "type": "authenticated"},
    "anonymous with version 2": {**V1_ANONYMOUS, "client_api_version": [2, 0]},
    "administration with version 2": {**V1_ADMINISTRATION, "client_api_version": [2, 0]},
    "AUTHENTICATED without organization_id": without(V2, "organization_id"),
    "AUTHENTICATED without device_id": without(V2, "device_id"),
    "AUTHENTICATED without rvk": without(V2, "rvk"),
    "AUTHENTICATED without answer": without(V2, "answer"),
    "AUTHENTICATED, rvk null": {**V2, "rvk": None},
    "AUTHENTICATED, rvk of 31 octets": {**V2, "rvk": bytes(31)},
    "AUTHENTICATED, rvk of 33 octets": {**V2, "rvk": bytes(33)},
    "AUTHENTICATED, answer str": {**V2, "answer": "x"},
    "AUTHENTICATED, answer null": {**V2, "answer": None},
    "AUTHENTICATED, device_id is a user": {**V2, "device_id": "alice"},
    "AUTHENTICATED, organization_id with a slash": {**V2, "organization_id": "a/b"},
    "AUTHENTICATED, organization_id null": {**V2, "organization_id": None},
    "INVITED without organization_id": without(INVITED, "organization_id"),
    "INVITED without invitation_type": without(INVITED, "invitation_type"),
    "INVITED, unknown invitation_type": {**INVITED, "invitation_type": "DUMMY"},
    "INVITED, invitation_type in lower case": {**INVITED, "invitation_type": "user"},
    "INVITED without token": without(INVITED, "token"),
    "INVITED, token str": {**INVITED, "token": str(uuid4())},
    "INVITED, token null": {**INVITED, "token": None},
    "anonymous without organization_id": without(V1_ANONYMOUS, "organization_id"),
    "anonymous, rvk str": {**V1_ANONYMOUS, "rvk": "x"},
    "anonymous, rvk of 3 octets": {**V1_ANONYMOUS, "rvk": b"abc"},
    "administration without token": without(V1_ADMINISTRATION, "token"),
    "administration, token null": {**V1_ADMINISTRATION, "token": None},
    "administration, token integer": {**V1_ADMINISTRATION, "token": 1},
    "empty map": {},
    "a request": {"cmd": "ping", "ping": "x"},
    "array": ["handshake", "answer"],
    "nil": Better("drops the connection", None),
    "not msgpack": b"\xc1",
    "empty message": b"",
    "trailing octet": pack(V2) + b"\0",
})
async def invalid_answer(t, answer):
    """2.1: an answer that is not msgpack or fails validation: bad_protocol, some help text."""
    octets = answer if isinstance(answer, bytes) else pack(answer)
    await refused(t, octets, "bad_protocol", help=Any("str", lambda v: isinstance(v, str)))


@case
async def unknown_fields_of_an_answer_are_ignored(t):
    """1.4, 2.2: unknown fields are ignored in the handshake too."""
    device = (await t.organization()).alice
    await accepted(
        t, lambda challenge: authenticated_answer(device, challenge, future="x", token=None)
    )


@case
async def text_message_instead_of_the_answer(t):
    """1.2: a text message in the handshake ends the connection with a Close."""
    socket, _ = await open_challenge(t.address)
    connection = t.keep(Connection(socket))
    await socket.send_raw(frame(TEXT, b"hello"))
    await expect_end(connection, code=None)
    check(socket.close_code is not None, "no Close frame before the end of TCP")


# --- AUTHENTICATED -------------------------------------------------------------------------------


VERSIONS = {"v2": 2, "v1": 1}


@table(VERSIONS)
async def authenticated(t, version):
    """2.2: a known device with the right signature and root key is connected."""
    device = (await t.organization()).alice
    connection = await accepted(
        t, lambda challenge: authenticated_answer(device, challenge, version=version)
    )
    expect_ok(await connection.call("ping", ping="x"), pong="x")


@table(VERSIONS)
async def unknown_organization(t, version):
    """2.2 AUTHENTICATED 1: organization unknown: bad_identity."""
    device = (await t.organization()).alice
    await refused(
        t,
        lambda challenge: authenticated_answer(
            device, challenge, version=version, organization_id=f"No{secrets.token_hex(8)}"
        ),
        "bad_identity", INVALID_INFORMATION,
    )


@table(VERSIONS)
async def unknown_device(t, version):
    """2.2 AUTHENTICATED 1: device unknown: bad_identity, the same answer as for an organization."""
    device = (await t.organization()).alice
    for device_id in ("alice@nope", "nope@dev1"):
        await refused(
            t,
            lambda challenge: authenticated_answer(
                device, challenge, version=version, device_id=device_id
            ),
            "bad_identity", INVALID_INFORMATION,
        )


@case
async def device_of_another_organization(t):
    """2.2 AUTHENTICATED 1: devices are looked up in their organization only."""
    device = (await t.organization()).alice
    other = await t.organization()
    bob = Device(other, "bob@dev1")
    await refused(
        t,
        lambda challenge: authenticated_answer(
            bob, challenge, organization_id=device.organization.id,
            rvk=device.organization.root_verify_key,
        ),
        "bad_identity", INVALID_INFORMATION,
    )


@table(VERSIONS)
async def organization_not_bootstrapped(t, version):
    """2.2 AUTHENTICATED 1: before the bootstrap there is no device: bad_identity."""
    organization = t.new_organization()
    await organization.create()
    device = Device(organization, "alice@dev1")
    await refused(
        t, lambda challenge: authenticated_answer(device, challenge, version=version),
        "bad_identity", INVALID_INFORMATION,
    )


@table({
    "wrong key": lambda device, challenge: SigningKey().sign(challenge),
    "spoilt signature": lambda device, challenge: b"\1" * 64 + challenge,
    "signature alone": lambda device, challenge: device.key.sign(challenge)[:64],
    "challenge alone": lambda device, challenge: challenge,
    "empty": lambda device, challenge: b"",
    "one octet": lambda device, challenge: b"x",
    "spoilt content": lambda device, challenge: device.key.sign(challenge)[:-1] + b"\0",
})
async def invalid_answer_signature(t, answer):
    """2.2 AUTHENTICATED 2: not a signature of the device: bad_protocol."""
    device = (await t.organization()).alice
    await refused(
        t,
        lambda challenge: authenticated_answer(device, challenge, answer=answer(device, challenge)),
        "bad_protocol", "Invalid answer signature",
    )


@table({
    "other bytes": lambda challenge: bytes(48),
    "challenge and more": lambda challenge: challenge + b"\0",
    "part of the challenge": lambda challenge: challenge[:47],
    "empty": lambda challenge: b"",
})
async def invalid_returned_challenge(t, content):
    """2.2 AUTHENTICATED 2: a good signature of something else than the challenge."""
    device = (await t.organization()).alice
    await refused(
        t,
        lambda challenge: authenticated_answer(
            device, challenge, answer=device.key.sign(content(challenge))
        ),
        "bad_protocol", "Invalid returned challenge",
    )


@case
async def answer_of_another_connection(t):
    """2.2 AUTHENTICATED 2: the answer to another connection's challenge does not open this one."""
    device = (await t.organization()).alice
    socket, stolen = await open_challenge(t.address)
    t.keep(Connection(socket))
    await refused(
        t,
        lambda challenge: authenticated_answer(
            device, challenge, answer=device.key.sign(stolen["challenge"])
        ),
        "bad_protocol", "Invalid returned challenge",
    )


@table(VERSIONS)
async def root_verify_key_mismatch(t, version):
    """2.2 AUTHENTICATED 3: another root verify key: rvk_mismatch."""
    device = (await t.organization()).alice
    await refused(
        t,
        lambda challenge: authenticated_answer(device, challenge, version=version, rvk=GOOD_RVK),
        "rvk_mismatch", MISMATCH,
    )


@better("checks the root verify key before the signature")
@case
async def signature_before_root_verify_key(t):
    """2.2: the signature comes first, so that a stranger learns nothing of the root key."""
    device = (await t.organization()).alice
    await refused(
        t,
        lambda challenge: authenticated_answer(
            device, challenge, rvk=GOOD_RVK, answer=SigningKey().sign(challenge)
        ),
        "bad_protocol", "Invalid answer signature",
    )


@table(VERSIONS)
async def expired_organization(t, version):
    """2.2 AUTHENTICATED 4: expiration date ≤ now: organization_expired."""
    device = (await t.organization(expiration_date=now() + timedelta(days=1))).alice
    admin = await t.administration()
    expect_ok(
        await admin.call(
            "organization_update", organization_id=device.organization.id,
            expiration_date=now() - timedelta(seconds=1),
        )
    )
    await refused(
        t, lambda challenge: authenticated_answer(device, challenge, version=version),
        "organization_expired", EXPIRED,
    )


async def make_expired(t, organization):
    admin = await t.administration()
    expect_ok(
        await admin.call(
            "organization_update", organization_id=organization.id,
            expiration_date=now() - timedelta(seconds=1),
        )
    )


@case
async def root_verify_key_before_expiration(t):
    """2.2 AUTHENTICATED 3, 4: rvk_mismatch comes before organization_expired."""
    device = (await t.organization()).alice
    await make_expired(t, device.organization)
    await refused(
        t, lambda challenge: authenticated_answer(device, challenge, rvk=GOOD_RVK),
        "rvk_mismatch", MISMATCH,
    )


@better("tells of the expiration before it looks at the signature")
@case
async def signature_before_expiration(t):
    """2.2: the signature comes first, before organization_expired too."""
    device = (await t.organization()).alice
    await make_expired(t, device.organization)
    await refused(
        t,
        lambda challenge: authenticated_answer(
            device, challenge, answer=SigningKey().sign(challenge)
        ),
        "bad_protocol", "Invalid answer signature",
    )


@case
async def unknown_device_of_an_expired_organization(t):
    """2.2 AUTHENTICATED 1, 4: bad_identity comes before organization_expired."""
    device = (await t.organization()).alice
    await make_expired(t, device.organization)
    await refused(
        t, lambda challenge: authenticated_answer(device, challenge, device_id="zoe@dev1"),
        "bad_identity", INVALID_INFORMATION,
    )


@table(VERSIONS)
async def revoked_user(t, version):
    """2.2 AUTHENTICATED 5: user revoked: revoked_device."""
    alice = await t.alice()
    bob = await alice.add_user("bob")
    await alice.revoke("bob")
    await refused(
        t, lambda challenge: authenticated_answer(bob, challenge, version=version),
        "revoked_device", "Device has been revoked",
    )


@better("tells of the revocation before it looks at the signature")
@case
async def signature_before_revocation(t):
    """2.2: the signature comes first, before revoked_device too."""
    alice = await t.alice()
    bob = await alice.add_user("bob")
    await alice.revoke("bob")
    await refused(
        t,
        lambda challenge: authenticated_answer(bob, challenge, answer=SigningKey().sign(challenge)),
        "bad_protocol", "Invalid answer signature",
    )


@case
async def expiration_before_revocation(t):
    """2.2 AUTHENTICATED 4, 5: organization_expired comes before revoked_device."""
    alice = await t.alice()
    bob = await alice.add_user("bob")
    await alice.revoke("bob")
    await make_expired(t, alice.organization)
    await refused(
        t, lambda challenge: authenticated_answer(bob, challenge), "organization_expired", EXPIRED
    )


@case
async def future_expiration_is_no_expiration(t):
    """2.2 AUTHENTICATED 4: an organization lives until its date."""
    device = (await t.organization(expiration_date=now() + timedelta(seconds=60))).alice
    await accepted(t, lambda challenge: authenticated_answer(device, challenge))


@case
async def expiration_arrives_by_itself(t):
    """2.2 AUTHENTICATED 4: once the date is over a handshake is refused, without any update."""
    device = (await t.organization(expiration_date=now() + timedelta(seconds=1.2))).alice
    await accepted(t, lambda challenge: authenticated_answer(device, challenge))
    await asyncio.sleep(1.3)
    await refused(
        t, lambda challenge: authenticated_answer(device, challenge), "organization_expired", EXPIRED
    )


@case
async def refused_for_expiration_drops_the_others(t):
    """2.2 AUTHENTICATED 4: a handshake refused for expiration drops the organization's connections."""
    organization = await t.organization(expiration_date=now() + timedelta(seconds=1.2))
    alice = await organization.connect(organization.alice)
    await asyncio.sleep(1.3)
    await refused(
        t, lambda challenge: authenticated_answer(organization.alice, challenge),
        "organization_expired", EXPIRED,
    )
    await expect_end(alice)


@case(alone=True)
async def refusals_take_about_the_same_time(t):
    """2.2: a clock cannot tell an unknown organization from an unknown device, nor a bad signature."""
    device = (await t.organization()).alice
    clock = asyncio.get_running_loop().time

    async def median_seconds(**changes):
        seconds = []
        for _ in range(15):
            socket, challenge = await open_challenge(t.address)
            t.keep(Connection(socket))
            answer = pack(authenticated_answer(device, challenge["challenge"], **changes))
            started = clock()
            await socket.send(answer)
            result = unpack(await socket.recv())["result"]
            seconds.append(clock() - started)
            check(result in ("bad_identity", "bad_protocol"), f"result {result}")
        return sorted(seconds)[7]

    organization = await median_seconds(organization_id="NoSuchOrganization")
    unknown = await median_seconds(device_id="alice@nope")
    ratio = max(organization, unknown) / max(min(organization, unknown), 1e-5)
    check(ratio < 10, f"unknown organization {organization:.6f} s, unknown device {unknown:.6f} s")


# --- INVITED -------------------------------------------------------------------------------------


@table({"USER": ("USER", "zoe@example.com"), "DEVICE": ("DEVICE", None)})
async def invited(t, row):
    """2.2 INVITED 6: the claimer of an invitation is connected."""
    kind, email = row
    alice = await t.alice()
    token = await alice.invite(kind, email)
    connection = await accepted(t, invited_answer(alice.organization.id, token, kind))
    expect_ok(await connection.call("ping", ping="x"), pong="x")


@case
async def invited_unknown_organization(t):
    """2.2 INVITED 1: organization unknown: bad_identity."""
    alice = await t.alice()
    token = await alice.invite()
    await refused(
        t, invited_answer(f"No{secrets.token_hex(8)}", token, "DEVICE"),
        "bad_identity", INVALID_INFORMATION,
    )


@case
async def invited_organization_not_bootstrapped(t):
    """2.2 INVITED 1, 3: an organization without root key holds no invitation: bad_identity."""
    organization = t.new_organization()
    await organization.create()
    await refused(t, invited_answer(organization.id, uuid4(), "DEVICE"), "bad_identity")


@case
async def invited_expired_organization(t):
    """2.2 INVITED 2: organization_expired comes before the token is looked at."""
    alice = await t.alice()
    token = await alice.invite()
    await make_expired(t, alice.organization)
    for candidate in (token, uuid4()):
        await refused(
            t, invited_answer(alice.organization.id, candidate, "DEVICE"),
            "organization_expired", EXPIRED,
        )


@case
async def invited_unknown_token(t):
    """2.2 INVITED 3: token unknown in this organization."""
    alice = await t.alice()
    elsewhere = await (await t.alice()).invite()
    for token in (uuid4(), elsewhere):
        await refused(
            t, invited_answer(alice.organization.id, token, "DEVICE"),
            "bad_identity", "Invalid handshake: Invitation not found",
        )


@case
async def invited_deleted(t):
    """2.2 INVITED 4, 5: invitation deleted; it comes before the comparison of the types."""
    alice = await t.alice()
    token = await alice.invite()
    expect_ok(await alice.call("invite_delete", token=token, reason="CANCELLED"))
    for kind in ("DEVICE", "USER"):
        await refused(
            t, invited_answer(alice.organization.id, token, kind),
            "bad_identity", "Invalid handshake: Invitation already deleted",
        )


@table({"DEVICE for USER": ("USER", "zoe@example.com", "DEVICE"), "USER for DEVICE": ("DEVICE", None, "USER")})
async def invited_wrong_type(t, row):
    """2.2 INVITED 5: type differs from the invitation's."""
    kind, email, claimed = row
    alice = await t.alice()
    token = await alice.invite(kind, email)
    await refused(
        t, invited_answer(alice.organization.id, token, claimed), "bad_identity", INVALID_INFORMATION
    )


# --- anonymous, administration -------------------------------------------------------------------


@case
async def anonymous(t):
    """2.2 anonymous: of a known organization, bootstrapped or not, rvk null, absent or right."""
    organization = t.new_organization()
    token = await organization.create()
    await accepted(t, anonymous_answer(organization.id))
    await organization.bootstrap(token)
    for answer in (
        anonymous_answer(organization.id),
        without(anonymous_answer(organization.id), "rvk"),
        anonymous_answer(organization.id, organization.root_verify_key),
    ):
        connection = await accepted(t, answer)
        expect_ok(await connection.call("ping", ping="x"), pong="x")


@case
async def anonymous_unknown_organization(t):
    """2.2 anonymous 1: without spontaneous bootstrap an unknown organization: bad_identity."""
    organization_id = f"No{secrets.token_hex(8)}"
    await refused(t, anonymous_answer(organization_id), "bad_identity", INVALID_INFORMATION)
    admin = await t.administration()
    expect(await admin.call("organization_status", organization_id=organization_id), "not_found")


@case
async def anonymous_expired(t):
    """2.2 anonymous 2, 3: organization_expired, before rvk_mismatch."""
    organization = await t.organization()
    await make_expired(t, organization)
    for rvk in (None, GOOD_RVK, organization.root_verify_key):
        await refused(
            t, anonymous_answer(organization.id, rvk), "organization_expired", EXPIRED
        )


@case
async def anonymous_root_verify_key_mismatch(t):
    """2.2 anonymous 3: rvk given and different from the organization's."""
    organization = await t.organization()
    await refused(t, anonymous_answer(organization.id, GOOD_RVK), "rvk_mismatch", MISMATCH)


@case(needs=["spontaneous-server"])
async def spontaneous_bootstrap(t):
    """2.2 anonymous 1: with spontaneous bootstrap the organization is created, bootstrap token empty."""
    address = t.options.spontaneous_server
    organization = t.new_organization(address=address)
    await accepted(t, anonymous_answer(organization.id), address)
    admin = await t.administration(address)
    expect_ok(
        await admin.call("organization_status", organization_id=organization.id),
        is_bootstrapped=False, expiration_date=None,
    )
    await accepted(t, anonymous_answer(organization.id), address)
    await organization.bootstrap("")
    alice = await organization.connect(organization.alice)
    expect_ok(await alice.call("ping", ping="x"), pong="x")


@case(needs=["spontaneous-server"])
async def spontaneous_bootstrap_many_at_once(t):
    """2.2 anonymous 1: a concurrent creation of the same organization is fine."""
    address = t.options.spontaneous_server
    organization = t.new_organization(address=address)
    await asyncio.gather(
        *(accepted(t, anonymous_answer(organization.id), address) for _ in range(8))
    )
    await organization.bootstrap("")


@case(needs=["spontaneous-server"])
async def spontaneous_bootstrap_is_for_anonymous_only(t):
    """2.2: the other answers do not create organizations."""
    address = t.options.spontaneous_server
    organization = t.new_organization(address=address)
    device = Device(organization, "alice@dev1")
    await refused(
        t, lambda challenge: authenticated_answer(device, challenge),
        "bad_identity", INVALID_INFORMATION, address,
    )
    await refused(
        t, invited_answer(organization.id, uuid4()), "bad_identity", INVALID_INFORMATION, address
    )
    admin = await t.administration(address)
    expect(await admin.call("organization_status", organization_id=organization.id), "not_found")


@table({"wrong": "nope", "empty": "", "prefix": 0, "longer": 1, "other letter case": 2})
async def invalid_administration_token(t, change):
    """2.2 administration: another token: bad_admin_token."""
    token = {0: t.token[:-1], 1: t.token + "x", 2: t.token.swapcase()}.get(change, change)
    await refused(
        t, administration_answer(token), "bad_admin_token", "Invalid administration token"
    )


@case
async def administration(t):
    """2.2 administration: the configured token opens the administration commands."""
    connection = await accepted(t, administration_answer(t.token))
    expect_ok(await connection.call("ping", ping="x"), pong="x")


# --- which commands a connection offers (§1.4 1, 4, 7) -------------------------------------------

AUTHENTICATED_ONLY = [
    "events_subscribe", "events_listen", "message_get", "user_get", "human_find", "user_create",
    "user_revoke", "device_create", "realm_create", "realm_status", "realm_stats",
    "realm_get_role_certificates", "realm_update_roles", "realm_start_reencryption_maintenance",
    "realm_finish_reencryption_maintenance", "vlob_create", "vlob_read", "vlob_update",
    "vlob_poll_changes", "vlob_list_versions", "vlob_maintenance_get_reencryption_batch",
    "vlob_maintenance_save_reencryption_batch", "block_create", "block_read",
]
GREETER = [
    "invite_new", "invite_delete", "invite_list", "invite_1_greeter_wait_peer",
    "invite_2a_greeter_get_hashed_nonce", "invite_2b_greeter_send_nonce",
    "invite_3a_greeter_wait_peer_trust", "invite_3b_greeter_signify_trust",
    "invite_4_greeter_communicate",
]
CLAIMER = [
    "invite_info", "invite_1_claimer_wait_peer", "invite_2a_claimer_send_hashed_nonce",
    "invite_2b_claimer_send_nonce", "invite_3a_claimer_signify_trust",
    "invite_3b_claimer_wait_peer_trust", "invite_4_claimer_communicate",
]
V1_USERS = [
    "user_find", "user_invite", "user_cancel_invitation", "device_invite",
    "device_cancel_invitation",
]
ANONYMOUS_ONLY = [
    "organization_bootstrap", "user_claim", "user_get_invitation_creator", "device_claim",
    "device_get_invitation_creator",
]
ADMINISTRATION_ONLY = [
    "organization_create", "organization_stats", "organization_status", "organization_update",
]


async def offers(connection, offered, others):
    """Offered commands answer anything but unknown_command (their fields are missing)."""
    wrong = []
    for cmd in [*offered, "ping"]:
        if cmd in ("events_listen", "events_subscribe"):
            continue
        reply = await connection.request({"cmd": cmd, "wait": False, "unexpected": 1})
        if reply["status"] == "unknown_command":
            wrong.append(f"{cmd} is not offered")
    for cmd in others:
        reply = await connection.request({"cmd": cmd})
        if reply != {"status": "unknown_command", "reason": "Unknown command"}:
            wrong.append(f"{cmd} gives {reply}")
    check(not wrong, "; ".join(wrong))


@case
async def commands_of_an_authenticated_connection(t):
    """4: what a v2 authenticated connection offers, and nothing else."""
    alice = await t.alice()
    await offers(
        alice, [*AUTHENTICATED_ONLY, *GREETER],
        [*CLAIMER, *V1_USERS, *ANONYMOUS_ONLY, *ADMINISTRATION_ONLY],
    )


@case
async def commands_of_a_v1_authenticated_connection(t):
    """7: what a v1 authenticated connection offers: no invite_*, but the v1 user commands."""
    organization = await t.organization()
    alice = await organization.connect(organization.alice, version=1)
    await offers(
        alice, [*AUTHENTICATED_ONLY, *V1_USERS],
        [*GREETER, *CLAIMER, *ANONYMOUS_ONLY, *ADMINISTRATION_ONLY],
    )


@case
async def commands_of_an_invited_connection(t):
    """5.2: what an invited connection offers, and nothing else."""
    alice = await t.alice()
    token = await alice.invite()
    claimer = await alice.organization.connect_invited(token, "DEVICE")
    # only claimer commands with required fields: the others would wait for their peer
    safe = ["invite_info", "invite_1_claimer_wait_peer", "invite_2a_claimer_send_hashed_nonce",
            "invite_2b_claimer_send_nonce", "invite_4_claimer_communicate"]
    await offers(
        claimer, safe,
        [*AUTHENTICATED_ONLY, *GREETER, *V1_USERS, *ANONYMOUS_ONLY, *ADMINISTRATION_ONLY],
    )


@case
async def commands_of_an_anonymous_connection(t):
    """7: what an anonymous connection offers, and nothing else."""
    organization = await t.organization()
    connection = await organization.connect_anonymous()
    await offers(
        connection, ANONYMOUS_ONLY,
        [*AUTHENTICATED_ONLY, *GREETER, *CLAIMER, *V1_USERS, *ADMINISTRATION_ONLY],
    )


@case
async def commands_of_an_administration_connection(t):
    """7: what an administration connection offers, and nothing else."""
    connection = await t.administration()
    await offers(
        connection, ADMINISTRATION_ONLY,
        [*AUTHENTICATED_ONLY, *GREETER, *CLAIMER, *V1_USERS, *ANONYMOUS_ONLY],
    )


@case
async def realms_and_vlobs_over_v1(t):
    """4: the commands of realms, vlobs, blocks, messages and events are the same on API v1."""
    organization = await t.organization()
    alice = await organization.connect(organization.alice, version=1)
    other = await organization.connect(organization.alice)
    await other.add_user("bob")
    realm_id = await alice.create_realm()
    await alice.share(realm_id, "bob", "READER", b"hello")
    vlob_id = await alice.create_vlob(realm_id, b"one")
    await alice.update_vlob(vlob_id, 2, b"two")
    block_id = await alice.create_block(realm_id, b"block")
    expect_ok(await alice.call("block_read", block_id=block_id), block=b"block")
    bob = await (await organization.connect(organization.devices["bob@dev1"], version=1)).subscribe()
    expect_ok(
        await bob.call("vlob_poll_changes", realm_id=realm_id, last_checkpoint=0),
        changes={vlob_id: 2}, current_checkpoint=2,
    )
    same(len((await bob.call("message_get", offset=0))["messages"]), 1, "messages")
    await alice.update_vlob(vlob_id, 3, b"three")
    same((await bob.next_event())["src_version"], 3, "src_version")
    expect_ok(
        await bob.call("vlob_read", encryption_revision=1, vlob_id=vlob_id),
        version=3, blob=b"three", author="alice@dev1", timestamp=ANY,
    )


@case
async def ping_on_every_kind_of_connection(t):
    """4.1: ping is offered, and validated, on every kind of connection."""
    alice = await t.alice()
    organization = alice.organization
    token = await alice.invite()
    connections = [
        alice,
        await organization.connect(organization.alice, version=1),
        await organization.connect_invited(token, "DEVICE"),
        await organization.connect_anonymous(),
        await t.administration(),
    ]
    for connection in connections:
        expect_ok(await connection.call("ping", ping="héllo ✓"), pong="héllo ✓")
        expect_ok(await connection.call("ping", ping=""), pong="")
        expect(await connection.call("ping"), "bad_message")


# --- §2.3 life -----------------------------------------------------------------------------------


@case
async def revocation_closes_every_connection_of_the_user(t):
    """2.3: user revoked: Close 1000 to all that user's connections, v1 and v2, waiting or not."""
    alice = await t.alice()
    organization = alice.organization
    bob = await alice.add_user("bob")
    bob_2 = await (await organization.connect(bob)).add_device("dev2")
    waiting = await (await organization.connect(bob)).subscribe()
    await waiting.send_request("events_listen", wait=True)
    victims = [
        waiting,
        await organization.connect(bob_2),
        await organization.connect(bob, version=1),
    ]
    carol = await organization.connect(await alice.add_user("carol"))
    await alice.revoke("bob")
    for victim in victims:
        await expect_end(victim)
    expect_ok(await alice.call("ping", ping="x"), pong="x")
    expect_ok(await carol.call("ping", ping="x"), pong="x")


@case
async def revocation_elsewhere_is_not_ours(t):
    """2.3: a user of the same name in another organization is not touched."""
    alice, bob = await t.pair()
    other_alice, other_bob = await t.pair()
    await alice.revoke("bob")
    await expect_end(bob)
    expect_ok(await other_bob.call("ping", ping="x"), pong="x")
    check(other_alice is not None, "")


@case
async def expiration_closes_every_connection_of_the_organization(t):
    """2.3: organization expired: Close 1000 to all its authenticated connections."""
    alice, bob = await t.pair()
    await bob.subscribe()
    await bob.send_request("events_listen", wait=True)
    await make_expired(t, alice.organization)
    await expect_end(alice)
    await expect_end(bob)


@case(needs=["second-server"])
async def revocation_on_another_server(t):
    """2.3: user revoked by any server of the deployment: its connections are dropped everywhere."""
    alice = await t.alice()
    bob = await alice.add_user("bob")
    here = await alice.organization.connect(bob)
    there = await alice.organization.connect(bob, address=t.second)
    await alice.revoke("bob")
    await expect_end(here)
    await expect_end(there)


@case(needs=["second-server"])
async def expiration_on_another_server(t):
    """2.3: organization expired: its connections are dropped on every server."""
    organization = await t.organization()
    here = await organization.connect(organization.alice)
    there = await organization.connect(organization.alice, address=t.second)
    await make_expired(t, organization)
    await expect_end(here)
    await expect_end(there)


@case(needs=["second-server"])
async def refused_there_for_expiration_drops_here(t):
    """2.2 AUTHENTICATED 4: a handshake refused for expiration drops connections on every server."""
    organization = await t.organization(expiration_date=now() + timedelta(seconds=1.2))
    alice = await organization.connect(organization.alice)
    await asyncio.sleep(1.3)
    await refused(
        t, lambda challenge: authenticated_answer(organization.alice, challenge),
        "organization_expired", EXPIRED, t.second,
    )
    await expect_end(alice)


@case(needs=["second-server"])
async def a_device_made_here_connects_there(t):
    """1.1, storage 1: every server of a deployment sees what the others committed."""
    alice = await t.alice()
    bob = await alice.add_user("bob")
    session = await alice.organization.connect(bob, address=t.second)
    reply = await session.call("user_get", user_id="alice")
    same(reply["status"], "ok", "status")


@case
async def revocation_racing_with_handshakes(t):
    """2.2: a revocation that commits while a handshake is under way is not missed."""
    alice = await t.alice()
    organization = alice.organization
    for number in range(4):
        name = f"user{number}"
        device = await alice.add_user(name)

        async def join():
            connection, result = await t.handshake(
                lambda challenge: authenticated_answer(device, challenge)
            )
            check(result["result"] in ("ok", "revoked_device"), f"result {result}")
            return connection

        joins = [asyncio.create_task(join()) for _ in range(6)]
        await asyncio.sleep(0.004 * number)
        await alice.revoke(name)
        for connection in await asyncio.gather(*joins):
            await expect_end(connection, code=None)
    check(organization is not None, "")


@case(needs=["tls-server"])
async def over_tls(t):
    """1.1: the same over TLS, with ALPN http/1.1 or none."""
    import ssl

    for protocols in (None, ["http/1.1"]):
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        if protocols:
            tls.set_alpn_protocols(protocols)
        socket, challenge = await open_challenge(t.options.tls_server, tls=tls)
        connection = t.keep(Connection(socket))
        same(challenge["handshake"], "challenge", "first message")
        await socket.send(pack(administration_answer(t.token)))
        same(unpack(await socket.recv())["result"], "ok", "result")
        expect_ok(
            await connection.request({"cmd": "ping", "ping": "x" * 60_000}), pong="x" * 60_000
        )
