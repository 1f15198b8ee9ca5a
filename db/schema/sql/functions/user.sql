-- Users (protocol/4-commands.md §4.4), and the API v1 forms that differ (protocol/7-apiv1.md §7.3).

-- Stores a user with its first device and, if it has one, its human; the first label of an email
-- wins. False, and nothing stored, if the user ID is taken after all: by a server that does not lock.
-- (ON CONFLICT rather than an exception: a savepoint costs every call.) The caller holds the
-- organization. certifier null: signed by the root key.
CREATE OR REPLACE FUNCTION parsec_functions.user_insert(
  organization bigint,
  certifier bigint,
  certified_on timestamptz,
  user_id text,
  profile public.user_profile,
  human_email text,
  human_label text,
  user_certificate bytea,
  redacted_user_certificate bytea,
  device_id text,
  device_label text,
  device_certificate bytea,
  redacted_device_certificate bytea
)
RETURNS boolean
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  new_human bigint;
  new_user bigint;
BEGIN
  INSERT INTO public.user_ AS u (
    organization, user_id, user_certificate, user_certifier, created_on,
    redacted_user_certificate, profile
  )
  VALUES (
    organization, user_id, user_certificate, certifier, certified_on, redacted_user_certificate,
    profile
  )
  ON CONFLICT (organization, user_id) DO NOTHING
  RETURNING u._id INTO new_user;
  IF new_user IS NULL THEN
    RETURN false;
  END IF;

  IF human_email IS NOT NULL THEN
    INSERT INTO public.human (organization, email, label)
    VALUES (organization, human_email, human_label)
    ON CONFLICT (organization, email) DO NOTHING;
    SELECT h._id INTO new_human
    FROM public.human AS h
    WHERE h.organization = user_insert.organization AND h.email = human_email;
    UPDATE public.user_ AS u SET human = new_human WHERE u._id = new_user;
  END IF;

  INSERT INTO public.device (
    organization, user_, device_id, device_certificate, device_certifier, created_on,
    redacted_device_certificate, device_label
  )
  VALUES (
    organization, new_user, device_id, device_certificate, certifier, certified_on,
    redacted_device_certificate, device_label
  );
  RETURN true;
END
$$;

-- ok, not_allowed (the author is not ADMIN), user_already_exists, human_already_exists.
-- notification: user.created.
CREATE OR REPLACE FUNCTION parsec_functions.user_create(
  organization_id text,
  author_device_id text,
  certified_on timestamptz,
  user_id text,
  profile text,
  human_email text,
  human_label text,
  user_certificate bytea,
  redacted_user_certificate bytea,
  device_id text,
  device_label text,
  device_certificate bytea,
  redacted_device_certificate bytea,
  notification bytea
)
RETURNS TABLE (status text)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  held CONSTANT boolean := parsec_functions.hold_rights(organization_id, author_device_id);
  author record;
BEGIN
  PERFORM FROM public.organization AS o
  WHERE o.organization_id = user_create.organization_id
  FOR NO KEY UPDATE;
  SELECT * INTO author FROM parsec_functions.author(organization_id, author_device_id);
  IF author.status <> 'ok' THEN
    status := author.status;
  ELSIF author.profile <> 'ADMIN' THEN
    status := 'not_allowed';
  ELSIF EXISTS (
    SELECT FROM public.user_ AS u
    WHERE u.organization = author.organization AND u.user_id = user_create.user_id
  ) THEN
    status := 'user_already_exists';
  ELSIF EXISTS (
    SELECT FROM public.user_ AS u
    WHERE u.human = (
        SELECT h._id FROM public.human AS h
        WHERE h.organization = author.organization AND h.email = user_create.human_email
      )
      AND u.revoked_on IS NULL
  ) THEN
    status := 'human_already_exists';
  ELSIF parsec_functions.user_insert(
    author.organization, author.device, certified_on, user_id, profile::public.user_profile,
    human_email, human_label, user_certificate, redacted_user_certificate, device_id,
    device_label, device_certificate, redacted_device_certificate
  ) THEN
    status := 'ok';
    PERFORM parsec_functions.notify(notification);
  ELSE
    status := 'user_already_exists';
  END IF;
  RETURN NEXT;
END
$$;

-- ok, not_allowed (the author is not ADMIN), not_found, already_revoked (whatever the date).
-- notification: user.revoked. Before anybody is told, the caller waits for the user's writes (await_writes).
CREATE OR REPLACE FUNCTION parsec_functions.user_revoke(
  organization_id text,
  author_device_id text,
  user_id text,
  revoked_on timestamptz,
  revoked_user_certificate bytea,
  notification bytea
)
RETURNS TABLE (status text)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  held CONSTANT boolean := parsec_functions.hold_rights(organization_id, author_device_id);
  author record;
  target bigint;
