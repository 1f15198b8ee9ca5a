"""db/storage.md §1: the schema, what each command writes in it, and rows that other servers wrote."""
import os
import re
from datetime import timedelta
from uuid import uuid4

from cases_events import aside, save_all
from harness import (
    ANY, Any, case, check, eventually, expect, expect_ok, same, table,
)
from parsec_client import insist, user_certificates
from wire import now

DB = {"needs": ["db"]}

# The table of db/storage.md, in its own words.
SCHEMA = {
    "organization": """
        organization_id VARCHAR(32) NN; bootstrap_token TEXT NN; root_verify_key BYTEA;
        expiration_date TIMESTAMPTZ; UNIQUE(organization_id)""",
    "human": """
        organization → organization NN; email VARCHAR(254) NN; label VARCHAR(254) NN;
        UNIQUE(organization, email)""",
    "user_": """
        organization → organization NN; user_id VARCHAR(32) NN; user_certificate BYTEA NN;
        user_certifier → device; created_on TIMESTAMPTZ NN; revoked_on TIMESTAMPTZ;
        revoked_user_certificate BYTEA; revoked_user_certifier → device; human → human;
        redacted_user_certificate BYTEA NN; profile user_profile; UNIQUE(organization, user_id)""",
    "device": """
        organization → organization NN; user_ → user_ NN; device_id VARCHAR(65) NN;
        device_certificate BYTEA NN; device_certifier → device; created_on TIMESTAMPTZ NN;
        redacted_device_certificate BYTEA NN; device_label VARCHAR(254);
        UNIQUE(organization, device_id); UNIQUE(user_, device_id)""",
    "user_invitation": """
        organization → organization NN; user_id VARCHAR(32) NN; creator → device NN;
        created_on TIMESTAMPTZ NN; UNIQUE(organization, user_id)""",
    "device_invitation": """
        organization → organization NN; device_id VARCHAR(65) NN; creator → device NN;
        created_on TIMESTAMPTZ NN; UNIQUE(organization, device_id)""",
    "invitation": """
        organization → organization NN; token UUID NN; type invitation_type NN;
        greeter → user_ NN; claimer_email VARCHAR(255); created_on TIMESTAMPTZ NN;
        deleted_on TIMESTAMPTZ; deleted_reason invitation_deleted_reason;
        conduit_state invitation_conduit_state NN DEFAULT '1_WAIT_PEERS';
        conduit_greeter_payload BYTEA; conduit_claimer_payload BYTEA;
        UNIQUE(organization, token)""",
    "message": """
        organization → organization NN; recipient → user_ NN; timestamp TIMESTAMPTZ NN;
        index INTEGER NN; sender → device NN; body BYTEA NN""",
    "realm": """
        organization → organization NN; realm_id UUID NN; encryption_revision INTEGER NN;
        maintenance_started_by → device; maintenance_started_on TIMESTAMPTZ;
        maintenance_type maintenance_type; UNIQUE(organization, realm_id)""",
    "realm_user_role": """
        realm → realm NN; user_ → user_ NN; role realm_role; certificate BYTEA NN;
        certified_by → device NN; certified_on TIMESTAMPTZ NN""",
    "vlob_encryption_revision": """
        realm → realm; encryption_revision INTEGER NN; UNIQUE(realm, encryption_revision)""",
    "vlob_atom": """
        organization → organization NN; vlob_encryption_revision → vlob_encryption_revision NN;
        vlob_id UUID NN; version INTEGER NN; blob BYTEA NN; size INTEGER NN; author → device NN;
        created_on TIMESTAMPTZ NN; deleted_on TIMESTAMPTZ;
        UNIQUE(vlob_encryption_revision, vlob_id, version)""",
    "realm_vlob_update": """
        realm → realm NN; index INTEGER NN; vlob_atom → vlob_atom NN; UNIQUE(realm, index)""",
    "block": """
        organization → organization NN; block_id UUID NN; realm → realm NN; author → device NN;
        size INTEGER NN; created_on TIMESTAMPTZ NN; deleted_on TIMESTAMPTZ;
        UNIQUE(organization, block_id)""",
    "block_data": """
        organization_id VARCHAR NN; block_id UUID NN; data BYTEA NN;
        UNIQUE(organization_id, block_id)""",
    "migration": "_id INTEGER NN; name VARCHAR(256) NN; applied TIMESTAMPTZ NN; UNIQUE(name)",
}

ENUMS = {
    "maintenance_type": ["REENCRYPTION", "GARBAGE_COLLECTION"],
    "realm_role": ["OWNER", "MANAGER", "CONTRIBUTOR", "READER"],
    "invitation_type": ["USER", "DEVICE"],
    "invitation_deleted_reason": ["FINISHED", "CANCELLED", "ROTTEN"],
    "user_profile": ["ADMIN", "STANDARD", "OUTSIDER"],
    "invitation_conduit_state": [
        "1_WAIT_PEERS", "2_1_CLAIMER_HASHED_NONCE", "2_2_GREETER_NONCE", "2_3_CLAIMER_NONCE",
        "3_1_CLAIMER_TRUST", "3_2_GREETER_TRUST", "4_COMMUNICATE",
    ],
}
SPELLING = {"VARCHAR": "character varying", "TIMESTAMPTZ": "timestamp with time zone"}


class Table:
    """One row of SCHEMA, read."""

    def __init__(self, name):
        self.columns, self.references, self.defaults = {}, {}, {}
        self.keys = {("p", "_id")}
        if name != "migration":
            self.columns["_id"] = ("integer", True)
        for item in SCHEMA[name].split(";"):
            item = " ".join(item.split())
            if item.startswith("UNIQUE"):
                self.keys.add(("u", item[len("UNIQUE("):-1].replace(" ", "")))
                continue
            column, kind, *more = item.split()
            if kind == "→":
                self.references[column] = more[0]
                kind = "INTEGER"
            kind = re.sub(r"^[A-Z]+", lambda m: SPELLING.get(m[0], m[0].lower()), kind)
            self.columns[column] = (kind, "NN" in more)
            if "DEFAULT" in more:
                self.defaults[column] = more[-1].strip("'")


