-- Organizations: administration (protocol/7-apiv1.md §7.1) and bootstrap (§7.2). No author: these
-- commands come over connections that are no device's.
--
-- Whoever creates an organization anew, bootstraps it, or creates and revokes its users holds its
-- row FOR NO KEY UPDATE (an UPDATE takes the same lock), which foreign keys to it do not wait for.

-- ok, already_exists. Not bootstrapped yet: created anew. ON CONFLICT locks the row and looks at its
-- newest version, so a bootstrap that commits meanwhile is never overwritten.
CREATE OR REPLACE FUNCTION parsec_functions.organization_create(
  organization_id text,
  bootstrap_token text,
  expiration_date timestamptz
)
RETURNS TABLE (status text)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
  INSERT INTO public.organization AS o (organization_id, bootstrap_token, expiration_date)
  VALUES (
    organization_create.organization_id,
    organization_create.bootstrap_token,
    organization_create.expiration_date
  )
  ON CONFLICT (organization_id) DO UPDATE
  SET bootstrap_token = excluded.bootstrap_token, expiration_date = excluded.expiration_date
  WHERE o.root_verify_key IS NULL;
  status := CASE WHEN FOUND THEN 'ok' ELSE 'already_exists' END;
  RETURN NEXT;
END
$$;

-- ok, not_found.
CREATE OR REPLACE FUNCTION parsec_functions.organization_status(organization_id text)
RETURNS TABLE (status text, is_bootstrapped boolean, expiration_date timestamptz)
LANGUAGE sql STABLE ROWS 1
AS $$
  SELECT
    CASE WHEN o._id IS NULL THEN 'not_found' ELSE 'ok' END,
    o.root_verify_key IS NOT NULL,
    o.expiration_date
  FROM (SELECT) AS always
  LEFT JOIN public.organization AS o
    ON o.organization_id = organization_status.organization_id
$$;

-- ok. Whether organization.expired holds still. A server of another make tells by its own clock,
-- which may be ahead of the database's: hence the seconds.
CREATE OR REPLACE FUNCTION parsec_functions.organization_is_expired(organization_id text)
RETURNS TABLE (status text, expired boolean)
LANGUAGE sql STABLE ROWS 1
AS $$
  SELECT 'ok', EXISTS (
    SELECT FROM public.organization AS o
    WHERE o.organization_id = organization_is_expired.organization_id
      AND o.expiration_date <= clock_timestamp() + interval '5 seconds'
  )
$$;

-- ok, not_found. The one command whose cost is that of what it adds up: the organization's blocks
-- and vlob versions, found by the indexes that begin with the organization. It is rare and manual.
CREATE OR REPLACE FUNCTION parsec_functions.organization_stats(organization_id text)
RETURNS TABLE (status text, data_size bigint, metadata_size bigint, users bigint)
LANGUAGE plpgsql STABLE
AS $$
#variable_conflict use_column
DECLARE
  found bigint;
BEGIN
  SELECT o._id INTO found
  FROM public.organization AS o
  WHERE o.organization_id = organization_stats.organization_id;
  IF found IS NULL THEN
    status := 'not_found';
    RETURN NEXT;
    RETURN;
  END IF;
  status := 'ok';
  SELECT COALESCE(sum(b.size), 0) INTO data_size
  FROM public.block AS b
  WHERE b.organization = found;
  SELECT COALESCE(sum(v.size), 0) INTO metadata_size
  FROM public.vlob_atom AS v
  WHERE v.organization = found;
  SELECT count(*) INTO users
  FROM public.user_ AS u
  WHERE u.organization = found;
  RETURN NEXT;
END
$$;

-- ok, not_found. expired: the date is past; then notification organization.expired is sent, and the caller
-- waits for the organization's writes (await_writes) before it replies.
CREATE OR REPLACE FUNCTION parsec_functions.organization_update(
  organization_id text,
  expiration_date timestamptz,
  notification bytea
)
RETURNS TABLE (status text, expired boolean)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
  UPDATE public.organization AS o
  SET expiration_date = organization_update.expiration_date
  WHERE o.organization_id = organization_update.organization_id;
  IF NOT FOUND THEN
    status := 'not_found';
  ELSE
    status := 'ok';
    expired := COALESCE(organization_update.expiration_date <= clock_timestamp(), false);
    IF expired THEN
      PERFORM parsec_functions.notify(notification);
    END IF;
  END IF;
  RETURN NEXT;
END
$$;

-- ok, already_bootstrapped, not_found (organization or token), organization_expired.
-- human_email null: a user without human handle. notification: user.created.
CREATE OR REPLACE FUNCTION parsec_functions.organization_bootstrap(
  organization_id text,
  bootstrap_token bytea,
  root_verify_key bytea,
  certified_on timestamptz,
  user_id text,
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
  organization record;
  created boolean;
BEGIN
  SELECT o._id::bigint, o.bootstrap_token, o.root_verify_key, o.expiration_date INTO organization
  FROM public.organization AS o
  WHERE o.organization_id = organization_bootstrap.organization_id
  FOR NO KEY UPDATE;
  -- Digests are compared, not tokens: how far they agree tells nothing about the token.
  status := CASE
    WHEN organization._id IS NULL THEN 'not_found'
    WHEN organization.root_verify_key IS NOT NULL THEN 'already_bootstrapped'
    WHEN sha256(convert_to(organization.bootstrap_token, 'UTF8'))
      <> sha256(organization_bootstrap.bootstrap_token) THEN 'not_found'
    WHEN organization.expiration_date <= clock_timestamp() THEN 'organization_expired'
    ELSE 'ok'
  END;
  IF status = 'ok' THEN
    created := parsec_functions.user_insert(
      organization._id, NULL, certified_on, user_id, 'ADMIN', human_email, human_label,
      user_certificate, redacted_user_certificate, device_id, device_label, device_certificate,
      redacted_device_certificate
    );
    IF created THEN
      UPDATE public.organization AS o
      SET root_verify_key = organization_bootstrap.root_verify_key
      WHERE o._id = organization._id;
      PERFORM parsec_functions.notify(notification);
    ELSE
      -- A server that does not lock has bootstrapped it a moment ago.
      status := 'already_bootstrapped';
    END IF;
  END IF;
  RETURN NEXT;
END
$$;
