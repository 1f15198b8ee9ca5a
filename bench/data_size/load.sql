-- An organization with much in it, by SQL: 1,000,000 vlobs take minutes, through the protocol hours.
-- For psql, on a migrated database that holds nothing else, with -v vlobs=… -v messages=… -v realms=…
-- Certificates are no real ones: clients could not read them, the functions do not look at them.
\set ON_ERROR_STOP on
BEGIN;
INSERT INTO organization (organization_id, bootstrap_token, root_verify_key)
VALUES ('DataSize', '', '\x00');
INSERT INTO human (organization, email, label)
SELECT o._id, name || '@example.com', name
FROM organization AS o, unnest(ARRAY['alice', 'bob']) AS name;
INSERT INTO user_ (organization, user_id, user_certificate, created_on, human,
  redacted_user_certificate, profile)
SELECT h.organization, h.label, '\x00', now(), h._id, '\x00', 'ADMIN'
FROM human AS h;
INSERT INTO device (organization, user_, device_id, device_certificate, created_on,
  redacted_device_certificate)
SELECT u.organization, u._id, u.user_id || '@d1', '\x00', now(), '\x00'
FROM user_ AS u;

CREATE TEMPORARY VIEW who AS
SELECT o._id AS organization, alice._id AS alice, bob._id AS bob, d._id AS device
FROM organization AS o
JOIN user_ AS alice ON alice.user_id = 'alice'
JOIN user_ AS bob ON bob.user_id = 'bob'
JOIN device AS d ON d.user_ = bob._id;

INSERT INTO realm (organization, realm_id, encryption_revision)
SELECT who.organization, md5('realm' || n)::uuid, 1
FROM who, generate_series(1, :realms) AS n;
INSERT INTO vlob_encryption_revision (realm, encryption_revision)
SELECT r._id, 1 FROM realm AS r ORDER BY r._id;
INSERT INTO realm_user_role (realm, user_, role, certificate, certified_by, certified_on)
SELECT r._id, who.alice, 'OWNER', '\x00', who.device, now() FROM realm AS r, who ORDER BY r._id;

-- Vlob n is in realm n modulo their number, and so on around: neighbours are of other realms.
INSERT INTO vlob_atom (organization, vlob_encryption_revision, vlob_id, version, blob, size, author,
  created_on)
SELECT who.organization, revision._id, md5('vlob' || n)::uuid, 1,
  decode(repeat(md5(n::text), 16), 'hex'), 256, who.device, now()
FROM who, generate_series(1, :vlobs) AS n
JOIN LATERAL (SELECT min(_id) + (n - 1) % :realms AS _id FROM vlob_encryption_revision)
  AS revision ON true
ORDER BY n;
INSERT INTO realm_vlob_update (realm, index, vlob_atom)
SELECT revision.realm, row_number() OVER (PARTITION BY revision._id ORDER BY atom._id), atom._id
FROM vlob_atom AS atom
JOIN vlob_encryption_revision AS revision ON revision._id = atom.vlob_encryption_revision;

INSERT INTO message (organization, recipient, timestamp, index, sender, body)
SELECT who.organization, who.alice, now(), n, who.device, decode(repeat(md5(n::text), 6), 'hex')
FROM who, generate_series(1, :messages) AS n
ORDER BY n;
INSERT INTO block (organization, block_id, realm, author, size, created_on)
SELECT who.organization, md5('block' || n)::uuid, first._id + (n - 1) % :realms, who.device, 1000,
  now()
FROM who, (SELECT min(_id) AS _id FROM realm) AS first, generate_series(1, :messages) AS n
ORDER BY n;
COMMIT;
VACUUM (ANALYZE);
