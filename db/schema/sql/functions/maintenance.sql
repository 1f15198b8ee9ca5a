-- Re-encryption of a realm (protocol/4-commands.md §4.5, §4.6): every version of every vlob gets a
-- copy under the realm's next encryption revision, written by clients batch after batch.

-- How far the re-encryption towards a revision (vlob_encryption_revision._id) is known to be, so that
-- a batch costs what is new, not what is done. Versions are walked in the order (vlob_id, version) of
-- their unique index. The invariant: exactly `below` versions of the previous revision precede
-- (vlob_id, version), and all of them have their copy. During a maintenance nobody writes under
-- the previous revision; a server that does not lock might, a moment late: so this is an aid
-- for batches, and what finishes the maintenance is the full comparison.
-- `generation`: see 02_realm_sizes.sql.
--
-- OFFSET 0 in an EXISTS below keeps it a probe per row: as a join, the planner may walk all copies
-- from the beginning.
CREATE TABLE IF NOT EXISTS parsec_ext.reencryption (
  revision bigint PRIMARY KEY,
  generation oid NOT NULL,
  total bigint NOT NULL,
  below bigint NOT NULL,
  vlob_id uuid NOT NULL,
  version integer NOT NULL
);

-- Advances the above and returns total and done. The caller holds the realm's lock. Costs what was
-- saved since the last call and lies out of order beyond it; the first call counts the versions.
CREATE OR REPLACE FUNCTION parsec_functions.reencryption_advance(previous bigint, revision bigint)
RETURNS TABLE (total bigint, done bigint)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  known parsec_ext.reencryption;
  missing record;
  passed bigint;
BEGIN
  SELECT * INTO known
  FROM parsec_ext.reencryption AS r
  WHERE r.revision = reencryption_advance.revision
    AND r.generation = pg_relation_filenode('public.vlob_atom');
  IF NOT FOUND THEN
    known.revision := reencryption_advance.revision;
    known.generation := pg_relation_filenode('public.vlob_atom');
    known.below := 0;
    known.vlob_id := '00000000-0000-0000-0000-000000000000';
    known.version := 0;
    SELECT count(*) INTO known.total
    FROM public.vlob_atom AS old
    WHERE old.vlob_encryption_revision = reencryption_advance.previous;
  END IF;

  SELECT old.vlob_id, old.version INTO missing
  FROM public.vlob_atom AS old
  WHERE old.vlob_encryption_revision = reencryption_advance.previous
    AND (old.vlob_id, old.version) >= (known.vlob_id, known.version)
    AND NOT EXISTS (
      SELECT FROM public.vlob_atom AS copy
      WHERE copy.vlob_encryption_revision = reencryption_advance.revision
        AND copy.vlob_id = old.vlob_id
        AND copy.version = old.version
      OFFSET 0
    )
  ORDER BY old.vlob_id, old.version
  LIMIT 1;
  IF NOT FOUND THEN  -- beyond the last that can be
    SELECT 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid AS vlob_id, 2147483647 AS version
    INTO missing;
  END IF;

  SELECT count(*) INTO passed
  FROM public.vlob_atom AS old
  WHERE old.vlob_encryption_revision = reencryption_advance.previous
    AND (old.vlob_id, old.version) >= (known.vlob_id, known.version)
    AND (old.vlob_id, old.version) < (missing.vlob_id, missing.version);
  known.below := known.below + passed;
  known.vlob_id := missing.vlob_id;
  known.version := missing.version;
  INSERT INTO parsec_ext.reencryption (revision, generation, total, below, vlob_id, version)
  VALUES (
    known.revision, known.generation, known.total, known.below, known.vlob_id, known.version
  )
  ON CONFLICT (revision) DO UPDATE
    SET generation = excluded.generation, total = excluded.total, below = excluded.below,
      vlob_id = excluded.vlob_id, version = excluded.version;

  total := known.total;
  SELECT known.below + count(*) INTO done
  FROM public.vlob_atom AS copy
  WHERE copy.vlob_encryption_revision = reencryption_advance.revision
    AND (copy.vlob_id, copy.version) >= (known.vlob_id, known.version);
  RETURN NEXT;
END
$$;

-- Who asks, in which realm, and the `_id`s of its previous and its current revision.
CREATE OR REPLACE FUNCTION parsec_functions.revisions(realm bigint, encryption_revision integer)
RETURNS TABLE (previous bigint, revision bigint)
LANGUAGE sql STABLE ROWS 1
AS $$
  SELECT
    (
      SELECT r._id::bigint FROM public.vlob_encryption_revision AS r
      WHERE r.realm = revisions.realm
        AND r.encryption_revision = revisions.encryption_revision - 1
    ),
    (
      SELECT r._id::bigint FROM public.vlob_encryption_revision AS r
      WHERE r.realm = revisions.realm AND r.encryption_revision = revisions.encryption_revision
    )
