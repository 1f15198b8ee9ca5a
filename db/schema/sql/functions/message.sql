-- Messages (protocol/4-commands.md §4.3): a recipient's messages are numbered 1, 2, 3, … by
-- position in the order of _id.
--
-- The column `index` cannot serve for that: servers that count without a lock have left equal
-- numbers and holes. Counting rows is right, and linear. So positions are counted once and marked:
--
--   Invariant: a row (recipient, message, message_xmin, place) of parsec_ext.message_mark says that
--   `place` messages of the recipient have an _id ≤ message, now and for ever.
--
-- It holds because a mark is set only when nobody can still commit a smaller _id (see
-- message_settle) and no server deletes messages. A mark counts only while the message it names
-- has the same recipient and the same inserting transaction: tables that were emptied and filled
-- again, or restored from a dump, have outdated marks, which are then replaced. (Who deletes single
-- messages by hand must empty parsec_ext.message_mark: it holds nothing else.)
-- What is behind the mark is counted at each use: some 64 rows at most, as every use beyond that
-- sets a new mark.
CREATE TABLE IF NOT EXISTS parsec_ext.message_mark (
  recipient bigint PRIMARY KEY,
  message bigint NOT NULL,
  message_xmin xid NOT NULL,
  place bigint NOT NULL
);

-- The recipient's mark, if it has one that counts. Inlined into the statement that uses it.
CREATE OR REPLACE FUNCTION parsec_functions.message_mark(recipient bigint)
RETURNS TABLE (message bigint, place bigint)
LANGUAGE sql STABLE ROWS 1
AS $$
  SELECT k.message, k.place
  FROM parsec_ext.message_mark AS k
  JOIN public.message AS m
    ON m._id = k.message AND m.recipient = k.recipient AND m.xmin = k.message_xmin
  WHERE k.recipient = message_mark.recipient
$$;

-- Moves the mark to the newest message, if there are 64 behind it. mark, place: the present one, or
-- 0, 0.
--
-- Safe when no smaller _id can appear any more. Whoever drew an _id for an INSERT had the
-- relation's RowExclusiveLock before that, and holds it to its end; commits become visible before
-- locks are released. So if nobody holds that lock after `newest` was seen, every smaller _id is
-- committed or gone, and the next statement's snapshot counts them all. Somebody does: next time.
-- Never waits (a read must not), and does nothing in a read-only transaction.
CREATE OR REPLACE FUNCTION parsec_functions.message_settle(recipient bigint, mark bigint, place bigint)
RETURNS void
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  newest bigint;
  tail bigint;
BEGIN
  SELECT max(m._id), count(*) INTO newest, tail
  FROM public.message AS m
  WHERE m.recipient = message_settle.recipient AND m._id > mark;
  IF tail < 64 OR current_setting('transaction_read_only')::boolean
    OR NOT pg_try_advisory_xact_lock(
      hashint8extended(recipient, 'parsec_ext.message_mark'::regclass::oid::bigint)
    )
    OR EXISTS (
      SELECT FROM pg_locks AS l
      WHERE l.locktype = 'relation' AND l.relation = 'public.message'::regclass
        AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
        AND l.mode = 'RowExclusiveLock' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
    )
  THEN
    RETURN;
  END IF;
  INSERT INTO parsec_ext.message_mark AS k (recipient, message, message_xmin, place)
  SELECT
    m.recipient,
    m._id,
    m.xmin,
    message_settle.place + (
      SELECT count(*) FROM public.message AS counted
      WHERE counted.recipient = message_settle.recipient AND counted._id > mark
        AND counted._id <= newest
    )
  FROM public.message AS m
  WHERE m._id = newest
  ON CONFLICT ON CONSTRAINT message_mark_pkey DO UPDATE
  SET message = excluded.message, message_xmin = excluded.message_xmin, place = excluded.place;
END
$$;

