"""A small Parsec client: handshakes, calls, and organizations made from scratch.

Where to start: `Organization.create(address, token)`, `Session` (a connected device) and
`Connection.call(command, **fields)`. Nothing here judges the server: it sends what it is told and
returns what came back. Only `set-up` steps (create, share, …) insist on `ok`, by SetupFailed.
"""
import asyncio
import os
import secrets
from uuid import uuid4

import certificates
from certificates import SigningKey
from wire import DEFAULT_WAIT, Closed, WebSocket, now, pack, unpack


class SetupFailed(Exception):
    """A step that a case only needs on its way did not work."""


def insist(reply, what):
    if reply.get("status") != "ok":
        raise SetupFailed(f"{what}: {reply!r}")
    return reply


class Connection:
    """A WebSocket after its handshake: requests and replies."""

    def __init__(self, socket):
        self.socket = socket

    async def send_request(self, cmd, **fields):
        await self.socket.send(pack({"cmd": cmd, **fields}))

    async def recv_reply(self, timeout=DEFAULT_WAIT):
        return unpack(await self.socket.recv(timeout))

    async def call(self, cmd, /, *, timeout=DEFAULT_WAIT, **fields):
        await self.send_request(cmd, **fields)
        return await self.recv_reply(timeout)

    def start(self, cmd, /, **fields):
        """A call that goes on beside the case; await the task for its reply."""
        return asyncio.create_task(self.call(cmd, **fields))

    async def request(self, document, timeout=DEFAULT_WAIT):
        """Like call, of any document (or bytes as they are)."""
        await self.socket.send(document if isinstance(document, bytes) else pack(document))
        return await self.recv_reply(timeout)

    async def silent(self, seconds=0.25):
        """True if nothing arrives for a moment."""
        try:
            await self.socket.recv(seconds)
        except asyncio.TimeoutError:
            return True
        except Closed:
            return False
        return False

    async def wait_end(self, timeout=DEFAULT_WAIT):
        return await self.socket.wait_end(timeout)


# --- Handshakes (protocol/2-handshake.md) -----------------------------------------------------------------


def base_answer(version, kind, **fields):
    return {
        "handshake": "answer",
        "client_api_version": [version, 0],
        "type": kind,
        **fields,
    }


def authenticated_answer(device, challenge, *, version=2, **changes):
    fields = {
        "organization_id": device.organization.id,
        "device_id": device.id,
        "rvk": device.organization.root_verify_key,
        "answer": device.key.sign(challenge),
    }
    kind = "AUTHENTICATED" if version == 2 else "authenticated"
    return base_answer(version, kind, **{**fields, **changes})


def invited_answer(organization_id, token, invitation_type="USER"):
    return base_answer(
        2, "INVITED", organization_id=organization_id, invitation_type=invitation_type, token=token
    )


def anonymous_answer(organization_id, rvk=None):
    return base_answer(1, "anonymous", organization_id=organization_id, rvk=rvk)


def administration_answer(token):
    return base_answer(1, "administration", token=token)


async def open_challenge(address, **options):
    """A WebSocket and the challenge document that the server sent first."""
    socket = await WebSocket.open(address, **options)
    return socket, unpack(await socket.recv())


async def handshake(address, answer, **options):
    """(connection, result document). answer: a document, bytes, or a function of the challenge."""
    socket, challenge = await open_challenge(address, **options)
    if callable(answer):
        answer = answer(challenge["challenge"])
    await socket.send(answer if isinstance(answer, bytes) else pack(answer))
    return Connection(socket), unpack(await socket.recv())


async def connect(address, answer, **options):
    """A connection whose handshake succeeded."""
    connection, result = await handshake(address, answer, **options)
    if result.get("result") != "ok":
        raise SetupFailed(f"handshake: {result!r}")
    return connection


async def connect_administration(address, token, **options):
    return await connect(address, administration_answer(token), **options)


async def connect_anonymous(address, organization_id, **options):
    return await connect(address, anonymous_answer(organization_id), **options)


async def connect_invited(address, organization_id, token, invitation_type="USER", **options):
    return await connect(address, invited_answer(organization_id, token, invitation_type), **options)


async def connect_device(address, device, *, version=2, **options):
    """A Session of that device."""
    connection = await connect(
        address, lambda challenge: authenticated_answer(device, challenge, version=version), **options
    )
    return Session(connection.socket, device)


# --- Organizations, users, devices ---------------------------------------------------------------


class Device:
    """What a client keeps of one device: identity, key, profile and certificates."""

    def __init__(self, organization, device_id, *, profile="STANDARD", human_handle=None, label=None):
        self.organization = organization
        self.id = device_id
        self.user_id, _, self.name = device_id.partition("@")
        self.key = SigningKey()
        self.profile, self.human_handle, self.label = profile, human_handle, label
        self.certificates = {}

    def __repr__(self):
        return self.id