TABLES = {name: Table(name) for name in SCHEMA}
EACH_TABLE = {name: name for name in TABLES}


# --- The schema -----------------------------------------------------------------------------------


@case(**DB)
async def tables(t):
    """Storage 1: exactly the tables of the contract; our own ones live in another schema."""
    database = await t.database()
    rows = await database.rows(
        "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'"
    )
    same(sorted(name for (name,) in rows), sorted(TABLES), "tables")


@table(EACH_TABLE, **DB)
async def columns(t, name):
    """Storage 1: the columns of each table: name, type, NOT NULL."""
    database = await t.database()
    rows = await database.rows(
        "SELECT attname::text, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
        " WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped",
        f"public.{name}",
    )
    same({column: (kind, nn) for column, kind, nn in rows}, TABLES[name].columns, "columns")


@table(EACH_TABLE, **DB)
async def keys(t, name):
    """Storage 1: the primary key and the UNIQUE constraints of each table."""
    database = await t.database()
    rows = await database.rows(
        "SELECT contype::text, string_agg(attname::text, ',' ORDER BY place)"
        " FROM pg_constraint, unnest(conkey) WITH ORDINALITY AS k (number, place), pg_attribute"
        " WHERE conrelid = $1::text::regclass AND contype IN ('p', 'u', 'x', 'c')"
        " AND attrelid = conrelid AND attnum = number GROUP BY pg_constraint.oid, contype",
        f"public.{name}",
    )
    same(set(rows), TABLES[name].keys, "keys")


@table(EACH_TABLE, **DB)
async def foreign_keys(t, name):
    """Storage 1: the foreign keys of each table, to _id of another."""
    database = await t.database()
    rows = await database.rows(
        "SELECT a.attname::text, confrelid::regclass::text, b.attname::text"
        " FROM pg_constraint"
        " JOIN pg_attribute AS a ON a.attrelid = conrelid AND a.attnum = conkey[1]"
        " JOIN pg_attribute AS b ON b.attrelid = confrelid AND b.attnum = confkey[1]"
        " WHERE conrelid = $1::text::regclass AND contype = 'f' AND cardinality(conkey) = 1"
        " AND convalidated AND NOT condeferrable",
        f"public.{name}",
    )
    want = {column: (other, "_id") for column, other in TABLES[name].references.items()}
    same({column: (other, key) for column, other, key in rows}, want, "foreign keys")


@table({name: name for name in TABLES if name != "migration"}, **DB)
async def serials(t, name):
    """Storage 1: every _id is SERIAL: the default is the next value of a sequence of its own."""
    database = await t.database()
    sequence = await database.value(
        "SELECT pg_get_serial_sequence($1::text, '_id')", f"public.{name}"
    )
    check(sequence is not None, "_id has no sequence of its own")
    rows = await database.rows(
        "SELECT attname::text, pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_attribute"
        " ON attrelid = adrelid AND attnum = adnum WHERE adrelid = $1::text::regclass",
        f"public.{name}",
    )
    defaults = dict(rows)
    check(defaults.pop("_id", "").startswith("nextval("), "_id has no nextval default")
    plain = {column: text.partition("::")[0].strip("'") for column, text in defaults.items()}
    same(plain, TABLES[name].defaults, "defaults")


@table({name: name for name in ENUMS}, **DB)
async def enums(t, name):
    """Storage 1: the enums and the order of their values."""
    database = await t.database()
    rows = await database.rows(
        "SELECT enumlabel::text FROM pg_enum WHERE enumtypid = $1::text::regtype"
        " ORDER BY enumsortorder",
        f"public.{name}",
    )
    same([label for (label,) in rows], ENUMS[name], "values")


@case(**DB)
async def nothing_of_ours_in_public(t):
    """Storage 1: no function, view, trigger or type of our own beside the tables of the contract."""
    database = await t.database()
    rows = await database.rows(
        "SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        " UNION ALL SELECT 'relation ' || relname FROM pg_class WHERE relkind IN ('v', 'm', 'f')"
        "  AND relnamespace = 'public'::regnamespace"
        " UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger JOIN pg_class ON tgrelid ="
        "  pg_class.oid WHERE relnamespace = 'public'::regnamespace AND NOT tgisinternal"
        " UNION ALL SELECT 'rule ' || rulename FROM pg_rules WHERE schemaname = 'public'"
        " UNION ALL SELECT 'policy ' || polname FROM pg_policy"
        " UNION ALL SELECT 'enum ' || typname FROM pg_type WHERE typtype IN ('e', 'd')"
        "  AND typnamespace = 'public'::regnamespace AND typname <> ALL($1::text[])",
        list(ENUMS),
    )
    same(rows, [], "what else lives in the schema public")


@case(**DB)
async def further_indexes_have_a_prefix(t):
    """Storage 1: indexes of our own have a prefix of their own and forbid nothing."""
    database = await t.database()
    rows = await database.rows(
        "SELECT relname::text, indisunique FROM pg_index JOIN pg_class ON oid = indexrelid"
        " WHERE relnamespace = 'public'::regnamespace AND NOT EXISTS"
        " (SELECT FROM pg_constraint WHERE conindid = indexrelid)"
    )
    names = [name for name, _ in rows]
    if len(names) > 1:
        prefix = os.path.commonprefix(names)
        check(len(prefix) >= 3, f"no common prefix: {names}")
    same([name for name, unique in rows if unique], [], "unique indexes")


