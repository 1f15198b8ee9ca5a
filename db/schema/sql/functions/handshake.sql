-- What a handshake asks (protocol/2-handshake.md §2.2), and what a subscription starts from
-- (protocol/6-events.md §6.1).
--
-- Always one row and the same work, known or not: a stranger's clock learns nothing. Expiration and
-- revocation are columns, not a status, because they are told only after the signature was checked.
-- One lookup after the other (LATERAL … LIMIT 1), as in parsec_functions.author and for the same reason.

-- ok, not_found (organization or device).
CREATE OR REPLACE FUNCTION parsec_functions.handshake_authenticated(
  organization_id text,
  device_id text
)
RETURNS TABLE (
  status text,
  device_certificate bytea,
  root_verify_key bytea,
  expired boolean,
  revoked boolean,
  profile text
)
LANGUAGE sql STABLE ROWS 1
AS $$
  SELECT
    CASE WHEN d._id IS NULL OR o.root_verify_key IS NULL THEN 'not_found' ELSE 'ok' END,
    d.device_certificate,
    o.root_verify_key,
    COALESCE(o.expiration_date <= statement_timestamp(), false),
    u.revoked_on IS NOT NULL,
    COALESCE(u.profile, 'STANDARD')::text
  FROM (SELECT) AS always
  LEFT JOIN LATERAL (
    SELECT found.* FROM public.organization AS found
    WHERE found.organization_id = handshake_authenticated.organization_id LIMIT 1
  ) AS o ON true
  LEFT JOIN LATERAL (
    SELECT found.* FROM public.device AS found
    WHERE found.organization = o._id AND found.device_id = handshake_authenticated.device_id
    LIMIT 1
  ) AS d ON true
  LEFT JOIN LATERAL (
    SELECT found.* FROM public.user_ AS found WHERE found._id = d.user_ LIMIT 1
  ) AS u ON true
$$;

-- ok, not_found. root_verify_key null: not bootstrapped.
CREATE OR REPLACE FUNCTION parsec_functions.handshake_anonymous(organization_id text)
RETURNS TABLE (status text, root_verify_key bytea, expired boolean)
LANGUAGE sql STABLE ROWS 1
AS $$
  SELECT
    CASE WHEN o._id IS NULL THEN 'not_found' ELSE 'ok' END,
    o.root_verify_key,
    COALESCE(o.expiration_date <= statement_timestamp(), false)
  FROM (SELECT) AS always
  LEFT JOIN public.organization AS o
    ON o.organization_id = handshake_anonymous.organization_id
$$;

-- The same with spontaneous bootstrap: an unknown organization is created, with an empty token.
CREATE OR REPLACE FUNCTION parsec_functions.handshake_anonymous_or_create(organization_id text)
RETURNS TABLE (status text, root_verify_key bytea, expired boolean)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY SELECT * FROM parsec_functions.handshake_anonymous(organization_id) AS h
  WHERE h.status = 'ok';
  IF NOT FOUND THEN
    INSERT INTO public.organization (organization_id, bootstrap_token)
    VALUES (handshake_anonymous_or_create.organization_id, '')
    ON CONFLICT (organization_id) DO NOTHING;
    RETURN QUERY SELECT * FROM parsec_functions.handshake_anonymous(organization_id);
  END IF;
END
$$;

-- ok, organization_not_found, not_found (the invitation; expired is told nevertheless).
CREATE OR REPLACE FUNCTION parsec_functions.handshake_invited(organization_id text, token uuid)
RETURNS TABLE (
  status text,
  expired boolean,
  deleted boolean,
  type text,
  greeter text
)
LANGUAGE sql STABLE ROWS 1
AS $$
  SELECT
    CASE
      WHEN o._id IS NULL THEN 'organization_not_found'
      WHEN i._id IS NULL THEN 'not_found'
      ELSE 'ok'
    END,
    COALESCE(o.expiration_date <= statement_timestamp(), false),
    i.deleted_on IS NOT NULL,
    i.type::text,
    u.user_id::text
  FROM (SELECT) AS always
  LEFT JOIN LATERAL (
    SELECT found.* FROM public.organization AS found
    WHERE found.organization_id = handshake_invited.organization_id LIMIT 1
  ) AS o ON true
  LEFT JOIN LATERAL (
    SELECT found.* FROM public.invitation AS found
    WHERE found.organization = o._id AND found.token = handshake_invited.token LIMIT 1
  ) AS i ON true
  LEFT JOIN LATERAL (
    SELECT found.* FROM public.user_ AS found WHERE found._id = i.greeter LIMIT 1
  ) AS u ON true
