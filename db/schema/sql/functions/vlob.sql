-- Vlobs (protocol/4-commands.md §4.6). Re-encryption: maintenance.sql.
--
-- A vlob is its atoms: one row per version and encryption revision. Which realm a vlob belongs to
-- is found by its oldest atom.
--
-- Here and in the files beside it: what is found by its keys is a subquery that names all of them,
-- not a join. Plans are kept while tables grow; a join that was planned on a nearly empty table
-- may read the whole of it, a subquery has but one good index.

-- Lists a stored version in the realm's update log and tells of it. The checkpoint is MAX + 1:
-- under the realm's lock final at the first attempt, unless a server that does not lock takes the
-- same number in between. The insertion then waits for that server's commit and does nothing; with
-- the next snapshot the next number is free. notification: realm.vlobs_updated up to its key
-- realm_id; that value (msgpack ext 2), the key checkpoint and its value follow here.
CREATE OR REPLACE FUNCTION parsec_functions.vlob_log(
  realm bigint,
  realm_id uuid,
  atom bigint,
  notification bytea
)
RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  checkpoint bigint;
BEGIN
  FOR attempt IN 1 .. 16 LOOP
    INSERT INTO public.realm_vlob_update (realm, index, vlob_atom)
    -- Not max(): of a table that was small when this was planned, it would read the whole log.
    SELECT vlob_log.realm, COALESCE(last.index, 0) + 1, vlob_log.atom
    FROM (SELECT) AS always
    LEFT JOIN (
      SELECT log.index FROM public.realm_vlob_update AS log
      WHERE log.realm = vlob_log.realm
      ORDER BY log.index DESC
      LIMIT 1
    ) AS last ON true
    ON CONFLICT (realm, index) DO NOTHING
    RETURNING index INTO checkpoint;
    EXIT WHEN checkpoint IS NOT NULL;
  END LOOP;
  IF checkpoint IS NULL THEN  -- the driver tries again, for as long as that makes sense
    RAISE serialization_failure USING MESSAGE = 'other servers take every checkpoint first';
  END IF;
  PERFORM parsec_functions.notify(
    vlob_log.notification || '\xd802' || uuid_send(vlob_log.realm_id) || '\xaa' || 'checkpoint',
    checkpoint
  );
  IF checkpoint % 128 = 0 THEN
    PERFORM parsec_functions.realm_vlobs_size_advance(vlob_log.realm);
  END IF;
END
$$;