@case(**DB)
async def names_of_the_late_foreign_keys(t):
    """Storage 1: two foreign keys of user_ are named, because they come after device."""
    database = await t.database()
    rows = await database.rows(
        "SELECT conname::text FROM pg_constraint WHERE conrelid = 'public.user_'::regclass"
        " AND conname LIKE 'fk_user_device%' ORDER BY 1"
    )
    same(
        [name for (name,) in rows],
        ["fk_user_device_revoked_user_certifier", "fk_user_device_user_certifier"],
        "constraints",
    )


@case(**DB)
async def migrations(t):
    """Storage 1: numbers 2 to 5 are recorded by number and name."""
    database = await t.database()
    rows = await database.rows("SELECT _id, name, applied <= now() FROM migration ORDER BY _id")
    want = ["add_migration_table", "human_handle", "invite", "redacted_certificates"]
    same(rows, [(number, name, True) for number, name in enumerate(want, 2)], "migrations")


# --- The rows of an organization ------------------------------------------------------------------

PUBLIC = {  # what stands for a reference
    "organization": "organization_id", "human": "email", "user_": "user_id",
    "device": "device_id", "realm": "realm_id",
    "vlob_encryption_revision": "encryption_revision",
    "vlob_atom": "vlob_id::text || '/' || version",
}
OWN_ORGANIZATION = "organization = (SELECT _id FROM public.organization WHERE organization_id = $1)"
ABOUT_NOW = Any("about now", lambda value: abs(value - now()) < timedelta(minutes=2))


def select(name):
    """The query of all rows of one organization, references replaced by what clients know."""
    one = TABLES[name]
    columns = []
    for column in one.columns:
        if column in one.references:
            other = one.references[column]
            columns.append(
                f'(SELECT {PUBLIC[other]} FROM public.{other} AS o WHERE o._id = r."{column}")'
                f' AS "{column}"'
            )
        elif column != "_id":
            columns.append(f'r."{column}"')
    if "organization" in one.columns:
        where = OWN_ORGANIZATION
    elif "realm" in one.columns:
        where = f"realm IN (SELECT _id FROM public.realm WHERE {OWN_ORGANIZATION})"
    else:
        where = "organization_id = $1"
    return f"SELECT {', '.join(columns)} FROM public.{name} AS r WHERE {where} ORDER BY r._id"


async def rows_of(t, organization, name):
    """The rows of that table, without _id and organization, in the order they were made."""
    database = await t.database()
    rows = []
    for row in await database.connection.fetch(select(name), organization.id):
        row = dict(row)
        if "organization" in row:
            same(row.pop("organization"), organization.id, "organization")
        rows.append(row)
    return rows


async def has_rows(t, organization, name, *want):
    got = await rows_of(t, organization, name)
    same(len(got), len(want), f"number of rows of {name}")
    for number, (row, wanted) in enumerate(zip(got, want)):
        same(sorted(row), sorted(wanted), f"columns of {name}")
        for column, value in wanted.items():
            same(row[column], value, f"{name}.{column} of row {number}")


def human_row(email, label):
    return {"email": email, "label": label}


def user_row(device, timestamp, certifier, **changes):
    return {
        "user_id": device.user_id,
        "user_certificate": device.certificates["user_certificate"],
        "redacted_user_certificate": device.certificates["redacted_user_certificate"],
        "user_certifier": certifier,
        "created_on": timestamp,
        "revoked_on": None,
        "revoked_user_certificate": None,
        "revoked_user_certifier": None,
        "human": device.human_handle and device.human_handle[0],
        "profile": device.profile,
        **changes,
    }


def device_row(device, timestamp, certifier, **changes):
    return {
        "user_": device.user_id,
        "device_id": device.id,
        "device_certificate": device.certificates["device_certificate"],
        "redacted_device_certificate": device.certificates["redacted_device_certificate"],
        "device_certifier": certifier,
        "created_on": timestamp,
        "device_label": device.label,
        **changes,
    }


# --- Organizations --------------------------------------------------------------------------------


@case(**DB)
async def rows_of_organization_create(t):
    """Storage 1, 7.1: organization: token and date; creating anew replaces both."""
    organization = t.new_organization()
    date = now() + timedelta(days=3)
    for fields in ({}, {"expiration_date": date}, {"expiration_date": None}):
        row = {
            "organization_id": organization.id,
            "bootstrap_token": await organization.create(**fields),
            "root_verify_key": None,
            "expiration_date": fields.get("expiration_date"),
        }
        await has_rows(t, organization, "organization", row)
    for name in ("user_", "device", "human"):
        await has_rows(t, organization, name)


@case(**DB)
async def rows_of_organization_update(t):
    """Storage 1, 7.1: organization_update changes the date, null removes it."""
    organization = await t.organization()
    admin = await t.administration()
    for date in (now() + timedelta(days=3), None, now() - timedelta(days=3)):
        reply = await admin.call(
            "organization_update", organization_id=organization.id, expiration_date=date
        )
        expect_ok(reply)
        (row,) = await rows_of(t, organization, "organization")
        same(row["expiration_date"], date, "expiration_date")
        same(row["root_verify_key"], organization.root_verify_key, "root_verify_key")


@case(**DB)
async def rows_of_organization_bootstrap(t):
    """Storage 1, 7.2: root key, first human, user and device, certified by nobody."""
    organization = t.new_organization()
    bootstrap_token = await organization.create()
    first = organization.new_device(
        "alice@dev1", profile="ADMIN", human_handle=["a@b.c", "Alice"], label="Laptop ✓"
    )
    stamp = now() - timedelta(minutes=3)
    fields = organization.bootstrap_fields(first, bootstrap_token, timestamp=stamp)
    anonymous = await organization.connect_anonymous()
    expect_ok(await anonymous.call("organization_bootstrap", **fields))
    organization.adopt(first, fields)
    await has_rows(t, organization, "organization", {
        "organization_id": organization.id,
        "bootstrap_token": bootstrap_token,
        "root_verify_key": organization.root_verify_key,
        "expiration_date": None,
    })
    await has_rows(t, organization, "human", human_row("a@b.c", "Alice"))
    await has_rows(t, organization, "user_", user_row(first, stamp, None))
    await has_rows(t, organization, "device", device_row(first, stamp, None))


