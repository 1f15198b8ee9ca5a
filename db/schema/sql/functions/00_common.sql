-- What every stored function builds on. Loaded first (the files go in by name), again at every
-- `migrate`: everything here is idempotent. `DROP SCHEMA parsec_ext CASCADE` removes it all.
--
-- House rules of the functions
--  * plpgsql, one round trip per command, named as the command. Tables are always written
--    public.<table>, our own things parsec_ext.<name>: nothing depends on search_path (and a
--    SET search_path on the function would cost more than the work of most of them).
--  * Row 0 is `status` and the scalars of the reply; list items are the rows after it, in the same
--    columns. Expected refusals are a status, never RAISEd.
--  * Writers are VOLATILE: in READ COMMITTED each of their statements has a new snapshot, so what
--    is read after a lock was taken sees what its previous holder committed. Lock first, then read.
--  * Readers are STABLE: all their statements share the snapshot of the call.
--  * Output columns are variables that hide columns of the same name: hence the directive
--    `#variable_conflict use_column` at the head of a body, and <function>.<parameter> where a
--    parameter is meant and a column of that name is in sight.
--  * An index that a function needs stands in ../indexes.sql.
--
-- The author. Every function of an authenticated connection starts with (after its lock, if any)
--
--     DECLARE
--       held CONSTANT boolean := parsec_functions.hold_rights(organization_id, device_id);  -- writers
--       author record;
--     BEGIN
--       SELECT * INTO author FROM parsec_functions.author(organization_id, device_id);
--       IF author.status <> 'ok' THEN
--         status := author.status; RETURN NEXT; RETURN;
--       END IF;
--
-- The planner inlines that function into the statement (LANGUAGE sql, STABLE, no SET). Measured, per
-- call of a function that does nothing else, 32 in a pipeline: written out in place 24 µs, this
-- 24 µs, a plpgsql function instead 29 µs, and 10 µs without any lookup.
CREATE SCHEMA IF NOT EXISTS parsec_ext;

-- Ids are bigint in all that is ours; helper tables of earlier versions had integers.
DO $$
DECLARE
  id record;
BEGIN
  FOR id IN
    SELECT c.relname, a.attname
    FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'parsec_ext'::regnamespace AND c.relkind = 'r'
      AND a.atttypid = 'integer'::regtype AND a.attname <> 'version'
  LOOP
    EXECUTE format('ALTER TABLE parsec_ext.%I ALTER COLUMN %I TYPE bigint', id.relname, id.attname);
  END LOOP;
END
$$;

-- Always one row. status: ok, author_revoked, organization_expired, or author_unknown (the database
-- was emptied or replaced under a connection). A revocation counts as soon as it is stored, whatever
-- its date (protocol/2-handshake.md §2.2). clock_timestamp(), not now(): the transaction may be
-- older than an expiration that was acknowledged before this command was sent, and the statement
-- than one that was while it waited for its lock.
CREATE OR REPLACE FUNCTION parsec_functions.author(organization_id text, device_id text)
RETURNS TABLE (
  status text,
  organization bigint,
  device bigint,
  user_ bigint,
  user_id text,
  profile public.user_profile
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
  SELECT
    CASE
      WHEN u._id IS NULL THEN 'author_unknown'
      WHEN u.revoked_on IS NOT NULL THEN 'author_revoked'
      WHEN o.expiration_date <= clock_timestamp() THEN 'organization_expired'
      ELSE 'ok'
    END,
    o._id::bigint,
    d._id::bigint,
    u._id::bigint,
    u.user_id::text,
    COALESCE(u.profile, 'STANDARD')
  FROM (SELECT) AS always
  -- One lookup after the other: planned on tiny tables, a join of the three would read a whole
  -- index of device ever after.
  LEFT JOIN LATERAL (
    SELECT found._id, found.expiration_date FROM public.organization AS found
    WHERE found.organization_id = author.organization_id LIMIT 1
  ) AS o ON true
  LEFT JOIN LATERAL (
    SELECT found._id, found.user_ FROM public.device AS found
    WHERE found.organization = o._id AND found.device_id = author.device_id LIMIT 1
  ) AS d ON true
  LEFT JOIN LATERAL (
    SELECT found._id, found.user_id, found.revoked_on, found.profile FROM public.user_ AS found
    WHERE found._id = d.user_ LIMIT 1
  ) AS u ON true
$$;

-- --- Rights end exactly
--
-- No write of a user commits after the reply `ok` to what ended the user's rights: a revocation, or
-- the expiration of the organization. A writer holds the user's rights (a shared lock, to the end of
-- its transaction) before the statement that looks them up. Who ends them commits first, and then
-- waits in await_writes() until no transaction holds them that may have looked before.
--
-- A writer never waits for that lock: it cannot be had only while somebody is in await_writes(), so
-- what ended the rights is committed, and the lookup will find it. Hence no order of locks matters
-- here, and a batch of many users' writes is not held up by one who is being revoked.
--
-- Other servers on the database take no such lock: their writes may commit shortly after our `ok`,
-- and ours after theirs.

CREATE OR REPLACE FUNCTION parsec_functions.rights_key(organization_id text, user_id text)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT hashtextextended(user_id, hashtextextended(organization_id, 0)) $$;

