-- Blocks (protocol/4-commands.md §4.7): what the database knows of them. Their data is in a block
-- store; that it may be the table block_data of this database is at the end.

-- The checks of block_create, before the data travels. block_create makes them again.
CREATE OR REPLACE FUNCTION parsec_functions.block_create_check(
  organization_id text,
  device_id text,
  realm_id uuid,
  block_id uuid
)
RETURNS TABLE (status text)
LANGUAGE plpgsql STABLE ROWS 1
AS $$
#variable_conflict use_column
DECLARE
  realm record;
  author record;
BEGIN
  SELECT r._id::bigint, r.maintenance_type INTO realm
  FROM public.realm AS r
  WHERE r.organization = (
      SELECT o._id FROM public.organization AS o
      WHERE o.organization_id = block_create_check.organization_id
    )
    AND r.realm_id = block_create_check.realm_id;

  SELECT * INTO author
  FROM parsec_functions.member(
    block_create_check.organization_id, block_create_check.device_id, realm._id
  );
  status := CASE
    WHEN author.status <> 'ok' THEN author.status
    WHEN realm._id IS NULL THEN 'realm_not_found'
    WHEN realm.maintenance_type IS NOT NULL THEN 'in_maintenance'
    WHEN NOT parsec_functions.may_write(author.role) THEN 'not_allowed'
    WHEN EXISTS (
      SELECT FROM public.block AS taken
      WHERE taken.organization = author.organization
        AND taken.block_id = block_create_check.block_id
    ) THEN 'already_exists'
    ELSE 'ok'
  END;
  RETURN NEXT;
END
$$;

-- The row of a block whose data is stored. alone, busy: as in vlob_create (vlob.sql); here the lock
-- of the ID only keeps a transaction that holds realms from waiting in the unique index.
CREATE OR REPLACE FUNCTION parsec_functions.block_create(
  organization_id text,
  device_id text,
  realm_id uuid,
  block_id uuid,
  size integer,
  alone boolean
)
RETURNS TABLE (status text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  held CONSTANT boolean := parsec_functions.hold_rights(organization_id, device_id);
  id_lock CONSTANT bigint := hashtextextended(
    block_create.organization_id, uuid_hash_extended(block_create.block_id, 1)
  );
  realm record;
  author record;
  created bigint;
BEGIN
  IF block_create.alone THEN
    PERFORM pg_advisory_xact_lock(id_lock);
  END IF;
  SELECT r._id::bigint, r.maintenance_type INTO realm
  FROM public.realm AS r
  WHERE r.organization = (
      SELECT o._id FROM public.organization AS o
      WHERE o.organization_id = block_create.organization_id
    )
    AND r.realm_id = block_create.realm_id
  FOR NO KEY UPDATE;

  SELECT * INTO author
  FROM parsec_functions.member(block_create.organization_id, block_create.device_id, realm._id);
  status := CASE
    WHEN author.status <> 'ok' THEN author.status
    WHEN realm._id IS NULL THEN 'realm_not_found'
    WHEN realm.maintenance_type IS NOT NULL THEN 'in_maintenance'
    WHEN NOT parsec_functions.may_write(author.role) THEN 'not_allowed'
    WHEN NOT block_create.alone AND NOT pg_try_advisory_xact_lock(id_lock) THEN 'busy'
    ELSE 'ok'
  END;
  IF status <> 'ok' THEN
    RETURN NEXT; RETURN;
  END IF;

  INSERT INTO public.block (organization, block_id, realm, author, size, created_on)
  VALUES (
    author.organization, block_create.block_id, realm._id, author.device, block_create.size,
    clock_timestamp()
  )
  ON CONFLICT (organization, block_id) DO NOTHING
  RETURNING _id INTO created;
  IF created IS NULL THEN
    status := 'already_exists'; RETURN NEXT; RETURN;
  END IF;
  IF created % 64 = 0 THEN
    PERFORM parsec_functions.realm_blocks_size_advance(realm._id);
  END IF;
  RETURN NEXT;
END
$$;

CREATE OR REPLACE FUNCTION parsec_functions.block_read(
  organization_id text,
  device_id text,
  block_id uuid
)
RETURNS TABLE (status text)
LANGUAGE plpgsql STABLE ROWS 1
AS $$
#variable_conflict use_column
DECLARE
  realm record;
  reader record;
BEGIN
  SELECT r._id::bigint, r.maintenance_type INTO realm
  FROM public.realm AS r
  WHERE r._id = (
    SELECT b.realm
    FROM public.block AS b
    WHERE b.organization = (
        SELECT o._id FROM public.organization AS o
        WHERE o.organization_id = block_read.organization_id
      )
      AND b.block_id = block_read.block_id
      AND b.deleted_on IS NULL
  );

  SELECT * INTO reader
  FROM parsec_functions.member(block_read.organization_id, block_read.device_id, realm._id);
  status := CASE
    WHEN reader.status <> 'ok' THEN reader.status
    WHEN realm._id IS NULL THEN 'block_not_found'
    WHEN realm.maintenance_type IS NOT NULL THEN 'in_maintenance'
    WHEN reader.role IS NULL THEN 'not_allowed'
    ELSE 'ok'
  END;
  RETURN NEXT;
END
$$;

-- --- The block store POSTGRESQL: no rights here, the functions above decided

CREATE OR REPLACE FUNCTION parsec_functions.block_data_create(
  organization_id text,
  block_id uuid,
  data bytea
)
RETURNS TABLE (status text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
BEGIN
  INSERT INTO public.block_data (organization_id, block_id, data)
  VALUES (block_data_create.organization_id, block_data_create.block_id, block_data_create.data)
  ON CONFLICT (organization_id, block_id) DO NOTHING;
  status := 'ok'; RETURN NEXT;
END
$$;

CREATE OR REPLACE FUNCTION parsec_functions.block_data_read(organization_id text, block_id uuid)
RETURNS TABLE (status text, data bytea)
LANGUAGE sql STABLE ROWS 1
AS $$
  SELECT CASE WHEN stored._id IS NULL THEN 'not_found' ELSE 'ok' END, stored.data
  FROM (SELECT) AS always
  LEFT JOIN public.block_data AS stored
    ON stored.organization_id = block_data_read.organization_id
    AND stored.block_id = block_data_read.block_id
$$;