@case(**DB)
async def rows_of_a_bootstrap_without_redacted_certificates(t):
    """7.2: the plain certificates serve as the redacted ones."""
    organization = t.new_organization()
    bootstrap_token = await organization.create()
    first = organization.new_device("alice@dev1", profile="ADMIN")
    fields = organization.bootstrap_fields(first, bootstrap_token)
    fields = {name: value for name, value in fields.items() if "redacted" not in name}
    anonymous = await organization.connect_anonymous()
    expect_ok(await anonymous.call("organization_bootstrap", **fields))
    (user,) = await rows_of(t, organization, "user_")
    (device,) = await rows_of(t, organization, "device")
    same(user["redacted_user_certificate"], fields["user_certificate"], "redacted user")
    same(device["redacted_device_certificate"], fields["device_certificate"], "redacted device")
    same((user["human"], device["device_label"]), (None, None), "human and label")
    await has_rows(t, organization, "human")


# --- Users and devices ----------------------------------------------------------------------------


@table({"ADMIN": "ADMIN", "STANDARD": "STANDARD", "OUTSIDER": "OUTSIDER"}, **DB)
async def rows_of_user_create(t, profile):
    """Storage 1, 4.4: human, user_ and device, with the author as certifier."""
    alice = await t.alice()
    stamp = now() - timedelta(minutes=2)
    bob = await alice.add_user("bob", profile, timestamp=stamp)
    organization = alice.organization
    (first_user, second_user) = await rows_of(t, organization, "user_")
    (first_device, second_device) = await rows_of(t, organization, "device")
    same(second_user, user_row(bob, stamp, "alice@dev1"), "row of user_")
    same(second_device, device_row(bob, stamp, "alice@dev1"), "row of device")
    same(first_user["user_id"], "alice", "first user")
    same(first_device["device_id"], "alice@dev1", "first device")
    await has_rows(
        t, organization, "human",
        human_row("alice@example.com", "Alice"), human_row("bob@example.com", "Bob"),
    )


@case(**DB)
async def rows_of_a_user_without_human(t):
    """Storage 1, 4.4: without a human handle there is no human."""
    alice = await t.alice()
    stamp = now()
    bob = await alice.add_user("bob", human=None, timestamp=stamp)
    (_, user) = await rows_of(t, alice.organization, "user_")
    same(user, user_row(bob, stamp, "alice@dev1"), "row of user_")
    same(user["human"], None, "human")
    await has_rows(t, alice.organization, "human", human_row("alice@example.com", "Alice"))


@case(**DB)
async def a_human_is_stored_once(t):
    """4.4: a human is stored once per (organization, email); the first label wins."""
    alice = await t.alice()
    await alice.add_user("bob", human=["bob@example.com", "Bob"])
    await alice.revoke("bob")
    await alice.add_user("bobby", human=["bob@example.com", "Bobby"])
    await has_rows(
        t, alice.organization, "human",
        human_row("alice@example.com", "Alice"), human_row("bob@example.com", "Bob"),
    )
    users = await rows_of(t, alice.organization, "user_")
    same([user["human"] for user in users[1:]], ["bob@example.com"] * 2, "humans")


@case(**DB)
async def refused_users_leave_nothing(t):
    """4.4: a user_create that is refused stores nothing, also no human."""
    alice = await t.alice()
    await alice.add_user("bob")
    for device_id, human in (
        ("bob@other", ["new@example.com", "New"]), ("bill@dev1", ["bob@example.com", "Bill"])
    ):
        new = alice.organization.new_device(device_id, human_handle=human)
        made = user_certificates(alice.device, new)
        expect(await alice.call("user_create", **made), "already_exists")
    for name in ("user_", "device", "human"):
        same(len(await rows_of(t, alice.organization, name)), 2, f"rows of {name}")


@case(**DB)
async def rows_of_user_revoke(t):
    """Storage 1, 4.4: revocation date, certificate and certifier; the rest stays."""
    alice = await t.alice()
    created, revoked = now() - timedelta(minutes=2), now() - timedelta(minutes=1)
    bob = await alice.add_user("bob", timestamp=created)
    certificate = alice.revocation("bob", revoked)
    expect_ok(await alice.call("user_revoke", revoked_user_certificate=certificate))
    want = user_row(
        bob, created, "alice@dev1", revoked_on=revoked, revoked_user_certificate=certificate,
        revoked_user_certifier="alice@dev1",
    )
    same((await rows_of(t, alice.organization, "user_"))[1], want, "row of user_")
    same(len(await rows_of(t, alice.organization, "device")), 2, "devices")


@case(**DB)
async def rows_of_device_create(t):
    """Storage 1, 4.4: device: certified by the author, plain and redacted certificate, label."""
    alice = await t.alice()
    device = await alice.add_device("dev2")
    row = (await rows_of(t, alice.organization, "device"))[1]
    same(row, device_row(device, ABOUT_NOW, "alice@dev1"), "row of device")


