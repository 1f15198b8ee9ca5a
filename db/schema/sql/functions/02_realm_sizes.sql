-- The sizes of a realm (realm_stats), summed once: what is known about the beginnings of two lists
-- that only grow, so that a sum costs what was added since and not what is there. The invariants:
--
--   realm_vlobs_size   the entries 1 … `index` of the realm's update log list `size` bytes
--   realm_blocks_size  the blocks of the realm with _id <= `block` have `size` bytes
--
-- Other servers on the same database know nothing of these tables, and need not: what they append
-- is part of the remainder, which is always summed anew. But a beginning must never get another
-- member later. For the update log that follows from its unique, gapless index. For blocks in the
-- order of _id it does not: a server that does not lock may commit a lower _id after a higher one.
-- So what is known of them ends at rows older than every transaction still running; and 128 before
-- the last of those, because an INSERT draws its _id a moment before its transaction has the number
-- by which it is older or younger.
--
-- `generation` is the table's file: another one after TRUNCATE, so that what was known about an
-- emptied table never meets equal keys of the rows that came after. No foreign key leads to the
-- tables of the contract: it would forbid other servers to TRUNCATE them.

CREATE TABLE IF NOT EXISTS parsec_ext.realm_vlobs_size (
  realm bigint PRIMARY KEY,
  generation oid NOT NULL,
  index bigint NOT NULL,
  size bigint NOT NULL
);

CREATE TABLE IF NOT EXISTS parsec_ext.realm_blocks_size (
  realm bigint PRIMARY KEY,
  generation oid NOT NULL,
  block bigint NOT NULL,
  size bigint NOT NULL
);

-- True of a row that no transaction still running can precede.
CREATE OR REPLACE FUNCTION parsec_functions.is_settled(row_xmin xid)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT age(row_xmin) > age(pg_snapshot_xmin(pg_current_snapshot())::xid) $$;

-- Takes up to 1024 more log entries into the known sum. The caller holds the realm's lock; it
-- calls at every 128th entry, so a write pays for about one more lookup.
CREATE OR REPLACE FUNCTION parsec_functions.realm_vlobs_size_advance(realm bigint)
RETURNS void
LANGUAGE sql VOLATILE
AS $$
  INSERT INTO parsec_ext.realm_vlobs_size (realm, generation, index, size)
  SELECT realm_vlobs_size_advance.realm, pg_relation_filenode('public.realm_vlob_update'),
    max(entry.index), min(entry.known) + sum(entry.size)
  FROM (
    SELECT log.index, atom.size, COALESCE(known.size, 0) AS known
    FROM (SELECT) AS always
    LEFT JOIN parsec_ext.realm_vlobs_size AS known
      ON known.realm = realm_vlobs_size_advance.realm
      AND known.generation = pg_relation_filenode('public.realm_vlob_update')
    JOIN public.realm_vlob_update AS log
      ON log.realm = realm_vlobs_size_advance.realm AND log.index > COALESCE(known.index, 0)
    CROSS JOIN LATERAL (
      SELECT a.size FROM public.vlob_atom AS a WHERE a._id = log.vlob_atom LIMIT 1
    ) AS atom
    ORDER BY log.index
    LIMIT 1024
  ) AS entry
  HAVING count(*) > 0
  ON CONFLICT (realm) DO UPDATE
    SET generation = excluded.generation, index = excluded.index, size = excluded.size
$$;

CREATE OR REPLACE FUNCTION parsec_functions.realm_vlobs_size(realm bigint)
RETURNS bigint
LANGUAGE sql STABLE
AS $$
  SELECT COALESCE(min(known.size), 0) + COALESCE(sum(atom.size), 0)::bigint
  FROM (SELECT) AS always
  LEFT JOIN parsec_ext.realm_vlobs_size AS known
    ON known.realm = realm_vlobs_size.realm
    AND known.generation = pg_relation_filenode('public.realm_vlob_update')
  LEFT JOIN public.realm_vlob_update AS log
    ON log.realm = realm_vlobs_size.realm AND log.index > COALESCE(known.index, 0)
  LEFT JOIN LATERAL (
    -- LIMIT: a lookup per entry, never a join that reads the whole table.
    SELECT a.size FROM public.vlob_atom AS a WHERE a._id = log.vlob_atom LIMIT 1
  ) AS atom ON true
$$;

-- Likewise for blocks, as far as they are settled. The caller holds the realm's lock; it calls for
-- about every 64th block.
CREATE OR REPLACE FUNCTION parsec_functions.realm_blocks_size_advance(realm bigint)
RETURNS void
LANGUAGE sql VOLATILE
AS $$
  INSERT INTO parsec_ext.realm_blocks_size (realm, generation, block, size)
  SELECT realm_blocks_size_advance.realm, pg_relation_filenode('public.block'),
    max(more._id), min(more.known) + sum(more.size)
  FROM (
    SELECT checked.*, max(checked._id) FILTER (WHERE checked.settled) OVER () AS last_settled
    FROM (
      SELECT further._id, further.size, further.known,
        bool_and(parsec_functions.is_settled(further.xmin)) OVER (ORDER BY further._id) AS settled
      FROM (
        SELECT block._id, block.size, block.xmin, COALESCE(known.size, 0) AS known
        FROM (SELECT) AS always
        LEFT JOIN parsec_ext.realm_blocks_size AS known
          ON known.realm = realm_blocks_size_advance.realm
          AND known.generation = pg_relation_filenode('public.block')
        JOIN public.block AS block
          ON block.realm = realm_blocks_size_advance.realm AND block._id > COALESCE(known.block, 0)
        ORDER BY block._id
        LIMIT 1024
      ) AS further
    ) AS checked
  ) AS more
  WHERE more._id <= more.last_settled - 128
  HAVING count(*) > 0
  ON CONFLICT (realm) DO UPDATE
    SET generation = excluded.generation, block = excluded.block, size = excluded.size
$$;

CREATE OR REPLACE FUNCTION parsec_functions.realm_blocks_size(realm bigint)
RETURNS bigint
LANGUAGE sql STABLE
AS $$
  SELECT COALESCE(min(known.size), 0) + COALESCE(sum(block.size), 0)::bigint
  FROM (SELECT) AS always
  LEFT JOIN parsec_ext.realm_blocks_size AS known
    ON known.realm = realm_blocks_size.realm
    AND known.generation = pg_relation_filenode('public.block')
  LEFT JOIN public.block AS block
    ON block.realm = realm_blocks_size.realm AND block._id > COALESCE(known.block, 0)
$$;