BEGIN
  PERFORM FROM public.organization AS o
  WHERE o.organization_id = user_revoke.organization_id
  FOR NO KEY UPDATE;
  SELECT * INTO author FROM parsec_functions.author(organization_id, author_device_id);
  IF author.status <> 'ok' THEN
    status := author.status;
    RETURN NEXT;
    RETURN;
  ELSIF author.profile <> 'ADMIN' THEN
    status := 'not_allowed';
    RETURN NEXT;
    RETURN;
  END IF;

  SELECT u._id INTO target
  FROM public.user_ AS u
  WHERE u.organization = author.organization AND u.user_id = user_revoke.user_id;
  IF target IS NULL THEN
    status := 'not_found';
  ELSE
    -- The condition also decides against a server that does not lock.
    UPDATE public.user_ AS u
    SET revoked_on = user_revoke.revoked_on,
      revoked_user_certificate = user_revoke.revoked_user_certificate,
      revoked_user_certifier = author.device
    WHERE u._id = target AND u.revoked_on IS NULL;
    IF FOUND THEN
      status := 'ok';
      PERFORM parsec_functions.notify(notification);
    ELSE
      status := 'already_revoked';
    END IF;
  END IF;
  RETURN NEXT;
END
$$;

-- The closure of who certified (protocol/4-commands.md §4.4 user_get), from these devices on: their
-- certificates (list: devices), their owners' (users) and the owners' revocations (revoked_users),
-- and so on with the certifiers of all three. Each once.
--
-- LATERAL … OFFSET 0 keeps each lookup by key: the planner cannot know how short chains are, and
-- would read the whole tables to join them at once.
CREATE OR REPLACE FUNCTION parsec_functions.trustchain(certifiers bigint[], redacted boolean)
RETURNS TABLE (list text, certificate bytea)
LANGUAGE sql STABLE
AS $$
  WITH RECURSIVE reached (device) AS (
    SELECT start FROM unnest(certifiers) AS start WHERE start IS NOT NULL
    UNION
    SELECT next.device
    FROM reached
    CROSS JOIN LATERAL (
      SELECT d.device_certifier::bigint, u.user_certifier::bigint, u.revoked_user_certifier::bigint
      FROM public.device AS d
      JOIN public.user_ AS u ON u._id = d.user_
      WHERE d._id = reached.device
      OFFSET 0
    ) AS found
    CROSS JOIN LATERAL (
      VALUES (found.device_certifier), (found.user_certifier), (found.revoked_user_certifier)
    ) AS next (device)
    WHERE next.device IS NOT NULL
  ),
  devices AS MATERIALIZED (
    SELECT d.*
    FROM reached
    CROSS JOIN LATERAL (
      SELECT one.* FROM public.device AS one WHERE one._id = reached.device OFFSET 0
    ) AS d
  ),
  users AS MATERIALIZED (
    SELECT u.*
    FROM (SELECT DISTINCT devices.user_ FROM devices) AS owner
    CROSS JOIN LATERAL (
      SELECT one.* FROM public.user_ AS one WHERE one._id = owner.user_ OFFSET 0
    ) AS u
  )
  SELECT 'devices',
    CASE WHEN redacted THEN d.redacted_device_certificate ELSE d.device_certificate END
  FROM devices AS d
  UNION ALL
  SELECT 'users', CASE WHEN redacted THEN u.redacted_user_certificate ELSE u.user_certificate END
  FROM users AS u
  UNION ALL
  SELECT 'revoked_users', u.revoked_user_certificate
  FROM users AS u
  WHERE u.revoked_user_certificate IS NOT NULL
$$;

-- ok, not_found. Rows after row 0 have a certificate and the list it belongs to: own (the user's
-- devices), or one of the trustchain's. An OUTSIDER gets the redacted ones.
CREATE OR REPLACE FUNCTION parsec_functions.user_get(
  organization_id text,
  device_id text,
  user_id text
)
RETURNS TABLE (
  status text,
  user_certificate bytea,
  revoked_user_certificate bytea,
  list text,
  certificate bytea
)
LANGUAGE plpgsql STABLE
AS $$
#variable_conflict use_column
DECLARE
  author record;
  found record;
  redacted boolean;
  certifiers bigint[];
BEGIN
  SELECT * INTO author FROM parsec_functions.author(organization_id, device_id);
  IF author.status <> 'ok' THEN
    status := author.status;
    RETURN NEXT;
    RETURN;
  END IF;
  redacted := author.profile = 'OUTSIDER';

  SELECT u._id::bigint, u.user_certifier::bigint, u.revoked_user_certifier::bigint,
    u.revoked_user_certificate,
    CASE WHEN redacted THEN u.redacted_user_certificate ELSE u.user_certificate END AS certificate
  INTO found
  FROM public.user_ AS u
  WHERE u.organization = author.organization AND u.user_id = user_get.user_id;
  IF found._id IS NULL THEN
    status := 'not_found';
    RETURN NEXT;
    RETURN;
  END IF;
  status := 'ok';
  user_certificate := found.certificate;
  revoked_user_certificate := found.revoked_user_certificate;
  RETURN NEXT;

  RETURN QUERY
  SELECT NULL, NULL::bytea, NULL::bytea, 'own',
    CASE WHEN redacted THEN d.redacted_device_certificate ELSE d.device_certificate END
  FROM public.device AS d
  WHERE d.user_ = found._id
  ORDER BY d._id;

  SELECT array_agg(d.device_certifier::bigint) INTO certifiers
  FROM public.device AS d
  WHERE d.user_ = found._id;
  RETURN QUERY
  SELECT NULL, NULL::bytea, NULL::bytea, chain.list, chain.certificate
  FROM parsec_functions.trustchain(
    certifiers || found.user_certifier || found.revoked_user_certifier, redacted
  ) AS chain;