@case(**DB)
async def rows_of_v1_users_and_devices(t):
    """Storage 1, 7.3: the invitations of API v1, and users whose one certificate serves twice."""
    organization = await t.organization()
    alice = await organization.connect(organization.alice, version=1)
    kept = {"creator": "alice@dev1", "created_on": ABOUT_NOW}
    for _ in range(2):
        for kind, fields in (
            ("user", {"user_id": "zack"}), ("device", {"invited_device_name": "dev9"})
        ):
            await alice.send_request(f"{kind}_invite", **fields)

            async def is_there():
                return await rows_of(t, organization, f"{kind}_invitation")

            await eventually(is_there, f"the invitation of a {kind}")
        await has_rows(t, organization, "user_invitation", {"user_id": "zack", **kept})
        await has_rows(t, organization, "device_invitation", {"device_id": "alice@dev9", **kept})
    expect_ok(await alice.call("user_cancel_invitation", user_id="zack"))
    expect_ok(await alice.call("device_cancel_invitation", invited_device_name="dev9"))
    await has_rows(t, organization, "user_invitation")
    await has_rows(t, organization, "device_invitation")

    new = organization.new_device("zack@dev1")
    made = user_certificates(alice.device, new)
    names = ("user_certificate", "device_certificate")
    expect_ok(await alice.call("user_create", **{name: made[name] for name in names}))
    same_twice = {**made, **{f"redacted_{name}": made[name] for name in names}}
    organization.adopt(new, same_twice)
    same(
        (await rows_of(t, organization, "user_"))[1], user_row(new, ABOUT_NOW, "alice@dev1"),
        "row of user_",
    )
    same(
        (await rows_of(t, organization, "device"))[1], device_row(new, ABOUT_NOW, "alice@dev1"),
        "row of device",
    )


# --- Realms, messages, vlobs, blocks --------------------------------------------------------------


def role_row(realm_id, user_id, role, certificate, timestamp, author="alice@dev1"):
    return {
        "realm": realm_id, "user_": user_id, "role": role, "certificate": certificate,
        "certified_by": author, "certified_on": timestamp,
    }


def realm_row(realm_id, revision=1, by=None, on=None):
    return {
        "realm_id": realm_id, "encryption_revision": revision, "maintenance_started_by": by,
        "maintenance_started_on": on, "maintenance_type": by and "REENCRYPTION",
    }


def atom_row(revision, vlob_id, version, blob, timestamp, author="alice@dev1"):
    return {
        "vlob_encryption_revision": revision, "vlob_id": vlob_id, "version": version,
        "blob": blob, "size": len(blob), "author": author, "created_on": timestamp,
        "deleted_on": None,
    }


@case(**DB)
async def rows_of_realm_create(t):
    """Storage 1, 4.5: realm, its first role, its first encryption revision."""
    alice = await t.alice()
    realm_id, stamp = uuid4(), now() - timedelta(minutes=1)
    certificate = alice.role(realm_id, "alice", "OWNER", stamp)
    expect_ok(await alice.call("realm_create", role_certificate=certificate))
    organization = alice.organization
    await has_rows(t, organization, "realm", realm_row(realm_id))
    await has_rows(
        t, organization, "realm_user_role",
        role_row(realm_id, "alice", "OWNER", certificate, stamp),
    )
    await has_rows(
        t, organization, "vlob_encryption_revision",
        {"realm": realm_id, "encryption_revision": 1},
    )
    await has_rows(t, organization, "realm_vlob_update")


@case(**DB)
async def rows_of_realm_update_roles(t):
    """Storage 1, 4.5: one more row for each change, null for a removal; messages from number 1."""
    alice, _bob = await t.pair()
    realm_id = await alice.create_realm()
    roles, sent = [], []
    for number, role in enumerate(("READER", "MANAGER", None, "OWNER"), 1):
        stamp = now()
        certificate = alice.role(realm_id, "bob", role, stamp)
        body = b"%d" % number
        reply = await alice.call(
            "realm_update_roles", role_certificate=certificate, recipient_message=body
        )
        expect_ok(reply)
        roles.append(role_row(realm_id, "bob", role, certificate, stamp))
        sent.append({
            "recipient": "bob", "timestamp": stamp, "index": number, "sender": "alice@dev1",
            "body": body,
        })
    (_, *got) = await rows_of(t, alice.organization, "realm_user_role")
    same(got, roles, "rows of realm_user_role")
    await has_rows(t, alice.organization, "message", *sent)


@case(**DB)
async def rows_of_vlobs(t):
    """Storage 1, 4.6: one atom for each version with the client's timestamp, and the update log."""
    alice = await t.alice()
    realm_id, other_realm = await alice.create_realm(), await alice.create_realm()
    start = now() - timedelta(minutes=5)
    stamps = [start + timedelta(seconds=number) for number in range(3)]
    vlob_id = await alice.create_vlob(realm_id, b"one", timestamp=stamps[0])
    await alice.update_vlob(vlob_id, 2, b"", timestamp=stamps[1])
    elsewhere = await alice.create_vlob(other_realm, b"x", timestamp=stamps[1])
    await alice.update_vlob(vlob_id, 3, bytes(1000), timestamp=stamps[2])
    await has_rows(
        t, alice.organization, "vlob_atom",
        atom_row(1, vlob_id, 1, b"one", stamps[0]),
        atom_row(1, vlob_id, 2, b"", stamps[1]),
        atom_row(1, elsewhere, 1, b"x", stamps[1]),
        atom_row(1, vlob_id, 3, bytes(1000), stamps[2]),
    )
    await has_rows(
        t, alice.organization, "realm_vlob_update",
        {"realm": realm_id, "index": 1, "vlob_atom": f"{vlob_id}/1"},
        {"realm": realm_id, "index": 2, "vlob_atom": f"{vlob_id}/2"},
        {"realm": other_realm, "index": 1, "vlob_atom": f"{elsewhere}/1"},
        {"realm": realm_id, "index": 3, "vlob_atom": f"{vlob_id}/3"},
    )