def user_certificates(author, new, *, timestamp=None, root_key=None, changes=None):
    """The four certificates of a new user and first device, as the fields of user_create.

    author: a Device, or None with root_key. changes: {certificate field: {content field: value}};
    the content field `key` replaces the signing key.
    """
    timestamp = timestamp or now()
    key, author_id = (root_key, None) if author is None else (author.key, author.id)
    user_content = {
        "human_handle": new.human_handle,
        "profile": new.profile,
        "public_key": certificates.public_key(),
        "user_id": new.user_id,
    }
    device_content = {
        "device_label": new.label,
        "verify_key": new.key.verify_key,
        "device_id": new.id,
    }
    redacted_user = {**user_content, "human_handle": None}
    redacted_device = {**device_content, "device_label": None}
    made = {}
    for name, build, content in (
        ("user_certificate", certificates.user, user_content),
        ("device_certificate", certificates.device, device_content),
        ("redacted_user_certificate", certificates.user, redacted_user),
        ("redacted_device_certificate", certificates.device, redacted_device),
    ):
        content = {"key": key, "author": author_id, "timestamp": timestamp, **content}
        made[name] = build(**{**content, **(changes or {}).get(name, {})})
    return made


def device_certificates(author, new, *, timestamp=None, changes=None):
    """The two certificates of a new device, as the fields of device_create."""
    made = user_certificates(author, new, timestamp=timestamp, changes=changes)
    return {name: made[name] for name in ("device_certificate", "redacted_device_certificate")}


class Organization:
    """An organization with its root key and the devices made so far."""

    def __init__(self, address, organization_id=None, token=None):
        self.address, self.token = address, token
        self.id = organization_id or f"Org{secrets.token_hex(10)}"
        self.root_key = SigningKey()
        self.devices = {}
        self.opened = []  # connections to close at the end

    @property
    def root_verify_key(self):
        return self.root_key.verify_key

    @property
    def alice(self):
        """The first device: alice@dev1, ADMIN, with a human handle."""
        return self.devices["alice@dev1"]

    def email(self, name):
        return f"{name}@example.com"

    def new_device(self, device_id, **options):
        """A device that the server does not know yet."""
        return Device(self, device_id, **options)

    def adopt(self, device, made):
        device.certificates = made
        self.devices[device.id] = device
        return device

    async def create(self, **fields):
        """organization_create; returns the bootstrap token."""
        admin = await connect_administration(self.address, self.token)
        self.opened.append(admin)
        reply = await admin.call("organization_create", organization_id=self.id, **fields)
        await admin.socket.abort()
        return insist(reply, "organization_create")["bootstrap_token"]

    def bootstrap_fields(self, first, bootstrap_token, **options):
        made = user_certificates(None, first, root_key=self.root_key, **options)
        return {"bootstrap_token": bootstrap_token, "root_verify_key": self.root_verify_key, **made}

    async def bootstrap(self, bootstrap_token, *, name="alice"):
        first = self.new_device(
            f"{name}@dev1",
            profile="ADMIN",
            human_handle=[self.email(name), name.capitalize()],
            label=f"{name}'s first",
        )
        fields = self.bootstrap_fields(first, bootstrap_token)
        anonymous = await connect_anonymous(self.address, self.id)
        self.opened.append(anonymous)
        insist(await anonymous.call("organization_bootstrap", **fields), "organization_bootstrap")
        await anonymous.socket.abort()
        return self.adopt(first, fields)

    async def connect(self, device, *, address=None, **options):
        session = await connect_device(address or self.address, device, **options)
        self.opened.append(session)
        return session

    async def connect_invited(self, token, invitation_type="USER", *, address=None):
        connection = await connect_invited(address or self.address, self.id, token, invitation_type)
        self.opened.append(connection)
        return connection

    async def connect_anonymous(self, *, address=None):
        connection = await connect_anonymous(address or self.address, self.id)
        self.opened.append(connection)
        return connection

    async def close(self):
        await asyncio.gather(*(connection.socket.abort() for connection in self.opened))