$$;

-- recipients, messages, message_notifications: one entry each per participant, user IDs distinct.
-- Locks: the realm, then the participants' rows of user_ in the order of _id, so that realms
-- with the same participants do not wait for each other in a circle.
CREATE OR REPLACE FUNCTION parsec_functions.realm_start_reencryption_maintenance(
  organization_id text,
  device_id text,
  realm_id uuid,
  encryption_revision bigint,
  started_on timestamptz,
  recipients text[],
  messages bytea[],
  notification bytea,
  message_notifications bytea[]
)
RETURNS TABLE (status text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  held CONSTANT boolean := parsec_functions.hold_rights(organization_id, device_id);
  realm record;
  author record;
  members bigint[];
  participants record;
  entry record;
BEGIN
  SELECT r._id::bigint, r.maintenance_type, r.encryption_revision INTO realm
  FROM public.realm AS r
  WHERE r.organization = (
      SELECT o._id FROM public.organization AS o
      WHERE o.organization_id = realm_start_reencryption_maintenance.organization_id
    )
    AND r.realm_id = realm_start_reencryption_maintenance.realm_id
  FOR NO KEY UPDATE;

  SELECT * INTO author
  FROM parsec_functions.member(
    realm_start_reencryption_maintenance.organization_id,
    realm_start_reencryption_maintenance.device_id,
    realm._id
  );
  status := CASE
    WHEN author.status <> 'ok' THEN author.status
    WHEN realm._id IS NULL THEN 'realm_not_found'
    WHEN realm.maintenance_type IS NOT NULL THEN 'in_maintenance'
    WHEN realm.encryption_revision::bigint + 1
        <> realm_start_reencryption_maintenance.encryption_revision
      THEN 'bad_encryption_revision'
    WHEN author.role IS DISTINCT FROM 'OWNER' THEN 'not_allowed'
    ELSE 'ok'
  END;
  IF status <> 'ok' THEN
    RETURN NEXT; RETURN;
  END IF;

  SELECT array_agg(newest.user_) INTO members
  FROM (
    SELECT DISTINCT ON (given.user_) given.user_, given.role
    FROM public.realm_user_role AS given
    WHERE given.realm = realm._id
    ORDER BY given.user_, given.certified_on DESC, given._id DESC
  ) AS newest
  WHERE newest.role IS NOT NULL;
  PERFORM FROM public.user_ AS u WHERE u._id = ANY (members) ORDER BY u._id FOR NO KEY UPDATE;

  -- Who is revoked is read under the locks.
  SELECT count(*) AS here, count(*) FILTER (WHERE named.user_id IS NOT NULL) AS named
  INTO participants
  FROM public.user_ AS u
  LEFT JOIN unnest(realm_start_reencryption_maintenance.recipients) AS named (user_id)
    ON named.user_id = u.user_id
  WHERE u._id = ANY (members)
    AND u.revoked_on IS NULL;
  IF participants.here <> participants.named
    OR participants.here <> cardinality(realm_start_reencryption_maintenance.recipients)
  THEN
    status := 'participants_mismatch'; RETURN NEXT; RETURN;
  END IF;

  UPDATE public.realm AS r
  SET encryption_revision = realm.encryption_revision + 1,
    maintenance_type = 'REENCRYPTION',
    maintenance_started_on = realm_start_reencryption_maintenance.started_on,
    maintenance_started_by = author.device
  WHERE r._id = realm._id;
  INSERT INTO public.vlob_encryption_revision (realm, encryption_revision)
  VALUES (realm._id, realm.encryption_revision + 1);
  PERFORM parsec_functions.notify(realm_start_reencryption_maintenance.notification);

  FOR entry IN
    SELECT u._id::bigint AS recipient, named.message, named.notification
    FROM unnest(
      realm_start_reencryption_maintenance.recipients,
      realm_start_reencryption_maintenance.messages,
      realm_start_reencryption_maintenance.message_notifications
    ) AS named (user_id, message, notification)
    CROSS JOIN LATERAL (
      -- LIMIT: a lookup per participant, never a join that reads the whole organization.
      SELECT found._id FROM public.user_ AS found
      WHERE found.organization = author.organization AND found.user_id = named.user_id LIMIT 1
    ) AS u
    ORDER BY u._id
  LOOP
    PERFORM parsec_functions.message_send(
      author.organization, entry.recipient, author.device,
      realm_start_reencryption_maintenance.started_on, entry.message, entry.notification
    );
  END LOOP;
  RETURN NEXT;
END
$$;

CREATE OR REPLACE FUNCTION parsec_functions.realm_finish_reencryption_maintenance(
  organization_id text,
  device_id text,
  realm_id uuid,
  encryption_revision bigint,
  notification bytea
)
RETURNS TABLE (status text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  held CONSTANT boolean := parsec_functions.hold_rights(organization_id, device_id);
  realm record;
  author record;
  progress record;
BEGIN
  SELECT r._id::bigint, r.maintenance_type, r.encryption_revision INTO realm
  FROM public.realm AS r
  WHERE r.organization = (
      SELECT o._id FROM public.organization AS o
      WHERE o.organization_id = realm_finish_reencryption_maintenance.organization_id
    )
    AND r.realm_id = realm_finish_reencryption_maintenance.realm_id
  FOR NO KEY UPDATE;

  SELECT member.*, revisions.previous, revisions.revision INTO author
  FROM parsec_functions.member(
    realm_finish_reencryption_maintenance.organization_id,
    realm_finish_reencryption_maintenance.device_id,
    realm._id
  ) AS member
  CROSS JOIN parsec_functions.revisions(realm._id, realm.encryption_revision) AS revisions;
  status := CASE
    WHEN author.status <> 'ok' THEN author.status
    WHEN realm._id IS NULL THEN 'realm_not_found'
    WHEN author.role IS DISTINCT FROM 'OWNER' THEN 'not_allowed'
    WHEN realm.maintenance_type IS NULL THEN 'not_in_maintenance'
    WHEN realm.encryption_revision <> realm_finish_reencryption_maintenance.encryption_revision
      THEN 'bad_encryption_revision'
    ELSE 'ok'
  END;
  IF status <> 'ok' THEN
    RETURN NEXT; RETURN;
  END IF;

  -- Too early is noticed at the cost of what is new; only what seems complete is compared in full,
  -- once per maintenance.
  SELECT * INTO progress FROM parsec_functions.reencryption_advance(author.previous, author.revision);
  IF progress.done < progress.total THEN
    status := 'maintenance_error'; RETURN NEXT; RETURN;
  END IF;
  DELETE FROM parsec_ext.reencryption AS r WHERE r.revision = author.revision;
  IF EXISTS (
    SELECT FROM public.vlob_atom AS old
    WHERE old.vlob_encryption_revision = author.previous
      AND NOT EXISTS (
        SELECT FROM public.vlob_atom AS copy
        WHERE copy.vlob_encryption_revision = author.revision
          AND copy.vlob_id = old.vlob_id
          AND copy.version = old.version
      )
  ) THEN
    status := 'maintenance_error'; RETURN NEXT; RETURN;
  END IF;

  UPDATE public.realm AS r
  SET maintenance_type = NULL, maintenance_started_on = NULL, maintenance_started_by = NULL
  WHERE r._id = realm._id;
  PERFORM parsec_functions.notify(realm_finish_reencryption_maintenance.notification);
  RETURN NEXT;
END
$$;

-- Rows 1…: the versions to re-encrypt, up to size of them, and of more than max_bytes those that fit,
-- one at least. Starts where everything before is known to be done.
CREATE OR REPLACE FUNCTION parsec_functions.vlob_maintenance_get_reencryption_batch(
  organization_id text,
  device_id text,
  realm_id uuid,
  encryption_revision bigint,
  size bigint,
  max_bytes bigint
)
RETURNS TABLE (status text, vlob_id uuid, version integer, blob bytea)
LANGUAGE plpgsql STABLE
AS $$
#variable_conflict use_column
DECLARE
  row_bytes CONSTANT integer := 256;  -- of libpq's result, beside a blob: at most
  realm record;
  author record;
BEGIN
  SELECT r._id::bigint, r.maintenance_type, r.encryption_revision INTO realm
  FROM public.realm AS r
  WHERE r.organization = (
      SELECT o._id FROM public.organization AS o
      WHERE o.organization_id = vlob_maintenance_get_reencryption_batch.organization_id
    )
    AND r.realm_id = vlob_maintenance_get_reencryption_batch.realm_id;

  SELECT member.*, revisions.previous, revisions.revision,
    COALESCE(known.vlob_id, '00000000-0000-0000-0000-000000000000') AS vlob_id,
    COALESCE(known.version, 0) AS version
  INTO author
  FROM parsec_functions.member(
    vlob_maintenance_get_reencryption_batch.organization_id,
    vlob_maintenance_get_reencryption_batch.device_id,
    realm._id
  ) AS member
  CROSS JOIN parsec_functions.revisions(realm._id, realm.encryption_revision) AS revisions
  LEFT JOIN parsec_ext.reencryption AS known
    ON known.revision = revisions.revision
    AND known.generation = pg_relation_filenode('public.vlob_atom');
  status := CASE
    WHEN author.status <> 'ok' THEN author.status
    WHEN realm._id IS NULL THEN 'realm_not_found'
    WHEN realm.maintenance_type IS NULL THEN 'not_in_maintenance'
    WHEN realm.encryption_revision <> vlob_maintenance_get_reencryption_batch.encryption_revision
      THEN 'bad_encryption_revision'
    WHEN author.role IS DISTINCT FROM 'OWNER' THEN 'not_allowed'
    ELSE 'ok'
  END;
  RETURN NEXT;
  IF status <> 'ok' THEN
    RETURN;
  END IF;

  RETURN QUERY
  SELECT NULL::text, entry.vlob_id, entry.version, entry.blob
  FROM (
    SELECT wanted.*, row_number() OVER so_far AS number,
      sum(octet_length(wanted.blob) + row_bytes) OVER so_far AS bytes
    FROM (
      SELECT old.vlob_id, old.version, old.blob
      FROM public.vlob_atom AS old
      WHERE old.vlob_encryption_revision = author.previous
        AND (old.vlob_id, old.version) >= (author.vlob_id, author.version)
        AND NOT EXISTS (
          SELECT FROM public.vlob_atom AS copy
          WHERE copy.vlob_encryption_revision = author.revision
            AND copy.vlob_id = old.vlob_id
            AND copy.version = old.version
          OFFSET 0
        )
      ORDER BY old.vlob_id, old.version
      LIMIT vlob_maintenance_get_reencryption_batch.size
    ) AS wanted
    WINDOW so_far AS (ORDER BY wanted.vlob_id, wanted.version ROWS UNBOUNDED PRECEDING)
  ) AS entry
  WHERE entry.number = 1 OR entry.bytes <= vlob_maintenance_get_reencryption_batch.max_bytes;
END
$$;

-- vlob_ids, versions, blobs: one entry each per saved version. Of one that is named twice, or was
-- saved before, the first stays; what names no version of this realm is ignored.
CREATE OR REPLACE FUNCTION parsec_functions.vlob_maintenance_save_reencryption_batch(
  organization_id text,
  device_id text,
  realm_id uuid,
  encryption_revision bigint,
  vlob_ids uuid[],
  versions bigint[],
  blobs bytea[]
)
RETURNS TABLE (status text, total bigint, done bigint)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  held CONSTANT boolean := parsec_functions.hold_rights(organization_id, device_id);
  realm record;
  author record;
BEGIN
  SELECT r._id::bigint, r.maintenance_type, r.encryption_revision INTO realm
  FROM public.realm AS r
  WHERE r.organization = (
      SELECT o._id FROM public.organization AS o
      WHERE o.organization_id = vlob_maintenance_save_reencryption_batch.organization_id
    )
    AND r.realm_id = vlob_maintenance_save_reencryption_batch.realm_id
  FOR NO KEY UPDATE;

  SELECT member.*, revisions.previous, revisions.revision INTO author
  FROM parsec_functions.member(
    vlob_maintenance_save_reencryption_batch.organization_id,
    vlob_maintenance_save_reencryption_batch.device_id,
    realm._id
  ) AS member
  CROSS JOIN parsec_functions.revisions(realm._id, realm.encryption_revision) AS revisions;
  status := CASE
    WHEN author.status <> 'ok' THEN author.status
    WHEN realm._id IS NULL THEN 'realm_not_found'
    WHEN realm.maintenance_type IS NULL THEN 'not_in_maintenance'
    WHEN realm.encryption_revision <> vlob_maintenance_save_reencryption_batch.encryption_revision
      THEN 'bad_encryption_revision'
    WHEN author.role IS DISTINCT FROM 'OWNER' THEN 'not_allowed'
    ELSE 'ok'
  END;
  IF status <> 'ok' THEN
    RETURN NEXT; RETURN;
  END IF;

  INSERT INTO public.vlob_atom (
    organization, vlob_encryption_revision, vlob_id, version, blob, size, author, created_on
  )
  SELECT old.organization, author.revision, old.vlob_id, old.version, saved.blob,
    octet_length(saved.blob), old.author, old.created_on
  FROM unnest(
    vlob_maintenance_save_reencryption_batch.vlob_ids,
    vlob_maintenance_save_reencryption_batch.versions,
    vlob_maintenance_save_reencryption_batch.blobs
  ) WITH ORDINALITY AS saved (vlob_id, version, blob, number)
  CROSS JOIN LATERAL (
    -- LIMIT: a lookup per version, never a join that reads the whole realm.
    SELECT found.organization, found.vlob_id, found.version, found.author, found.created_on
    FROM public.vlob_atom AS found
    WHERE found.vlob_encryption_revision = author.previous
      AND found.vlob_id = saved.vlob_id
      AND found.version = saved.version
    LIMIT 1
  ) AS old
  ORDER BY saved.number
  ON CONFLICT (vlob_encryption_revision, vlob_id, version) DO NOTHING;

  SELECT progress.total, progress.done INTO total, done
  FROM parsec_functions.reencryption_advance(author.previous, author.revision) AS progress;
  RETURN NEXT;
END
$$;