@case(**DB)
async def refused_vlobs_leave_nothing(t):
    """4.6: a refused write leaves neither atom nor update."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    vlob_id = await alice.create_vlob(realm_id)
    expect(await alice.try_update_vlob(vlob_id, 3), "bad_version")
    expect(await alice.try_update_vlob(vlob_id, 2, revision=2), "bad_encryption_revision")
    for name in ("vlob_atom", "realm_vlob_update"):
        same(len(await rows_of(t, alice.organization, name)), 1, f"rows of {name}")


@case(**DB)
async def rows_of_a_reencryption(t):
    """Storage 1, 4.5, 4.6: maintenance columns, a second revision, copies that keep their author."""
    alice, bob, realm_id = await t.realm_pair("CONTRIBUTOR")
    organization = alice.organization
    stamps = [now() - timedelta(minutes=number) for number in (5, 4, 3)]
    vlob_id = await alice.create_vlob(realm_id, b"one", timestamp=stamps[0])
    await bob.update_vlob(vlob_id, 2, b"two", timestamp=stamps[1])
    old = [
        atom_row(1, vlob_id, 1, b"one", stamps[0]),
        atom_row(1, vlob_id, 2, b"two", stamps[1], "bob@dev1"),
    ]
    updates = await rows_of(t, organization, "realm_vlob_update")
    reply = await alice.call(
        "realm_start_reencryption_maintenance", realm_id=realm_id, encryption_revision=2,
        timestamp=stamps[2], per_participant_message={"alice": b"a", "bob": b"b"},
    )
    expect_ok(reply)
    await has_rows(t, organization, "realm", realm_row(realm_id, 2, "alice@dev1", stamps[2]))
    await has_rows(
        t, organization, "vlob_encryption_revision",
        *({"realm": realm_id, "encryption_revision": revision} for revision in (1, 2)),
    )
    got = await rows_of(t, organization, "message")
    got.sort(key=lambda row: row["recipient"])
    same(
        got,
        [
            {"recipient": name, "timestamp": stamps[2], "index": 1, "sender": "alice@dev1",
             "body": body}
            for name, body in (("alice", b"a"), ("bob", b"b"))
        ],
        "rows of message",
    )

    batch = [
        {"vlob_id": vlob_id, "version": number, "blob": b"new%d" % number} for number in (1, 2)
    ]
    for _ in range(2):  # the second time changes nothing
        reply = await alice.call(
            "vlob_maintenance_save_reencryption_batch", realm_id=realm_id, encryption_revision=2,
            batch=batch,
        )
        expect_ok(reply, total=2, done=2)
    await alice.finish_reencryption(realm_id)
    await has_rows(t, organization, "realm", realm_row(realm_id, 2))
    new = [
        atom_row(2, vlob_id, 1, b"new1", stamps[0]),
        atom_row(2, vlob_id, 2, b"new2", stamps[1], "bob@dev1"),
    ]
    got = await rows_of(t, organization, "vlob_atom")
    got.sort(key=lambda row: (row["vlob_encryption_revision"], row["version"]))
    same(got, old + new, "rows of vlob_atom")
    same(await rows_of(t, organization, "realm_vlob_update"), updates, "update log")

    await bob.update_vlob(vlob_id, 3, b"three", revision=2)
    last = (await rows_of(t, organization, "realm_vlob_update"))[-1]
    same(last, {"realm": realm_id, "index": 3, "vlob_atom": f"{vlob_id}/3"}, "last update")


@case(**DB)
async def rows_of_block_create(t):
    """Storage 1, 4.7: block with size and the server's time; with --blockstore POSTGRESQL its data."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    block_id, empty_id = uuid4(), uuid4()
    await alice.create_block(realm_id, b"\x00data", block_id)
    await alice.create_block(realm_id, b"", empty_id)
    await has_rows(t, alice.organization, "block", *(
        {"block_id": one, "realm": realm_id, "author": "alice@dev1", "size": size,
         "created_on": ABOUT_NOW, "deleted_on": None}
        for one, size in ((block_id, 5), (empty_id, 0))
    ))
    stored = await rows_of(t, alice.organization, "block_data")
    want = [
        {"organization_id": alice.organization.id, "block_id": one, "data": data}
        for one, data in ((block_id, b"\x00data"), (empty_id, b""))
    ]
    check(stored in ([], want), f"rows of block_data: {stored}")


# --- Invitations ----------------------------------------------------------------------------------


def invitation_row(token, kind, email=None, **changes):
    return {
        "token": token, "type": kind, "greeter": "alice", "claimer_email": email,
        "created_on": ABOUT_NOW, "deleted_on": None, "deleted_reason": None,
        "conduit_state": "1_WAIT_PEERS", "conduit_greeter_payload": None,
        "conduit_claimer_payload": None, **changes,
    }


@table({reason: reason for reason in ENUMS["invitation_deleted_reason"]}, **DB)
async def rows_of_invitations(t, reason):
    """Storage 1, 5.1: invitation: one row each, kept with date and reason when deleted."""
    alice = await t.alice()
    user_token = await alice.invite("USER", "zack@example.com")
    same(await alice.invite("USER", "zack@example.com"), user_token, "token of the same invitation")
    device_token = await alice.invite("DEVICE")
    device = invitation_row(device_token, "DEVICE")
    await has_rows(
        t, alice.organization, "invitation",
        invitation_row(user_token, "USER", "zack@example.com"), device,
    )
    expect_ok(await alice.call("invite_delete", token=user_token, reason=reason))
    again = await alice.invite("USER", "zack@example.com")
    await has_rows(
        t, alice.organization, "invitation",
        invitation_row(
            user_token, "USER", "zack@example.com", deleted_on=ABOUT_NOW, deleted_reason=reason
        ),
        device,
        invitation_row(again, "USER", "zack@example.com"),
    )