-- How many messages a user has: the next one's `index` is one more. Call it with the recipient's
-- row of user_ locked FOR NO KEY UPDATE, in a later statement than the lock: then index = position.
CREATE OR REPLACE FUNCTION parsec_functions.message_count(recipient bigint)
RETURNS bigint
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  mark record;
  tail bigint;
BEGIN
  SELECT COALESCE(max(k.message), 0) AS message, COALESCE(max(k.place), 0) AS place INTO mark
  FROM parsec_functions.message_mark(recipient) AS k;
  SELECT count(*) INTO tail
  FROM public.message AS m
  WHERE m.recipient = message_count.recipient AND m._id > mark.message;
  IF tail >= 64 THEN
    PERFORM parsec_functions.message_settle(recipient, mark.message, mark.place);
  END IF;
  RETURN mark.place + tail;
END
$$;

-- All messages of the author user after the first `after` ones, oldest first; of more than max_bytes
-- those that fit, one at least: the reader asks again from where they end, and nobody is kept from
-- messages by too many of them. Behind the mark they are counted forward from it, before it
-- backward: never more rows than there are after `after`, but for 64.
-- Rows after row 0: one message each, status null.
CREATE OR REPLACE FUNCTION parsec_functions.message_get(
  organization_id text,
  device_id text,
  after bigint,
  max_bytes bigint
)
RETURNS TABLE (
  status text,
  count bigint,
  sender text,
  "timestamp" timestamptz,
  body bytea
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  row_bytes CONSTANT integer := 256;  -- of libpq's result, beside a body: at most
  author record;
  mark record;
  returned bigint;
BEGIN
  SELECT * INTO author FROM parsec_functions.author(organization_id, device_id);
  status := author.status;
  RETURN NEXT;
  IF author.status <> 'ok' THEN
    RETURN;
  END IF;

  SELECT COALESCE(max(k.message), 0) AS message, COALESCE(max(k.place), 0) AS place INTO mark
  FROM parsec_functions.message_mark(author.user_) AS k;
  IF after >= mark.place THEN
    RETURN QUERY
    SELECT NULL, after + m.number,
      (SELECT d.device_id::text FROM public.device AS d WHERE d._id = m.sender), m."timestamp",
      m.body
    FROM (
      SELECT wanted.*, row_number() OVER so_far AS number,
        sum(octet_length(wanted.body) + row_bytes) OVER so_far AS bytes
      FROM (
        SELECT behind.* FROM public.message AS behind
        WHERE behind.recipient = author.user_ AND behind._id > mark.message
        ORDER BY behind._id
        OFFSET after - mark.place
      ) AS wanted
      WINDOW so_far AS (ORDER BY wanted._id ROWS UNBOUNDED PRECEDING)
    ) AS m
    WHERE m.number = 1 OR m.bytes <= max_bytes
    ORDER BY m._id;
  ELSE
    RETURN QUERY
    SELECT NULL, after + m.number,
      (SELECT d.device_id::text FROM public.device AS d WHERE d._id = m.sender), m."timestamp",
      m.body
    FROM (
      SELECT wanted.*, row_number() OVER so_far AS number,
        sum(octet_length(wanted.body) + row_bytes) OVER so_far AS bytes
      FROM (
        (
          SELECT before.* FROM public.message AS before
          WHERE before.recipient = author.user_ AND before._id <= mark.message
          ORDER BY before._id DESC
          LIMIT mark.place - after
        )
        UNION ALL
        SELECT behind.* FROM public.message AS behind
        WHERE behind.recipient = author.user_ AND behind._id > mark.message
      ) AS wanted
      WINDOW so_far AS (ORDER BY wanted._id ROWS UNBOUNDED PRECEDING)
    ) AS m
    WHERE m.number = 1 OR m.bytes <= max_bytes
    ORDER BY m._id;
  END IF;
  GET DIAGNOSTICS returned = ROW_COUNT;
  IF after - mark.place + returned >= 64 THEN
    PERFORM parsec_functions.message_settle(author.user_, mark.message, mark.place);
  END IF;
END
$$;