-- One vlob ID, one realm, also when two realms race for it: the ID is locked until the transaction
-- ends. A transaction that may hold the locks of several realms (alone = false) must not wait for
-- it, or two of them could wait for each other: it answers `busy`, and the command calls again in a
-- transaction of its own (alone = true), which takes the ID's lock before the realm's.
CREATE OR REPLACE FUNCTION parsec_functions.vlob_create(
  organization_id text,
  device_id text,
  realm_id uuid,
  encryption_revision bigint,
  vlob_id uuid,
  created_on timestamptz,
  blob bytea,
  notification bytea,
  alone boolean
)
RETURNS TABLE (status text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  held CONSTANT boolean := parsec_functions.hold_rights(organization_id, device_id);
  id_lock CONSTANT bigint := hashtextextended(
    vlob_create.organization_id, uuid_hash_extended(vlob_create.vlob_id, 0)
  );
  realm record;
  author record;
  atom bigint;
BEGIN
  IF vlob_create.alone THEN
    PERFORM pg_advisory_xact_lock(id_lock);
  END IF;
  SELECT r._id::bigint, r.maintenance_type, r.encryption_revision INTO realm
  FROM public.realm AS r
  WHERE r.organization = (
      SELECT o._id FROM public.organization AS o
      WHERE o.organization_id = vlob_create.organization_id
    )
    AND r.realm_id = vlob_create.realm_id
  FOR NO KEY UPDATE;

  SELECT member.*, revision._id::bigint AS revision INTO author
  FROM parsec_functions.member(vlob_create.organization_id, vlob_create.device_id, realm._id) AS member
  LEFT JOIN public.vlob_encryption_revision AS revision
    ON revision.realm = realm._id AND revision.encryption_revision = realm.encryption_revision;
  status := CASE
    WHEN author.status <> 'ok' THEN author.status
    WHEN realm._id IS NULL THEN 'realm_not_found'
    WHEN realm.maintenance_type IS NOT NULL THEN 'in_maintenance'
    WHEN realm.encryption_revision <> vlob_create.encryption_revision
      THEN 'bad_encryption_revision'
    WHEN NOT parsec_functions.may_write(author.role) THEN 'not_allowed'
    WHEN NOT vlob_create.alone AND NOT pg_try_advisory_xact_lock(id_lock) THEN 'busy'
    ELSE 'ok'
  END;
  IF status <> 'ok' THEN
    RETURN NEXT; RETURN;
  END IF;

  -- A statement of its own: its snapshot is younger than the lock.
  IF EXISTS (
    SELECT FROM public.vlob_atom AS taken
    WHERE taken.organization = author.organization AND taken.vlob_id = vlob_create.vlob_id
  ) THEN
    status := 'already_exists'; RETURN NEXT; RETURN;
  END IF;
  INSERT INTO public.vlob_atom (
    organization, vlob_encryption_revision, vlob_id, version, blob, size, author, created_on
  )
  VALUES (
    author.organization, author.revision, vlob_create.vlob_id, 1, vlob_create.blob,
    octet_length(vlob_create.blob), author.device, vlob_create.created_on
  )
  ON CONFLICT (vlob_encryption_revision, vlob_id, version) DO NOTHING
  RETURNING _id INTO atom;
  IF atom IS NULL THEN  -- by a server that does not lock, just now
    status := 'already_exists'; RETURN NEXT; RETURN;
  END IF;
  PERFORM parsec_functions.vlob_log(
    realm._id, vlob_create.realm_id, atom, vlob_create.notification
  );
  RETURN NEXT;
END
$$;

-- wanted_version, instant: null where the client names none.
CREATE OR REPLACE FUNCTION parsec_functions.vlob_read(
  organization_id text,
  device_id text,
  encryption_revision bigint,
  vlob_id uuid,
  wanted_version bigint,
  instant timestamptz
)
RETURNS TABLE (
  status text,
  realm_id uuid,
  version integer,
  blob bytea,
  author text,
  created_on timestamptz
)
LANGUAGE plpgsql STABLE ROWS 1
AS $$
#variable_conflict use_column
DECLARE
  realm record;
  reader record;
BEGIN
  SELECT r._id::bigint, r.realm_id, r.maintenance_type, r.encryption_revision INTO realm
  FROM parsec_functions.vlob_realm(vlob_read.organization_id, vlob_read.vlob_id) AS r;

  SELECT member.*, revision._id::bigint AS revision INTO reader
  FROM parsec_functions.member(vlob_read.organization_id, vlob_read.device_id, realm._id) AS member
  LEFT JOIN public.vlob_encryption_revision AS revision
    ON revision.realm = realm._id AND revision.encryption_revision = realm.encryption_revision;
  status := CASE
    WHEN reader.status <> 'ok' THEN reader.status
    WHEN realm._id IS NULL THEN 'vlob_not_found'
    WHEN realm.maintenance_type IS NOT NULL THEN 'in_maintenance'
    WHEN realm.encryption_revision <> vlob_read.encryption_revision THEN 'bad_encryption_revision'
    WHEN reader.role IS NULL THEN 'not_allowed'
    ELSE 'ok'
  END;
  IF status <> 'ok' THEN
    RETURN NEXT; RETURN;
  END IF;

  realm_id := realm.realm_id;
  IF vlob_read.wanted_version IS NOT NULL THEN
    SELECT atom.version, atom.blob,
      (SELECT d.device_id FROM public.device AS d WHERE d._id = atom.author), atom.created_on
    INTO version, blob, author, created_on
    FROM public.vlob_atom AS atom
    WHERE atom.vlob_encryption_revision = reader.revision
      AND atom.vlob_id = vlob_read.vlob_id
      AND atom.version = vlob_read.wanted_version;
  ELSE
    -- Timestamps never decrease from version to version, so from the newest down the first that
    -- is old enough is near where clients ask.
    SELECT atom.version, atom.blob,
      (SELECT d.device_id FROM public.device AS d WHERE d._id = atom.author), atom.created_on
    INTO version, blob, author, created_on
    FROM public.vlob_atom AS atom
    WHERE atom.vlob_encryption_revision = reader.revision
      AND atom.vlob_id = vlob_read.vlob_id
      AND atom.created_on <= COALESCE(vlob_read.instant, 'infinity')
    ORDER BY atom.version DESC
    LIMIT 1;
  END IF;
  IF NOT FOUND THEN
    status := 'bad_version';
  END IF;
  RETURN NEXT;
END
$$;

-- The realm of a vlob, by the oldest atom: where a server that does not lock let two realms have one
-- vlob ID, everybody agrees on the first.
CREATE OR REPLACE FUNCTION parsec_functions.vlob_realm(organization_id text, vlob_id uuid)
RETURNS TABLE (
  _id bigint,
  realm_id uuid,
  maintenance_type public.maintenance_type,
  encryption_revision integer
)
LANGUAGE sql STABLE ROWS 1
AS $$
  SELECT realm._id::bigint, realm.realm_id, realm.maintenance_type, realm.encryption_revision
  FROM public.realm AS realm
  WHERE realm._id = (
    SELECT revision.realm
    FROM public.vlob_encryption_revision AS revision
    WHERE revision._id = (
      SELECT oldest.vlob_encryption_revision
      FROM public.vlob_atom AS oldest
      WHERE oldest.organization = (
          SELECT o._id FROM public.organization AS o
          WHERE o.organization_id = vlob_realm.organization_id
        )
        AND oldest.vlob_id = vlob_realm.vlob_id
      ORDER BY oldest._id
      LIMIT 1
    )
  )
$$;

-- presumed_realm_id: the realm by which the request was routed. Transactions that lock several realms
-- lock them in one order (see db/functions/route.h); so a vlob of another realm is not
-- touched here: `elsewhere` and its realm_id, by which the command routes a second call.
CREATE OR REPLACE FUNCTION parsec_functions.vlob_update(
  organization_id text,
  device_id text,
  presumed_realm_id uuid,
  encryption_revision bigint,
  vlob_id uuid,
  version bigint,
  created_on timestamptz,
  blob bytea,
  notification bytea
)
RETURNS TABLE (status text, realm_id uuid)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  held CONSTANT boolean := parsec_functions.hold_rights(organization_id, device_id);
  realm record;
  author record;
  atom bigint;
BEGIN
  SELECT r._id::bigint, r.realm_id INTO realm
  FROM parsec_functions.vlob_realm(vlob_update.organization_id, vlob_update.vlob_id) AS r;
  realm_id := realm.realm_id;
  IF realm.realm_id <> vlob_update.presumed_realm_id THEN
    status := 'elsewhere'; RETURN NEXT; RETURN;
  END IF;

  SELECT r._id::bigint, r.maintenance_type, r.encryption_revision INTO realm
  FROM public.realm AS r
  WHERE r._id = realm._id
  FOR NO KEY UPDATE;

  SELECT member.*, revision._id::bigint AS revision, newest.version AS last_version,
    newest.created_on AS last_created_on
  INTO author
  FROM parsec_functions.member(vlob_update.organization_id, vlob_update.device_id, realm._id) AS member
  LEFT JOIN public.vlob_encryption_revision AS revision
    ON revision.realm = realm._id AND revision.encryption_revision = realm.encryption_revision
  LEFT JOIN LATERAL (
    SELECT last.version, last.created_on
    FROM public.vlob_atom AS last
    WHERE last.vlob_encryption_revision = revision._id AND last.vlob_id = vlob_update.vlob_id
    ORDER BY last.version DESC
    LIMIT 1
  ) AS newest ON true;
  status := CASE
    WHEN author.status <> 'ok' THEN author.status
    WHEN realm._id IS NULL THEN 'vlob_not_found'
    WHEN realm.maintenance_type IS NOT NULL THEN 'in_maintenance'
    WHEN realm.encryption_revision <> vlob_update.encryption_revision
      THEN 'bad_encryption_revision'
    WHEN NOT parsec_functions.may_write(author.role) THEN 'not_allowed'
    WHEN vlob_update.version IS DISTINCT FROM author.last_version::bigint + 1 THEN 'bad_version'
    WHEN vlob_update.created_on < author.last_created_on THEN 'bad_timestamp'
    ELSE 'ok'
  END;
  IF status <> 'ok' THEN
    RETURN NEXT; RETURN;
  END IF;

  INSERT INTO public.vlob_atom (
    organization, vlob_encryption_revision, vlob_id, version, blob, size, author, created_on
  )
  VALUES (
    author.organization, author.revision, vlob_update.vlob_id, vlob_update.version::integer,
    vlob_update.blob, octet_length(vlob_update.blob), author.device, vlob_update.created_on
  )
  ON CONFLICT (vlob_encryption_revision, vlob_id, version) DO NOTHING
  RETURNING _id INTO atom;
  IF atom IS NULL THEN  -- by a server that does not lock, just now
    status := 'bad_version'; RETURN NEXT; RETURN;
  END IF;
  PERFORM parsec_functions.vlob_log(realm._id, realm_id, atom, vlob_update.notification);
  RETURN NEXT;
END
$$;

-- Row 0: current_checkpoint; then one row per changed vlob. Costs as much as the log after the
-- checkpoint.
CREATE OR REPLACE FUNCTION parsec_functions.vlob_poll_changes(
  organization_id text,
  device_id text,
  realm_id uuid,
  last_checkpoint bigint
)
RETURNS TABLE (status text, current_checkpoint bigint, vlob_id uuid, version integer)
LANGUAGE plpgsql STABLE
AS $$
#variable_conflict use_column
DECLARE
  realm record;
  reader record;
BEGIN
  SELECT r._id::bigint, r.maintenance_type INTO realm
  FROM public.realm AS r
  WHERE r.organization = (
      SELECT o._id FROM public.organization AS o
      WHERE o.organization_id = vlob_poll_changes.organization_id
    )
    AND r.realm_id = vlob_poll_changes.realm_id;

  SELECT member.*, newest.index INTO reader
  FROM parsec_functions.member(
    vlob_poll_changes.organization_id, vlob_poll_changes.device_id, realm._id
  ) AS member
  LEFT JOIN (
    SELECT log.index FROM public.realm_vlob_update AS log
    WHERE log.realm = realm._id
    ORDER BY log.index DESC
    LIMIT 1
  ) AS newest ON true;
  status := CASE
    WHEN reader.status <> 'ok' THEN reader.status
    WHEN realm._id IS NULL THEN 'realm_not_found'
    WHEN realm.maintenance_type IS NOT NULL THEN 'in_maintenance'
    WHEN reader.role IS NULL THEN 'not_allowed'
    ELSE 'ok'
  END;
  current_checkpoint := GREATEST(reader.index, vlob_poll_changes.last_checkpoint);
  RETURN NEXT;
  IF status <> 'ok' OR reader.index IS NULL OR reader.index <= vlob_poll_changes.last_checkpoint THEN
    RETURN;
  END IF;

  RETURN QUERY
  SELECT NULL::text, NULL::bigint, atom.vlob_id, max(atom.version)
  FROM public.realm_vlob_update AS log
  CROSS JOIN LATERAL (
    -- LIMIT: a lookup per entry, never a join that reads the whole table.
    SELECT a.vlob_id, a.version FROM public.vlob_atom AS a WHERE a._id = log.vlob_atom LIMIT 1
  ) AS atom
  WHERE log.realm = realm._id AND log.index > vlob_poll_changes.last_checkpoint
  GROUP BY atom.vlob_id;
END
$$;

CREATE OR REPLACE FUNCTION parsec_functions.vlob_list_versions(
  organization_id text,
  device_id text,
  vlob_id uuid
)
RETURNS TABLE (
  status text,
  realm_id uuid,
  version integer,
  created_on timestamptz,
  author text
)
LANGUAGE plpgsql STABLE
AS $$
#variable_conflict use_column
DECLARE
  realm record;
  reader record;
BEGIN
  SELECT r._id::bigint, r.realm_id, r.maintenance_type, r.encryption_revision INTO realm
  FROM parsec_functions.vlob_realm(vlob_list_versions.organization_id, vlob_list_versions.vlob_id) AS r;

  SELECT member.*, revision._id::bigint AS revision INTO reader
  FROM parsec_functions.member(
    vlob_list_versions.organization_id, vlob_list_versions.device_id, realm._id
  ) AS member
  LEFT JOIN public.vlob_encryption_revision AS revision
    ON revision.realm = realm._id AND revision.encryption_revision = realm.encryption_revision;
  status := CASE
    WHEN reader.status <> 'ok' THEN reader.status
    WHEN realm._id IS NULL THEN 'vlob_not_found'
    WHEN realm.maintenance_type IS NOT NULL THEN 'in_maintenance'
    WHEN reader.role IS NULL THEN 'not_allowed'
    ELSE 'ok'
  END;
  realm_id := realm.realm_id;
  RETURN NEXT;
  IF status <> 'ok' THEN
    RETURN;
  END IF;

  RETURN QUERY
  SELECT NULL::text, NULL::uuid, atom.version, atom.created_on,
    (SELECT d.device_id::text FROM public.device AS d WHERE d._id = atom.author)
  FROM public.vlob_atom AS atom
  WHERE atom.vlob_encryption_revision = reader.revision
    AND atom.vlob_id = vlob_list_versions.vlob_id
  ORDER BY atom.version;
END
$$;