@case(**DB)
async def conduit_columns(t):
    """Storage 1, 5.3: the state and the two payloads of the conduit stand in the row."""
    alice = await t.alice()
    organization = alice.organization
    token = await alice.invite()
    claimer = await organization.connect_invited(token, "DEVICE")

    async def conduit():
        (row,) = await rows_of(t, organization, "invitation")
        names = ("state", "greeter_payload", "claimer_payload")
        return tuple(row[f"conduit_{name}"] for name in names)

    async def reaches(*want):
        async def there():
            return await conduit() == want

        await eventually(there, f"conduit {want}")

    async def meet(first, second, *talking):
        """first waits, the row shows it; then second comes and both are answered."""
        waiting = aside(first[0], first[1], **first[2])
        await reaches(*talking)
        insist(await second[0].call(second[1], **second[2]), second[1])
        insist(await waiting, first[1])

    greeter, t1 = alice, {"token": token}
    await reaches("1_WAIT_PEERS", None, None)
    await meet(
        (claimer, "invite_1_claimer_wait_peer", {"claimer_public_key": b"c" * 32}),
        (greeter, "invite_1_greeter_wait_peer", {"greeter_public_key": b"g" * 32, **t1}),
        "1_WAIT_PEERS", None, b"c" * 32,
    )
    await reaches("2_1_CLAIMER_HASHED_NONCE", None, None)
    hashing = aside(claimer, "invite_2a_claimer_send_hashed_nonce", claimer_hashed_nonce=b"hash")
    await reaches("2_1_CLAIMER_HASHED_NONCE", None, b"hash")
    reply = await greeter.call("invite_2a_greeter_get_hashed_nonce", **t1)
    expect_ok(reply, claimer_hashed_nonce=b"hash")
    await reaches("2_2_GREETER_NONCE", None, b"")
    sending = aside(greeter, "invite_2b_greeter_send_nonce", greeter_nonce=b"gn", **t1)
    expect_ok(await hashing, greeter_nonce=b"gn")
    await reaches("2_3_CLAIMER_NONCE", b"", None)
    expect_ok(await claimer.call("invite_2b_claimer_send_nonce", claimer_nonce=b"cn"))
    expect_ok(await sending, claimer_nonce=b"cn")
    await reaches("3_1_CLAIMER_TRUST", None, None)
    await meet(
        (greeter, "invite_3a_greeter_wait_peer_trust", t1),
        (claimer, "invite_3a_claimer_signify_trust", {}),
        "3_1_CLAIMER_TRUST", b"", None,
    )
    await meet(
        (claimer, "invite_3b_claimer_wait_peer_trust", {}),
        (greeter, "invite_3b_greeter_signify_trust", t1),
        "3_2_GREETER_TRUST", None, b"",
    )
    await reaches("4_COMMUNICATE", None, None)
    for text in (b"1", b""):
        await meet(
            (greeter, "invite_4_greeter_communicate", {"payload": text, **t1}),
            (claimer, "invite_4_claimer_communicate", {"payload": b"c"}),
            "4_COMMUNICATE", text, None,
        )
        await reaches("4_COMMUNICATE", None, None)


# --- Rows that another server wrote ---------------------------------------------------------------


class Foreign:
    """Another server of the deployment: it writes rows the plain way, counting without a lock."""

    def __init__(self, database, organization):
        self.database, self.organization = database, organization

    @classmethod
    async def of(cls, t, organization):
        return cls(await t.database(), organization)

    async def key(self, name, public):
        return await self.database.value(
            f"SELECT _id FROM {name} WHERE {PUBLIC[name]} = $2 AND {OWN_ORGANIZATION}",
            self.organization.id, public,
        )

    async def organization_key(self):
        return await self.database.value(
            "SELECT _id FROM organization WHERE organization_id = $1", self.organization.id
        )

    async def message(self, recipient, sender, body, timestamp, index=None):
        await self.database.execute(
            "INSERT INTO message (organization, recipient, timestamp, index, sender, body)"
            " SELECT $1, $2, $3, COALESCE($6, count(*) + 1), $4, $5 FROM message"
            " WHERE recipient = $2",
            await self.organization_key(), await self.key("user_", recipient), timestamp,
            await self.key("device", sender), body, index,
        )

    async def vlob_version(self, realm_id, vlob_id, version, blob, timestamp, author, revision=1):
        realm = await self.key("realm", realm_id)
        async with self.database.connection.transaction():
            atom = await self.database.value(
                "INSERT INTO vlob_atom (organization, vlob_encryption_revision, vlob_id, version,"
                " blob, size, author, created_on)"
                " SELECT $1, _id, $4, $5, $6, $7, $8, $9 FROM vlob_encryption_revision"
                " WHERE realm = $2 AND encryption_revision = $3 RETURNING _id",
                await self.organization_key(), realm, revision, vlob_id, version, blob, len(blob),
                await self.key("device", author), timestamp,
            )
            await self.database.execute(
                "INSERT INTO realm_vlob_update (realm, index, vlob_atom) SELECT $1,"
                " COALESCE(MAX(index), 0) + 1, $2 FROM realm_vlob_update WHERE realm = $1",
                realm, atom,
            )

    async def role(self, realm_id, user_id, role, certificate, timestamp, author):
        await self.database.execute(
            "INSERT INTO realm_user_role (realm, user_, role, certificate, certified_by,"
            " certified_on) VALUES ($1, $2, $3::text::realm_role, $4, $5, $6)",
            await self.key("realm", realm_id), await self.key("user_", user_id), role, certificate,
            await self.key("device", author), timestamp,
        )


@case(**DB)
async def foreign_messages_are_served(t):
    """Storage 1, 4.3: messages of another server are read, and counted by the next of ours."""
    alice, bob, realm_id = await t.realm_pair(None)
    foreign = await Foreign.of(t, alice.organization)
    stamp = now()
    await foreign.message("bob", "alice@dev1", b"foreign", stamp)
    await alice.share(realm_id, "bob", "READER", message=b"ours")
    await foreign.message("bob", "alice@dev1", b"foreign again", stamp)
    reply = await bob.call("message_get", offset=0)
    expect_ok(reply, messages=[
        {"count": 1, "sender": "alice@dev1", "timestamp": stamp, "body": b"foreign"},
        {"count": 2, "sender": "alice@dev1", "timestamp": ANY, "body": b"ours"},
        {"count": 3, "sender": "alice@dev1", "timestamp": stamp, "body": b"foreign again"},
    ])


