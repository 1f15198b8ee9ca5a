-- Sets: what block.sql does for one call, for several that wait together. See vlob_sets.sql.

CREATE OR REPLACE FUNCTION parsec_functions.block_create_check_set(
  organization_ids text[],
  device_ids text[],
  realm_ids uuid[],
  block_ids uuid[]
)
RETURNS TABLE (status text)
LANGUAGE sql STABLE
AS $$
  SELECT
    CASE
      WHEN author.status <> 'ok' THEN author.status
      WHEN realm._id IS NULL THEN 'realm_not_found'
      WHEN realm.maintenance_type IS NOT NULL THEN 'in_maintenance'
      WHEN NOT parsec_functions.may_write(author.role) THEN 'not_allowed'
      WHEN taken._id IS NOT NULL THEN 'already_exists'
      ELSE 'ok'
    END
  FROM unnest(organization_ids, device_ids, realm_ids, block_ids)
    WITH ORDINALITY AS call (organization_id, device_id, realm_id, block_id, n)
  LEFT JOIN LATERAL (
    SELECT r._id::bigint, r.maintenance_type
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
  LEFT JOIN LATERAL (  -- not EXISTS, of which the planner makes a hash of the whole table
    SELECT b._id FROM public.block AS b
    WHERE b.organization = author.organization AND b.block_id = call.block_id
    LIMIT 1
  ) AS taken ON true
  ORDER BY call.n
$$;

CREATE OR REPLACE FUNCTION parsec_functions.block_create_set(
  organization_ids text[],
  device_ids text[],
  realm_ids uuid[],
  block_ids uuid[],
  sizes integer[]
)
RETURNS TABLE (status text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  locked boolean[];
  statuses text[];
  due bigint[];  -- realms whose sizes are to be added up
BEGIN
  -- The locks of the IDs, as block_create has them.
  SELECT array_agg(
      pg_try_advisory_xact_lock(
        hashtextextended(call.organization_id, uuid_hash_extended(call.block_id, 1))
      ) ORDER BY call.n
    )
  INTO locked
  FROM unnest(organization_ids, block_ids) WITH ORDINALITY AS call (organization_id, block_id, n);

  WITH checked AS MATERIALIZED (
    SELECT call.n, call.block_id, call.size, realm._id AS realm, author.organization, author.device,
      CASE
        WHEN author.status <> 'ok' THEN author.status
        WHEN realm._id IS NULL THEN 'realm_not_found'
        WHEN realm.maintenance_type IS NOT NULL THEN 'in_maintenance'
        WHEN NOT parsec_functions.may_write(author.role) THEN 'not_allowed'
        WHEN NOT call.locked THEN 'busy'
        ELSE 'ok'
      END AS status
    FROM unnest(organization_ids, device_ids, realm_ids, block_ids, sizes, locked)
      WITH ORDINALITY AS call (organization_id, device_id, realm_id, block_id, size, locked, n)
    LEFT JOIN LATERAL (
      SELECT r._id::bigint, r.maintenance_type
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
  ), stored AS (
    INSERT INTO public.block (organization, block_id, realm, author, size, created_on)
    SELECT organization, block_id, realm, device, size, clock_timestamp()
    FROM checked
    WHERE status = 'ok'
    ON CONFLICT (organization, block_id) DO NOTHING
    RETURNING _id, organization, block_id
  ), done AS (
    SELECT checked.n, checked.status, checked.realm, stored._id AS block
    FROM checked
    LEFT JOIN stored ON checked.status = 'ok' AND stored.block_id = checked.block_id
      AND stored.organization = checked.organization
  )
  SELECT
    array_agg(CASE WHEN status = 'ok' AND block IS NULL THEN 'already_exists' ELSE status END ORDER BY n),
    array_agg(realm) FILTER (WHERE block % 64 = 0)
  INTO statuses, due
  FROM done;
  PERFORM parsec_functions.realm_blocks_size_advance(realm) FROM unnest(due) AS realm;
  RETURN QUERY SELECT unnest(statuses);
END
$$;

CREATE OR REPLACE FUNCTION parsec_functions.block_read_set(
  organization_ids text[],
  device_ids text[],
  block_ids uuid[]
)
RETURNS TABLE (status text)
LANGUAGE sql STABLE
AS $$
  SELECT
    CASE
      WHEN reader.status <> 'ok' THEN reader.status
      WHEN realm._id IS NULL THEN 'block_not_found'
      WHEN realm.maintenance_type IS NOT NULL THEN 'in_maintenance'
      WHEN reader.role IS NULL THEN 'not_allowed'
      ELSE 'ok'
    END
  FROM unnest(organization_ids, device_ids, block_ids)
    WITH ORDINALITY AS call (organization_id, device_id, block_id, n)
  LEFT JOIN LATERAL (
    SELECT r._id::bigint, r.maintenance_type
    FROM public.realm AS r
    WHERE r._id = (
      SELECT b.realm
      FROM public.block AS b
      WHERE b.organization = (
          SELECT o._id FROM public.organization AS o
          WHERE o.organization_id = call.organization_id
        )
        AND b.block_id = call.block_id
        AND b.deleted_on IS NULL
    )
    LIMIT 1
  ) AS realm ON true
  LEFT JOIN LATERAL
    parsec_functions.member(call.organization_id, call.device_id, realm._id) AS reader ON true
  ORDER BY call.n
$$;

CREATE OR REPLACE FUNCTION parsec_functions.block_data_create_set(
  organization_ids text[],
  block_ids uuid[],
  data bytea[]
)
RETURNS TABLE (status text)
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  INSERT INTO public.block_data (organization_id, block_id, data)
  SELECT call.organization_id, call.block_id, call.data
  FROM unnest(
    block_data_create_set.organization_ids, block_data_create_set.block_ids,
    block_data_create_set.data
  ) AS call (organization_id, block_id, data)
  ON CONFLICT (organization_id, block_id) DO NOTHING;
  RETURN QUERY SELECT 'ok' FROM unnest(block_data_create_set.block_ids);
END
$$;