-- When the lock below cannot be had. If the rights are there all the same (an expiration taken back at once, or
-- two users of one key), the driver tries again.
CREATE OR REPLACE FUNCTION parsec_functions.rights_ended(organization_id text, device_id text)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  IF device_id IS NULL AND EXISTS (
    SELECT FROM public.organization AS o
    WHERE o.organization_id = rights_ended.organization_id
      AND (o.expiration_date IS NULL OR o.expiration_date > clock_timestamp())
  ) OR EXISTS (
    SELECT FROM parsec_functions.author(organization_id, device_id) AS author
    WHERE author.status = 'ok'
  ) THEN
    RAISE serialization_failure USING MESSAGE = 'the rights of the author are being changed';
  END IF;
  RETURN true;
END
$$;

-- Always true. device_id null: those of the organization's claimers and strangers, which end with it.
-- Called in the declarations of a function it is inlined and costs no statement: a transaction with a
-- call that only looks its author up takes 30.5 µs instead of 28.8 (pgbench, best of six in turn).
CREATE OR REPLACE FUNCTION parsec_functions.hold_rights(organization_id text, device_id text)
RETURNS boolean
LANGUAGE sql VOLATILE
AS $$
  SELECT pg_try_advisory_xact_lock_shared(
    parsec_functions.rights_key(organization_id, COALESCE(split_part(device_id, '@', 1), ''))
  ) OR parsec_functions.rights_ended(organization_id, device_id)
$$;

-- Waits for the writes of a user, or of the whole organization (user_id null), whose rights were ended by
-- a transaction that is committed. ok. In a transaction of its own.
CREATE OR REPLACE FUNCTION parsec_functions.await_writes(organization_id text, user_id text)
RETURNS TABLE (status text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  held bigint;
BEGIN
  IF await_writes.user_id IS NOT NULL THEN
    PERFORM pg_advisory_xact_lock(
      parsec_functions.rights_key(await_writes.organization_id, await_writes.user_id)
    );
  ELSE
    -- Only of those that are held now: whoever comes later looks after the end.
    FOR held IN
      SELECT DISTINCT lock.key
      FROM (
        SELECT l.classid::bigint << 32 | l.objid::bigint AS key
        FROM pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND l.mode = 'ShareLock'
          AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
      ) AS lock
      WHERE lock.key IN (
        SELECT parsec_functions.rights_key(await_writes.organization_id, u.user_id)
        FROM public.user_ AS u
        WHERE u.organization = (
          SELECT o._id FROM public.organization AS o
          WHERE o.organization_id = await_writes.organization_id
        )
        UNION ALL
        SELECT parsec_functions.rights_key(await_writes.organization_id, '')
      )
      ORDER BY lock.key
    LOOP
      PERFORM pg_advisory_xact_lock(held);
    END LOOP;
  END IF;
  status := 'ok'; RETURN NEXT;
END
$$;

-- The shortest msgpack form of an integer, as the wire has it (protocol/1-transport.md §1.3). Not
-- STRICT: the planner would not inline it then, and a NOTIFY cost 57 µs instead of 13.
CREATE OR REPLACE FUNCTION parsec_functions.msgpack_integer(n bigint)
RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE
    WHEN n BETWEEN -32 AND 127 THEN substring(int8send(n) FROM 8)
    WHEN n BETWEEN 0 AND 255 THEN '\xcc'::bytea || substring(int8send(n) FROM 8)
    WHEN n BETWEEN 0 AND 65535 THEN '\xcd'::bytea || substring(int8send(n) FROM 7)
    WHEN n BETWEEN 0 AND 4294967295 THEN '\xce'::bytea || substring(int8send(n) FROM 5)
    WHEN n > 0 THEN '\xcf'::bytea || int8send(n)
    WHEN n >= -128 THEN '\xd0'::bytea || substring(int8send(n) FROM 8)
    WHEN n >= -32768 THEN '\xd1'::bytea || substring(int8send(n) FROM 7)
    WHEN n >= -2147483648 THEN '\xd2'::bytea || substring(int8send(n) FROM 5)
    ELSE '\xd3'::bytea || int8send(n)
  END
$$;

-- Tells all servers of the database, when the transaction commits (protocol/6-events.md §6.2).
-- encode() breaks its lines every 76 characters; the payload has none. `PERFORM
-- parsec_functions.notify(…)`.
CREATE OR REPLACE FUNCTION parsec_functions.notify(notification bytea)
RETURNS void
LANGUAGE sql VOLATILE PARALLEL RESTRICTED
AS $$
  SELECT pg_notify('app_notification', translate(encode(notification, 'base64'), E'\n', ''))
$$;

-- The same for a map that lacks its last value, a number that only the transaction knows.
CREATE OR REPLACE FUNCTION parsec_functions.notify(prefix bytea, number bigint)
RETURNS void
LANGUAGE sql VOLATILE PARALLEL RESTRICTED
AS $$
  SELECT pg_notify(
    'app_notification',
    translate(encode(prefix || parsec_functions.msgpack_integer(number), 'base64'), E'\n', '')
  )
$$;