@case(**DB)
async def foreign_messages_with_equal_numbers(t):
    """Storage 1, 4.3: where servers raced, index is not unique: message_get numbers all the same."""
    alice, bob = await t.pair()
    foreign = await Foreign.of(t, alice.organization)
    bodies = [b"a", b"b", b"c", b"d"]
    for index, body in zip((1, 1, 3, 3), bodies):
        await foreign.message("bob", "alice@dev1", body, now(), index)
    for start in range(5):
        reply = insist(await bob.call("message_get", offset=start), "message_get")
        got = [(message["count"], message["body"]) for message in reply["messages"]]
        same(got, list(enumerate(bodies, 1))[start:], f"messages after {start}")


@case(**DB)
async def foreign_vlobs_are_served(t):
    """Storage 1, 4.6: versions of another server are read, and our next ones follow them."""
    alice, bob, realm_id = await t.realm_pair("CONTRIBUTOR")
    foreign = await Foreign.of(t, alice.organization)
    vlob_id, stamp = uuid4(), now() - timedelta(minutes=1)
    await foreign.vlob_version(realm_id, vlob_id, 1, b"foreign", stamp, "bob@dev1")
    await alice.update_vlob(vlob_id, 2, b"ours")
    await foreign.vlob_version(realm_id, vlob_id, 3, b"foreign 3", now(), "bob@dev1")
    expect(await alice.try_update_vlob(vlob_id, 3), "bad_version")
    await bob.update_vlob(vlob_id, 4, b"ours 4")
    expect_ok(
        await alice.call("vlob_read", encryption_revision=1, vlob_id=vlob_id, version=1),
        version=1, blob=b"foreign", author="bob@dev1", timestamp=stamp,
    )
    reply = await bob.call("vlob_poll_changes", realm_id=realm_id, last_checkpoint=0)
    expect_ok(reply, changes={vlob_id: 4}, current_checkpoint=4)


@case(**DB)
async def foreign_roles_count_at_once(t):
    """Storage 1, design 4: a right given or withdrawn by another server holds for the next command."""
    alice, bob, realm_id = await t.realm_pair(None)
    vlob_id = await alice.create_vlob(realm_id)
    foreign = await Foreign.of(t, alice.organization)
    read = {"encryption_revision": 1, "vlob_id": vlob_id}
    for role, status in ((None, "not_allowed"), ("READER", "ok"), (None, "not_allowed")):
        stamp = now()
        certificate = alice.role(realm_id, "bob", role, stamp)
        await foreign.role(realm_id, "bob", role, certificate, stamp, "alice@dev1")
        same((await bob.call("vlob_read", **read))["status"], status, f"status as {role}")


@case(**DB)
async def foreign_maintenance_counts_at_once(t):
    """Storage 1, 4.6: a maintenance started by another server holds for the next command."""
    alice = await t.alice()
    realm_id = await alice.create_realm()
    vlob_id = await alice.create_vlob(realm_id)
    foreign = await Foreign.of(t, alice.organization)
    realm = await foreign.key("realm", realm_id)
    async with foreign.database.connection.transaction():
        await foreign.database.execute(
            "UPDATE realm SET encryption_revision = 2, maintenance_type = 'REENCRYPTION',"
            " maintenance_started_on = now(), maintenance_started_by = $2 WHERE _id = $1",
            realm, await foreign.key("device", "alice@dev1"),
        )
        await foreign.database.execute(
            "INSERT INTO vlob_encryption_revision (realm, encryption_revision) VALUES ($1, 2)",
            realm,
        )
    expect(await alice.try_update_vlob(vlob_id, 2), "in_maintenance")
    same((await save_all(alice, realm_id))["done"], 1, "done")
    await alice.finish_reencryption(realm_id)
    await alice.update_vlob(vlob_id, 2, revision=2)


@case(**DB)
async def foreign_users_connect(t):
    """Storage 1, 2.2: a user that another server stored connects here."""
    alice = await t.alice()
    organization = alice.organization
    foreign = await Foreign.of(t, organization)
    new = organization.new_device("zoe@dev1", human_handle=["zoe@example.com", "Zoé"], label="x")
    made = user_certificates(alice.device, new)
    key, certifier = await foreign.organization_key(), await foreign.key("device", "alice@dev1")
    async with foreign.database.connection.transaction():
        await foreign.database.execute(
            "WITH h AS (INSERT INTO human (organization, email, label)"
            "  VALUES ($1, 'zoe@example.com', 'Zoé') RETURNING _id),"
            " u AS (INSERT INTO user_ (organization, user_id, user_certificate,"
            "  redacted_user_certificate, user_certifier, created_on, human, profile)"
            "  SELECT $1, 'zoe', $2, $3, $4, $5, _id, 'OUTSIDER' FROM h RETURNING _id)"
            " INSERT INTO device (organization, user_, device_id, device_certificate,"
            "  redacted_device_certificate, device_certifier, created_on, device_label)"
            "  SELECT $1, _id, 'zoe@dev1', $6, $7, $4, $5, 'x' FROM u",
            key, made["user_certificate"], made["redacted_user_certificate"], certifier, now(),
            made["device_certificate"], made["redacted_device_certificate"],
        )
    zoe = await organization.connect(new)
    expect_ok(await zoe.call("ping", ping="x"), pong="x")
    expect(
        await zoe.call("realm_create", role_certificate=b""), "not_allowed",
        reason="Outsider user cannot create realm",
    )
    reply = await alice.call("human_find", query="zoe")
    same(
        reply["results"],
        [{"user_id": "zoe", "human_handle": ["zoe@example.com", "Zoé"], "revoked": False}],
        "results",
    )