END
$$;

-- ok, not_allowed (OUTSIDER). pattern: of LIKE, made from plain text (db/functions/search_pattern.h);
-- null: everybody. The cost is that of the organization's users: the contract wants a total, and an
-- order that no index has.
-- Rows after row 0: one user each; email and label null without human handle.
CREATE OR REPLACE FUNCTION parsec_functions.human_find(
  organization_id text,
  device_id text,
  pattern text,
  omit_revoked boolean,
  omit_non_human boolean,
  page_offset bigint,
  page_size bigint
)
RETURNS TABLE (
  status text,
  total bigint,
  user_id text,
  email text,
  label text,
  revoked boolean
)
LANGUAGE plpgsql STABLE
AS $$
#variable_conflict use_column
DECLARE
  lower_pattern CONSTANT text := lower(pattern);
  author record;
BEGIN
  SELECT * INTO author FROM parsec_functions.author(organization_id, device_id);
  IF author.status <> 'ok' OR author.profile = 'OUTSIDER' THEN
    status := CASE WHEN author.status <> 'ok' THEN author.status ELSE 'not_allowed' END;
    RETURN NEXT;
    RETURN;
  END IF;

  RETURN QUERY
  WITH matching AS MATERIALIZED (
    SELECT u.user_id, h.email, h.label, u.revoked_on IS NOT NULL AS revoked
    FROM public.user_ AS u
    LEFT JOIN public.human AS h ON h._id = u.human
    WHERE u.organization = author.organization
      AND (
        lower_pattern IS NULL
        OR lower(COALESCE(h.label, '') || COALESCE(h.email, '') || u.user_id) LIKE lower_pattern
      )
      AND NOT (omit_revoked AND u.revoked_on IS NOT NULL)
      AND NOT (omit_non_human AND h._id IS NULL)
  ),
  -- Sorted twice: a page of many users, and then its few.
  page AS (
    SELECT m.*
    FROM matching AS m
    ORDER BY m.email IS NULL, lower(m.label), lower(m.user_id)
    OFFSET page_offset
    LIMIT page_size
  )
  SELECT r.status, r.total, r.user_id, r.email, r.label, r.revoked
  FROM (
    SELECT 'ok'::text AS status, count(*) AS total, NULL::text AS user_id, NULL::text AS email,
      NULL::text AS label, NULL::boolean AS revoked, 0::bigint AS place
    FROM matching
    UNION ALL
    SELECT NULL, NULL, p.user_id::text, p.email::text, p.label::text, p.revoked,
      row_number() OVER (ORDER BY p.email IS NULL, lower(p.label), lower(p.user_id))
    FROM page AS p
  ) AS r
  ORDER BY r.place;
END
$$;

-- API v1. ok, not_allowed (OUTSIDER). query null or empty: everybody; else a part of the user ID, in
-- any case. Rows after row 0: one user ID each, bytewise.
CREATE OR REPLACE FUNCTION parsec_functions.user_find(
  organization_id text,
  device_id text,
  query text,
  omit_revoked boolean,
  page_offset bigint,
  page_size bigint
)
RETURNS TABLE (status text, total bigint, user_id text)
LANGUAGE plpgsql STABLE
AS $$
#variable_conflict use_column
DECLARE
  author record;
BEGIN
  SELECT * INTO author FROM parsec_functions.author(organization_id, device_id);
  IF author.status <> 'ok' OR author.profile = 'OUTSIDER' THEN
    status := CASE WHEN author.status <> 'ok' THEN author.status ELSE 'not_allowed' END;
    RETURN NEXT;
    RETURN;
  END IF;

  RETURN QUERY
  WITH matching AS MATERIALIZED (
    SELECT u.user_id::text COLLATE "C" AS user_id
    FROM public.user_ AS u
    WHERE u.organization = author.organization
      AND (COALESCE(query, '') = '' OR position(lower(query) IN lower(u.user_id)) > 0)
      AND NOT (omit_revoked AND u.revoked_on IS NOT NULL)
  ),
  page AS (
    SELECT m.user_id FROM matching AS m ORDER BY m.user_id OFFSET page_offset LIMIT page_size
  )
  SELECT r.status, r.total, r.user_id
  FROM (
    SELECT 'ok'::text AS status, count(*) AS total, NULL::text AS user_id, 0::bigint AS place
    FROM matching
    UNION ALL
    SELECT NULL, NULL, p.user_id, row_number() OVER (ORDER BY p.user_id) FROM page AS p
  ) AS r
  ORDER BY r.place;
END
$$;