$$;

-- When an expiration was announced last. By public ID and without foreign key: others must be able
-- to TRUNCATE the tables of the contract.
CREATE TABLE IF NOT EXISTS parsec_ext.announced_expiration (
  organization_id text PRIMARY KEY,
  expiration_date timestamptz NOT NULL,
  announced_on timestamptz NOT NULL
);

-- ok. A handshake found the organization expired; notification: organization.expired. Anybody may
-- try that as often as he likes, so the same expiration is told once a minute at most, by all
-- servers together; else nothing is written. Again at all: who could not hear it then may now.
CREATE OR REPLACE FUNCTION parsec_functions.announce_expired(organization_id text, notification bytea)
RETURNS TABLE (status text)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  since CONSTANT timestamptz := statement_timestamp() - interval '1 minute';
  expired_on timestamptz;
BEGIN
  status := 'ok'; RETURN NEXT;
  SELECT o.expiration_date INTO expired_on
  FROM public.organization AS o
  WHERE o.organization_id = announce_expired.organization_id
    AND o.expiration_date <= statement_timestamp()
    AND NOT EXISTS (
      SELECT FROM parsec_ext.announced_expiration AS known
      WHERE known.organization_id = announce_expired.organization_id
        AND known.expiration_date = o.expiration_date
        AND known.announced_on > since
    );
  IF expired_on IS NULL THEN
    RETURN;
  END IF;
  -- Of several at once, one.
  INSERT INTO parsec_ext.announced_expiration AS known
  VALUES (announce_expired.organization_id, expired_on, statement_timestamp())
  ON CONFLICT ON CONSTRAINT announced_expiration_pkey DO UPDATE
  SET expiration_date = excluded.expiration_date, announced_on = excluded.announced_on
  WHERE known.expiration_date <> excluded.expiration_date OR known.announced_on <= since;
  IF FOUND THEN
    PERFORM parsec_functions.notify(announce_expired.notification);
  END IF;
END
$$;

-- The realms where a user has a role now. ok, and the statuses of an author. Rows after row 0: one
-- realm each. The current role is that of the newest certificate (protocol/4-commands.md §4.5).
CREATE OR REPLACE FUNCTION parsec_functions.user_realms(organization_id text, user_id text)
RETURNS TABLE (status text, realm_id uuid, role text)
LANGUAGE plpgsql STABLE
AS $$
#variable_conflict use_column
DECLARE
  found record;
BEGIN
  SELECT o.expiration_date, u._id::bigint, u.revoked_on INTO found
  FROM public.organization AS o
  CROSS JOIN LATERAL (
    SELECT one.* FROM public.user_ AS one
    WHERE one.organization = o._id AND one.user_id = user_realms.user_id LIMIT 1
  ) AS u
  WHERE o.organization_id = user_realms.organization_id;
  status := CASE
    WHEN found._id IS NULL THEN 'author_unknown'
    WHEN found.revoked_on IS NOT NULL THEN 'author_revoked'
    WHEN found.expiration_date <= statement_timestamp() THEN 'organization_expired'
    ELSE 'ok'
  END;
  RETURN NEXT;
  IF status <> 'ok' THEN
    RETURN;
  END IF;
  RETURN QUERY
  SELECT NULL, (SELECT r.realm_id FROM public.realm AS r WHERE r._id = newest.realm),
    newest.role::text
  FROM (
    SELECT DISTINCT ON (given.realm) given.realm, given.role
    FROM public.realm_user_role AS given
    WHERE given.user_ = found._id
    ORDER BY given.realm, given.certified_on DESC, given._id DESC
  ) AS newest
  WHERE newest.role IS NOT NULL;
END
$$;
