"""Who judges a planted fault: the quickest first, of each the tests that concern the file."""
from dataclasses import dataclass, field
from pathlib import PurePath


@dataclass
class Judge:
    name: str
    targets: list
    command: list
    timeout: int = 60
    environment: dict = field(default_factory=dict)


def program(name, only="*", timeout=60):
    return Judge(name, [name], [f"build/release/{name}", "--gtest_brief=1", "--gtest_fail_fast",
                                f"--gtest_filter={only}"], timeout)


def conformance(family, deployment="dev", timeout=90):
    only = ["--only", family] if family else []
    return Judge("conformance", ["parsec"], ["tests/conformance/deploy.py", "--program", "build/release/parsec",
                                             deployment, *only], timeout)


# A file of db/schema/sql/functions or protocol/commands: its tests in tests_db, its cases, its tests in tests_integration.
FAMILIES = {
    "00_common": ("*Author*:*Rights*:*Notif*:*Invite*:*Vlob*:*Common*", "", "*"),
    "01_member": ("*Vlob*:*Block*:*Realm*", "realms.", "*Realm*:*Vlob*"),
    "02_realm_sizes": ("*Realm*:*Sizes*", "realms.", "*Realm*"),
    "administration": ("*Organization*", "admin.", "Administration*"),
    "apiv1_invitation": ("*Apiv1*:*ApiV1*", "apiv1.", "Apiv1*:*Claim*"),
    "apiv1_invitations": ("*Apiv1*:*ApiV1*", "apiv1.", "Apiv1*:*Claim*"),
    "apiv1_users": ("*User*", "apiv1.", "Apiv1*:User*:Device*"),
    "block": ("*Block*", "blocks.", "Block*"),
    "block_sets": ("*Block*", "blocks.", "Block*"),
    "blocks": ("*Block*", "blocks.", "Block*"),
    "bootstrap": ("*Organization*", "admin.", "Bootstrap*"),
    "certificate_lists": ("*User*", "users.", "User*:Apiv1*"),
    "conduit": ("*Invite*:*Conduit*", "invites.", "Conduit*:Invit*"),
    "device": ("*Device*", "users.", "Device*:User*"),
    "devices": ("*Device*", "users.", "Device*:User*"),
    "events": ("*Handshake*", "events.", "Event*:Notif*"),
    "handshake": ("*Handshake*:*Realms*", "handshake.", "Handshake*"),
    "invite": ("*Invite*:*Conduit*", "invites.", "Conduit*:Invit*"),
    "invites": ("*Invite*:*Conduit*", "invites.", "Conduit*:Invit*"),
    "maintenance": ("*Maintenance*:*Reencryption*", "realms.", "Maintenance*:Realm*"),
    "message": ("*Message*", "messages.", "Message*"),
    "messages": ("*Message*", "messages.", "Message*"),
    "organization": ("*Organization*", "admin.", "Administration*:Bootstrap*"),
    "ping": ("*Handshake*", "events.", "*Ping*"),
    "realm": ("*Realm*:*Role*", "realms.", "Realm*:Role*"),
    "realms": ("*Realm*:*Role*", "realms.", "Realm*:Role*"),
    "user": ("*User*:*Human*", "users.", "User*:Human*"),
    "users": ("*User*:*Human*", "users.", "User*:Human*"),
    "user_creation": ("*User*", "users.", "User*:Bootstrap*"),
    "new_user": ("*User*", "users.", "User*:Bootstrap*"),
    "vlob": ("*Vlob*", "vlobs.", "Vlob*"),
    "vlob_sets": ("*Vlob*", "vlobs.", "Vlob*"),
    "vlobs": ("*Vlob*", "vlobs.", "Vlob*"),
}


def judges_for(file):
    path = PurePath(file)
    database_tests, cases, integration_tests = FAMILIES.get(path.stem, ("*", "", "*"))
    integration = program("tests_integration", integration_tests, 240)
    integration.targets = ["parsec", "tests_integration"]
    if path.suffix == ".sql":
        return [program("tests_db", database_tests, 120), conformance(cases), integration]
    if path.match("protocol/commands/*"):
        return [conformance(cases), program("tests_protocol"), integration]
    return [program("tests_protocol"), conformance("handshake." if path.stem == "handshake" else ""), integration]
