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
--     DECLARE author record;
--     BEGIN
--       SELECT * INTO author FROM parsec_ext.author(organization_id, device_id);
--       IF author.status <> 'ok' THEN
--         status := author.status; RETURN NEXT; RETURN;
--       END IF;
--
-- The planner inlines that function into the statement (LANGUAGE sql, STABLE, no SET). Measured, per
-- call of a function that does nothing else, 32 in a pipeline: written out in place 24 µs, this
-- 24 µs, a plpgsql function instead 29 µs, and 10 µs without any lookup.
CREATE SCHEMA IF NOT EXISTS parsec_ext;

-- Always one row. status: ok, author_revoked, organization_expired, or author_unknown (the database
-- was emptied or replaced under a connection). statement_timestamp(), not now(): a transaction that
-- many commands share may be older than the revocation that was acknowledged before this command
-- was sent.
CREATE OR REPLACE FUNCTION parsec_ext.author(organization_id text, device_id text)
RETURNS TABLE (
  status text,
  organization integer,
  device integer,
  user_ integer,
  user_id text,
  profile public.user_profile
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
  SELECT
    CASE
      WHEN u._id IS NULL THEN 'author_unknown'
      WHEN u.revoked_on <= statement_timestamp() THEN 'author_revoked'
      WHEN o.expiration_date <= statement_timestamp() THEN 'organization_expired'
      ELSE 'ok'
    END,
    o._id,
    d._id,
    u._id,
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

-- The shortest msgpack form of an integer, as the wire has it (1-transport.md §1.3). Not STRICT:
-- the planner would not inline it then, and a NOTIFY cost 57 µs instead of 13.
CREATE OR REPLACE FUNCTION parsec_ext.msgpack_integer(n bigint)
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

-- Tells all servers of the database, when the transaction commits (6-events.md §6.2). encode()
-- breaks its lines every 76 characters; the payload has none. `PERFORM parsec_ext.notify(…)`.
CREATE OR REPLACE FUNCTION parsec_ext.notify(notification bytea)
RETURNS void
LANGUAGE sql VOLATILE PARALLEL RESTRICTED
AS $$
  SELECT pg_notify('app_notification', translate(encode(notification, 'base64'), E'\n', ''))
$$;

-- The same for a map that lacks its last value, a number that only the transaction knows.
CREATE OR REPLACE FUNCTION parsec_ext.notify(prefix bytea, number bigint)
RETURNS void
LANGUAGE sql VOLATILE PARALLEL RESTRICTED
AS $$
  SELECT pg_notify(
    'app_notification',
    translate(encode(prefix || parsec_ext.msgpack_integer(number), 'base64'), E'\n', '')
  )
$$;
