"""Keys and certificates (protocol/3-types.md §3.3): how clients build and sign them.

A certificate is `signature ‖ zlib(msgpack(map))`. Every builder takes keyword overrides, so that
a case can leave a field out (value OMIT), spoil it, or sign with the wrong key.
"""
import os
import zlib

import nacl.signing

from wire import pack

OMIT = object()


class SigningKey:
    """An Ed25519 key pair."""

    def __init__(self):
        self._key = nacl.signing.SigningKey.generate()
        self.verify_key = bytes(self._key.verify_key)

    def sign(self, message):
        """libsodium's combined mode: signature ‖ message."""
        return bytes(self._key.sign(message))


def public_key():
    return os.urandom(32)


def sign(key, content):
    content = {name: value for name, value in content.items() if value is not OMIT}
    return key.sign(zlib.compress(pack(content)))


def user(key, author, timestamp, user_id, **fields):
    profile = fields.get("profile", "STANDARD")
    content = {
        "type": "user_certificate",
        "author": author,
        "timestamp": timestamp,
        "user_id": user_id,
        "human_handle": None,
        "public_key": public_key(),
        "is_admin": profile == "ADMIN",
        "profile": profile,
    }
    return sign(key, {**content, **fields})


def device(key, author, timestamp, device_id, verify_key, **fields):
    content = {
        "type": "device_certificate",
        "author": author,
        "timestamp": timestamp,
        "device_id": device_id,
        "device_label": None,
        "verify_key": verify_key,
    }
    return sign(key, {**content, **fields})


def revoked_user(key, author, timestamp, user_id, **fields):
    content = {
        "type": "revoked_user_certificate",
        "author": author,
        "timestamp": timestamp,
        "user_id": user_id,
    }
    return sign(key, {**content, **fields})


def realm_role(key, author, timestamp, realm_id, user_id, role, **fields):
    content = {
        "type": "realm_role_certificate",
        "author": author,
        "timestamp": timestamp,
        "realm_id": realm_id,
        "user_id": user_id,
        "role": role,
    }
    return sign(key, {**content, **fields})
