-- Sets: what vlob.sql does for one call, for several that wait together (db/driver/call_set.h). Each
-- parameter is an array with an element for each call, and row n of the result is that of call n.
-- The calls are of different vlobs. `call_alone`: only the function for one call can tell.
--
-- A set of writes comes after realms_lock() in its transaction, so its statements are younger than
-- the locks. Any error is one of the whole set; its calls are then made one by one.
--
-- Plans: a function is planned once, for arrays of any length (plan_cache_mode). What is found by
-- its keys is LATERAL with LIMIT 1, so that it stays one index look-up for each element.

-- What writers of a realm do first, for all calls of a transaction: hold the authors' rights, then
-- lock the realms' rows, in the order given, which is the same in every server (db/functions/route.h).
CREATE OR REPLACE FUNCTION parsec_functions.realms_lock(
  organization_ids text[],
  device_ids text[],
  realm_ids uuid[]
)
RETURNS TABLE (status text)
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  PERFORM parsec_functions.hold_rights(call.organization_id, call.device_id)
  FROM unnest(organization_ids, device_ids) AS call (organization_id, device_id);

  PERFORM
  FROM unnest(organization_ids, realm_ids) WITH ORDINALITY AS call (organization_id, realm_id, n)
  CROSS JOIN LATERAL (
    SELECT found._id
    FROM public.realm AS found
    WHERE found.organization = (
        SELECT o._id FROM public.organization AS o
        WHERE o.organization_id = call.organization_id
      )
      AND found.realm_id = call.realm_id
    LIMIT 1
  ) AS wanted
  JOIN public.realm AS r ON r._id = wanted._id
  ORDER BY call.n
  FOR NO KEY UPDATE OF r;
  status := 'ok'; RETURN NEXT;
END
$$;

-- vlob_log for several atoms. Those of one realm get consecutive checkpoints, in the order of the
-- atoms.
CREATE OR REPLACE FUNCTION parsec_functions.vlob_log_set(
  realms bigint[],
  realm_ids uuid[],
  atoms bigint[],
  notifications bytea[]
)
RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  logged bigint;
  due bigint[];  -- realms whose sizes are to be added up
BEGIN
  WITH entry AS MATERIALIZED (
    SELECT call.realm, call.realm_id, call.atom, call.notification,
      COALESCE(last.index, 0)
        + row_number() OVER (PARTITION BY call.realm ORDER BY call.atom) AS checkpoint
    FROM unnest(realms, realm_ids, atoms, notifications)
      AS call (realm, realm_id, atom, notification)
    LEFT JOIN LATERAL (
      SELECT log.index FROM public.realm_vlob_update AS log
      WHERE log.realm = call.realm
      ORDER BY log.index DESC
      LIMIT 1
    ) AS last ON true
  ), stored AS (
    INSERT INTO public.realm_vlob_update (realm, index, vlob_atom)
    SELECT entry.realm, entry.checkpoint, entry.atom FROM entry
    ON CONFLICT (realm, index) DO NOTHING
    RETURNING _id
  ), told AS (
    SELECT entry.realm, entry.checkpoint,
      parsec_functions.notify(
        entry.notification || '\xd802' || uuid_send(entry.realm_id) || '\xaa' || 'checkpoint',
        entry.checkpoint
      )
    FROM entry
  )
  SELECT (SELECT count(*) FROM stored), array_agg(told.realm) FILTER (WHERE told.checkpoint % 128 = 0)
  INTO logged, due
  FROM told;
  IF logged <> cardinality(atoms) THEN  -- one by one each looks for the next free number
    RAISE serialization_failure USING MESSAGE = 'another server took a checkpoint first';
  END IF;
  PERFORM parsec_functions.realm_vlobs_size_advance(realm) FROM unnest(due) AS realm;
END
$$;