class Session(Connection):
    """A connected device, with short forms of the steps that cases need all the time."""

    def __init__(self, socket, device):
        super().__init__(socket)
        self.device = device
        self.organization = device.organization

    async def subscribe(self):
        insist(await self.call("events_subscribe"), "events_subscribe")
        return self

    async def add_user(self, name, profile="STANDARD", *, human="", device="dev1", **options):
        """user_create. human: None for no human handle, [email, label], or "" for the usual."""
        if human == "":
            human = [self.organization.email(name), name.capitalize()]
        new = self.organization.new_device(
            f"{name}@{device}", profile=profile, human_handle=human, label=f"{name}'s first"
        )
        made = user_certificates(self.device, new, **options)
        insist(await self.call("user_create", **made), "user_create")
        return self.organization.adopt(new, made)

    async def add_device(self, name):
        """device_create, for the author's own user."""
        mine = self.device
        new = self.organization.new_device(
            f"{mine.user_id}@{name}",
            profile=mine.profile,
            human_handle=mine.human_handle,
            label=f"{mine.user_id}'s {name}",
        )
        made = device_certificates(mine, new)
        insist(await self.call("device_create", **made), "device_create")
        return self.organization.adopt(new, made)

    def revocation(self, user_id, timestamp=None, **changes):
        content = {"key": self.device.key, "author": self.device.id, "user_id": user_id, **changes}
        return certificates.revoked_user(timestamp=timestamp or now(), **content)

    async def revoke(self, user_id):
        certificate = self.revocation(user_id)
        insist(await self.call("user_revoke", revoked_user_certificate=certificate), "user_revoke")
        return certificate

    def role(self, realm_id, user_id, role, timestamp=None, **changes):
        """A realm role certificate by this device."""
        content = {
            "key": self.device.key,
            "author": self.device.id,
            "timestamp": timestamp or now(),
            "realm_id": realm_id,
            "user_id": user_id,
            "role": role,
        }
        return certificates.realm_role(**{**content, **changes})

    async def create_realm(self, realm_id=None):
        realm_id = realm_id or uuid4()
        certificate = self.role(realm_id, self.device.user_id, "OWNER")
        insist(await self.call("realm_create", role_certificate=certificate), "realm_create")
        return realm_id

    async def share(self, realm_id, user_id, role, message=None):
        certificate = self.role(realm_id, user_id, role)
        reply = await self.call(
            "realm_update_roles", role_certificate=certificate, recipient_message=message
        )
        insist(reply, "realm_update_roles")
        return certificate

    async def create_vlob(self, realm_id, blob=b"v1", vlob_id=None, revision=1, timestamp=None):
        vlob_id = vlob_id or uuid4()
        reply = await self.call(
            "vlob_create",
            realm_id=realm_id,
            encryption_revision=revision,
            vlob_id=vlob_id,
            timestamp=timestamp or now(),
            blob=blob,
        )
        insist(reply, "vlob_create")
        return vlob_id

    async def try_update_vlob(self, vlob_id, version, blob=b"", revision=1, timestamp=None):
        """vlob_update, whatever the reply."""
        return await self.call(
            "vlob_update",
            encryption_revision=revision,
            vlob_id=vlob_id,
            timestamp=timestamp or now(),
            version=version,
            blob=blob,
        )

    async def update_vlob(self, vlob_id, version, *args, **options):
        insist(await self.try_update_vlob(vlob_id, version, *args, **options), "vlob_update")

    async def create_block(self, realm_id, block=b"block", block_id=None):
        block_id = block_id or uuid4()
        reply = await self.call("block_create", block_id=block_id, realm_id=realm_id, block=block)
        insist(reply, "block_create")
        return block_id

    async def start_reencryption(self, realm_id, participants, revision=2):
        """participants: user ids, or a map of user id to message."""
        if not isinstance(participants, dict):
            participants = {name: f"to {name}".encode() for name in participants}
        reply = await self.call(
            "realm_start_reencryption_maintenance",
            realm_id=realm_id,
            encryption_revision=revision,
            timestamp=now(),
            per_participant_message=participants,
        )
        insist(reply, "realm_start_reencryption_maintenance")

    async def finish_reencryption(self, realm_id, revision=2):
        reply = await self.call(
            "realm_finish_reencryption_maintenance", realm_id=realm_id, encryption_revision=revision
        )
        insist(reply, "realm_finish_reencryption_maintenance")

    async def invite(self, kind="DEVICE", claimer_email=None, send_email=False):
        fields = {} if claimer_email is None else {"claimer_email": claimer_email}
        reply = await self.call("invite_new", type=kind, send_email=send_email, **fields)
        return insist(reply, "invite_new")["token"]

    async def next_event(self, timeout=DEFAULT_WAIT):
        """events_listen; the reply without its status."""
        reply = insist(await self.call("events_listen", wait=True, timeout=timeout), "events_listen")
        reply.pop("status")
        return reply


async def make_organization(address, token, **create_fields):
    """A bootstrapped organization with one device, alice@dev1."""
    organization = Organization(address, token=token)
    bootstrap_token = await organization.create(**create_fields)
    await organization.bootstrap(bootstrap_token)
    return organization


def nonce(size=32):
    return os.urandom(size)