CREATE OR REPLACE FUNCTION parsec_functions.vlob_create_set(
  organization_ids text[],
  device_ids text[],
  realm_ids uuid[],
  encryption_revisions bigint[],
  vlob_ids uuid[],
  created_ons timestamptz[],
  blobs bytea[],
  notifications bytea[]
)
RETURNS TABLE (status text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  locked boolean[];
  statuses text[];
  realms bigint[];
  stored_ids uuid[];
  atoms bigint[];
  stored_notifications bytea[];
BEGIN
  -- The locks of the IDs, as vlob_create has them: what is read afterwards is younger.
  SELECT array_agg(
      pg_try_advisory_xact_lock(
        hashtextextended(call.organization_id, uuid_hash_extended(call.vlob_id, 0))
      ) ORDER BY call.n
    )
  INTO locked
  FROM unnest(organization_ids, vlob_ids) WITH ORDINALITY AS call (organization_id, vlob_id, n);

  WITH checked AS MATERIALIZED (
    SELECT call.n, call.realm_id, call.vlob_id, call.created_on, call.blob, call.notification,
      realm._id AS realm, realm.revision, author.organization, author.device,
      CASE
        WHEN author.status <> 'ok' THEN author.status
        WHEN realm._id IS NULL THEN 'realm_not_found'
        WHEN realm.maintenance_type IS NOT NULL THEN 'in_maintenance'
        WHEN realm.encryption_revision <> call.encryption_revision THEN 'bad_encryption_revision'
        WHEN NOT parsec_functions.may_write(author.role) THEN 'not_allowed'
        WHEN NOT call.locked THEN 'busy'
        WHEN taken._id IS NOT NULL THEN 'already_exists'
        ELSE 'ok'
      END AS status
    FROM unnest(
      organization_ids, device_ids, realm_ids, encryption_revisions, vlob_ids, created_ons, blobs,
      notifications, locked
    ) WITH ORDINALITY AS call (
      organization_id, device_id, realm_id, encryption_revision, vlob_id, created_on, blob,
      notification, locked, n
    )
    LEFT JOIN LATERAL (
      SELECT r._id::bigint, r.maintenance_type, r.encryption_revision,
        (
          SELECT revision._id FROM public.vlob_encryption_revision AS revision
          WHERE revision.realm = r._id AND revision.encryption_revision = r.encryption_revision
        ) AS revision
      FROM public.realm AS r
      WHERE r.organization = (
          SELECT o._id FROM public.organization AS o
          WHERE o.organization_id = call.organization_id
        )
        AND r.realm_id = call.realm_id
      LIMIT 1
    ) AS realm ON true
    LEFT JOIN LATERAL
      parsec_functions.member(call.organization_id, call.device_id, realm._id) AS author ON true
    LEFT JOIN LATERAL (
      SELECT atom._id FROM public.vlob_atom AS atom
      WHERE atom.organization = author.organization AND atom.vlob_id = call.vlob_id
      LIMIT 1
    ) AS taken ON true
  ), stored AS (
    INSERT INTO public.vlob_atom (
      organization, vlob_encryption_revision, vlob_id, version, blob, size, author, created_on
    )
    SELECT organization, revision, vlob_id, 1, blob, octet_length(blob), device, created_on
    FROM checked
    WHERE status = 'ok'
    ON CONFLICT (vlob_encryption_revision, vlob_id, version) DO NOTHING
    RETURNING _id, vlob_encryption_revision, vlob_id
  ), done AS (
    SELECT checked.*, stored._id AS atom
    FROM checked
    LEFT JOIN stored ON checked.status = 'ok' AND stored.vlob_id = checked.vlob_id
      AND stored.vlob_encryption_revision = checked.revision
  )
  SELECT
    -- Taken by a server that does not lock, just now.
    array_agg(CASE WHEN status = 'ok' AND atom IS NULL THEN 'already_exists' ELSE status END ORDER BY n),
    array_agg(realm) FILTER (WHERE atom IS NOT NULL),
    array_agg(realm_id) FILTER (WHERE atom IS NOT NULL),
    array_agg(atom) FILTER (WHERE atom IS NOT NULL),
    array_agg(notification) FILTER (WHERE atom IS NOT NULL)
  INTO statuses, realms, stored_ids, atoms, stored_notifications
  FROM done;
  IF atoms IS NOT NULL THEN
    PERFORM parsec_functions.vlob_log_set(realms, stored_ids, atoms, stored_notifications);
  END IF;
  RETURN QUERY SELECT unnest(statuses);
END
$$;

CREATE OR REPLACE FUNCTION parsec_functions.vlob_update_set(
  organization_ids text[],
  device_ids text[],
  presumed_realm_ids uuid[],
  encryption_revisions bigint[],
  vlob_ids uuid[],
  versions bigint[],
  created_ons timestamptz[],
  blobs bytea[],
  notifications bytea[]
)
RETURNS TABLE (status text, realm_id uuid)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  statuses text[];
  realm_ids uuid[];
  realms bigint[];
  stored_ids uuid[];
  atoms bigint[];
  stored_notifications bytea[];
BEGIN
  WITH checked AS MATERIALIZED (
    SELECT call.n, call.vlob_id, call.version, call.created_on, call.blob, call.notification,
      realm._id AS realm, realm.realm_id, realm.revision, author.organization, author.device,
      CASE
        WHEN realm.realm_id <> call.presumed_realm_id THEN 'elsewhere'
        WHEN author.status <> 'ok' THEN author.status
        WHEN realm._id IS NULL THEN 'vlob_not_found'
        WHEN realm.maintenance_type IS NOT NULL THEN 'in_maintenance'
        WHEN realm.encryption_revision <> call.encryption_revision THEN 'bad_encryption_revision'
        WHEN NOT parsec_functions.may_write(author.role) THEN 'not_allowed'
        WHEN call.version IS DISTINCT FROM newest.version::bigint + 1 THEN 'bad_version'
        WHEN call.created_on < newest.created_on THEN 'bad_timestamp'
        ELSE 'ok'
      END AS status
    FROM unnest(
      organization_ids, device_ids, presumed_realm_ids, encryption_revisions, vlob_ids, versions,
      created_ons, blobs, notifications
    ) WITH ORDINALITY AS call (
      organization_id, device_id, presumed_realm_id, encryption_revision, vlob_id, version,
      created_on, blob, notification, n
    )
    LEFT JOIN LATERAL (
      SELECT r._id, r.realm_id, r.maintenance_type, r.encryption_revision,
        (
          SELECT revision._id FROM public.vlob_encryption_revision AS revision
          WHERE revision.realm = r._id AND revision.encryption_revision = r.encryption_revision
        ) AS revision
      FROM parsec_functions.vlob_realm(call.organization_id, call.vlob_id) AS r
      LIMIT 1
    ) AS realm ON true
    LEFT JOIN LATERAL
      parsec_functions.member(call.organization_id, call.device_id, realm._id) AS author ON true
    LEFT JOIN LATERAL (
      SELECT last.version, last.created_on FROM public.vlob_atom AS last
      WHERE last.vlob_encryption_revision = realm.revision AND last.vlob_id = call.vlob_id
      ORDER BY last.version DESC
      LIMIT 1
    ) AS newest ON true
  ), stored AS (
    INSERT INTO public.vlob_atom (
      organization, vlob_encryption_revision, vlob_id, version, blob, size, author, created_on
    )
    SELECT organization, revision, vlob_id, version::integer, blob, octet_length(blob), device,
      created_on
    FROM checked
    WHERE status = 'ok'
    ON CONFLICT (vlob_encryption_revision, vlob_id, version) DO NOTHING
    RETURNING _id, vlob_encryption_revision, vlob_id
  ), done AS (
    SELECT checked.*, stored._id AS atom
    FROM checked
    LEFT JOIN stored ON checked.status = 'ok' AND stored.vlob_id = checked.vlob_id
      AND stored.vlob_encryption_revision = checked.revision
  )
  SELECT
    -- Taken by a server that does not lock, just now.
    array_agg(CASE WHEN status = 'ok' AND atom IS NULL THEN 'bad_version' ELSE status END ORDER BY n),
    array_agg(realm_id ORDER BY n),
    array_agg(realm) FILTER (WHERE atom IS NOT NULL),
    array_agg(realm_id) FILTER (WHERE atom IS NOT NULL),
    array_agg(atom) FILTER (WHERE atom IS NOT NULL),
    array_agg(notification) FILTER (WHERE atom IS NOT NULL)
  INTO statuses, realm_ids, realms, stored_ids, atoms, stored_notifications
  FROM done;
  IF atoms IS NOT NULL THEN
    PERFORM parsec_functions.vlob_log_set(realms, stored_ids, atoms, stored_notifications);
  END IF;
  RETURN QUERY SELECT * FROM unnest(statuses, realm_ids);
END
$$;

-- Large ones are for calls of their own: the whole result comes at once. SQL and STABLE, so that the
-- planner puts it into the statement that calls it.
CREATE OR REPLACE FUNCTION parsec_functions.vlob_read_set(
  organization_ids text[],
  device_ids text[],
  encryption_revisions bigint[],
  vlob_ids uuid[],
  wanted_versions bigint[],
  instants timestamptz[]
)
RETURNS TABLE (
  status text,
  realm_id uuid,
  version integer,
  blob bytea,
  author text,
  created_on timestamptz
)
LANGUAGE sql STABLE
AS $$
  SELECT answer.status, answer.realm_id, answer.version,
    CASE WHEN answer.status = 'ok' THEN answer.blob END,
    (SELECT d.device_id::text FROM public.device AS d WHERE d._id = answer.author),
    answer.created_on
  FROM (
    SELECT call.n, realm.realm_id, found.version, found.blob, found.author, found.created_on,
      CASE
        WHEN reader.status <> 'ok' THEN reader.status
        WHEN realm._id IS NULL THEN 'vlob_not_found'
        WHEN realm.maintenance_type IS NOT NULL THEN 'in_maintenance'
        WHEN realm.encryption_revision <> call.encryption_revision THEN 'bad_encryption_revision'
        WHEN reader.role IS NULL THEN 'not_allowed'
        WHEN found.version IS NULL THEN 'bad_version'
        WHEN found.size > 65536 THEN 'call_alone'
        ELSE 'ok'
      END AS status
    FROM unnest(
      organization_ids, device_ids, encryption_revisions, vlob_ids, wanted_versions, instants
    ) WITH ORDINALITY AS call (
      organization_id, device_id, encryption_revision, vlob_id, wanted_version, instant, n
    )
    LEFT JOIN LATERAL (
      SELECT r._id, r.realm_id, r.maintenance_type, r.encryption_revision,
        (
          SELECT revision._id FROM public.vlob_encryption_revision AS revision
          WHERE revision.realm = r._id AND revision.encryption_revision = r.encryption_revision
        ) AS revision
      FROM parsec_functions.vlob_realm(call.organization_id, call.vlob_id) AS r
      LIMIT 1
    ) AS realm ON true
    LEFT JOIN LATERAL
      parsec_functions.member(call.organization_id, call.device_id, realm._id) AS reader ON true
    LEFT JOIN LATERAL (
      SELECT atom.version, atom.blob, atom.size, atom.author, atom.created_on
      FROM public.vlob_atom AS atom
      WHERE atom.vlob_encryption_revision = realm.revision
        AND atom.vlob_id = call.vlob_id
        AND atom.version BETWEEN COALESCE(call.wanted_version, 0)
          AND COALESCE(call.wanted_version, 2147483647)
        AND (call.wanted_version IS NOT NULL
          OR atom.created_on <= COALESCE(call.instant, 'infinity'))
      ORDER BY atom.version DESC
      LIMIT 1
    ) AS found ON true
  ) AS answer
  ORDER BY answer.n
$$;
