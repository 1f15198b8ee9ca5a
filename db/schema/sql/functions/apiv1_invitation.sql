-- Users and devices by invitation, as API v1 has them (protocol/7-apiv1.md §7.3). An invitation is
-- a row of user_invitation or device_invitation: valid for an hour, while nobody of that ID exists;
-- it stays when somebody does, and only a cancellation deletes it.
--
-- Nothing here waits. Inviters and claimers wait in their servers, for events that they listened to
-- before they called: so no order of these functions among each other needs a lock.

-- Claims that a notification cannot tell (protocol/6-events.md §6.2): those too large for it, and
-- the empty ones, because the event of a large claim has an empty one. The last claim of an ID
-- counts, so that a stranger who claims again and again fills nothing. Kept for an hour: its
-- invitation is not valid for longer. By public IDs and without foreign keys: others must be able
-- to TRUNCATE the tables of the contract.
CREATE TABLE IF NOT EXISTS parsec_ext.invitation_claim (
  organization_id text NOT NULL,
  invited_id text NOT NULL,  -- a user ID or a device ID: only the latter has an @
  encrypted_claim bytea NOT NULL,
  created_on timestamptz NOT NULL,
  PRIMARY KEY (organization_id, invited_id)
);
CREATE INDEX IF NOT EXISTS invitation_claim_created_on
ON parsec_ext.invitation_claim (created_on);

-- The organization of an anonymous connection. Always one row: ok, not_found (the database was emptied
-- under the connection), organization_expired.
CREATE OR REPLACE FUNCTION parsec_functions.organization_of_stranger(organization_id text)
RETURNS TABLE (status text, organization bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
  SELECT
    CASE
      WHEN o._id IS NULL THEN 'not_found'
      WHEN o.expiration_date <= clock_timestamp() THEN 'organization_expired'
      ELSE 'ok'
    END,
    o._id::bigint
  FROM (SELECT) AS always
  LEFT JOIN LATERAL (
    SELECT found._id, found.expiration_date FROM public.organization AS found
    WHERE found.organization_id = organization_of_stranger.organization_id LIMIT 1
  ) AS o ON true
$$;

-- The device that invited, if there is a valid invitation; else null. Inlined by the planner.
CREATE OR REPLACE FUNCTION parsec_functions.user_inviter(organization bigint, user_id text)
RETURNS TABLE (device bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
  SELECT i.creator::bigint
  FROM public.user_invitation AS i
  WHERE i.organization = user_inviter.organization
    AND i.user_id = user_inviter.user_id
    AND i.created_on > statement_timestamp() - interval '1 hour'
    AND NOT EXISTS (
      SELECT FROM public.user_ AS u
      WHERE u.organization = user_inviter.organization AND u.user_id = user_inviter.user_id
    )
$$;
CREATE OR REPLACE FUNCTION parsec_functions.device_inviter(organization bigint, device_id text)
RETURNS TABLE (device bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
  SELECT i.creator::bigint
  FROM public.device_invitation AS i
  WHERE i.organization = device_inviter.organization
    AND i.device_id = device_inviter.device_id
    AND i.created_on > statement_timestamp() - interval '1 hour'
    AND NOT EXISTS (
      SELECT FROM public.device AS d
      WHERE d.organization = device_inviter.organization
        AND d.device_id = device_inviter.device_id
    )
$$;

-- --- Inviting

-- ok, not_allowed (the author is not ADMIN), already_exists. A new invitation replaces the old.
CREATE OR REPLACE FUNCTION parsec_functions.user_invite(
  organization_id text,
  author_device_id text,
  user_id text
)
RETURNS TABLE (status text)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  held CONSTANT boolean := parsec_functions.hold_rights(organization_id, author_device_id);
  author record;
BEGIN
  SELECT * INTO author FROM parsec_functions.author(organization_id, author_device_id);
  IF author.status <> 'ok' THEN
    status := author.status;
  ELSIF author.profile <> 'ADMIN' THEN
    status := 'not_allowed';
  ELSIF EXISTS (
    SELECT FROM public.user_ AS u
    WHERE u.organization = author.organization AND u.user_id = user_invite.user_id
  ) THEN
    status := 'already_exists';
  ELSE
    INSERT INTO public.user_invitation (organization, user_id, creator, created_on)
    VALUES (author.organization, user_invite.user_id, author.device, statement_timestamp())
    ON CONFLICT (organization, user_id) DO UPDATE
    SET creator = excluded.creator, created_on = excluded.created_on;
    status := 'ok';
  END IF;
  RETURN NEXT;
END
$$;

-- ok, already_exists. The caller names a device of the author's own user.
CREATE OR REPLACE FUNCTION parsec_functions.device_invite(
  organization_id text,
  author_device_id text,
  device_id text
)
RETURNS TABLE (status text)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  held CONSTANT boolean := parsec_functions.hold_rights(organization_id, author_device_id);
  author record;
BEGIN
  SELECT * INTO author FROM parsec_functions.author(organization_id, author_device_id);
  IF author.status <> 'ok' THEN
    status := author.status;
  ELSIF EXISTS (
    SELECT FROM public.device AS d
    WHERE d.organization = author.organization AND d.device_id = device_invite.device_id
  ) THEN
    status := 'already_exists';
  ELSE
    INSERT INTO public.device_invitation (organization, device_id, creator, created_on)
    VALUES (author.organization, device_invite.device_id, author.device, statement_timestamp())
    ON CONFLICT (organization, device_id) DO UPDATE
    SET creator = excluded.creator, created_on = excluded.created_on;
    status := 'ok';
  END IF;
  RETURN NEXT;
END
$$;

-- ok (whether there was an invitation or not), not_allowed (the author is not ADMIN). notification:
-- user.invitation.cancelled.
CREATE OR REPLACE FUNCTION parsec_functions.user_cancel_invitation(
  organization_id text,
  author_device_id text,
  user_id text,
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
  SELECT * INTO author FROM parsec_functions.author(organization_id, author_device_id);
  status := author.status;
  IF author.status = 'ok' AND author.profile <> 'ADMIN' THEN
    status := 'not_allowed';
  ELSIF author.status = 'ok' THEN
    DELETE FROM public.user_invitation AS i
    WHERE i.organization = author.organization AND i.user_id = user_cancel_invitation.user_id;
    PERFORM parsec_functions.notify(notification);
  END IF;
  RETURN NEXT;
END
$$;

-- ok (whether there was an invitation or not). notification: device.invitation.cancelled.
CREATE OR REPLACE FUNCTION parsec_functions.device_cancel_invitation(
  organization_id text,
  author_device_id text,
  device_id text,
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
  SELECT * INTO author FROM parsec_functions.author(organization_id, author_device_id);
  status := author.status;
  IF author.status = 'ok' THEN
    DELETE FROM public.device_invitation AS i
    WHERE i.organization = author.organization
      AND i.device_id = device_cancel_invitation.device_id;
    PERFORM parsec_functions.notify(notification);
  END IF;
  RETURN NEXT;
END
$$;

-- --- The invited

-- ok, or that status; not_found if device is null. Rows after row 0 are the trustchain of a user_get.
CREATE OR REPLACE FUNCTION parsec_functions.inviter_certificates(found_status text, device bigint)
RETURNS TABLE (
  status text,
  user_certificate bytea,
  device_certificate bytea,
  list text,
  certificate bytea
)
LANGUAGE plpgsql STABLE
AS $$
#variable_conflict use_column
DECLARE
  inviter record;
BEGIN
  IF found_status <> 'ok' OR inviter_certificates.device IS NULL THEN
    status := CASE WHEN found_status <> 'ok' THEN found_status ELSE 'not_found' END;
    RETURN NEXT;
    RETURN;
  END IF;

  SELECT u.user_certificate, d.device_certificate,
    ARRAY[d.device_certifier, u.user_certifier, u.revoked_user_certifier]::bigint[] AS certifiers
  INTO inviter
  FROM public.device AS d
  JOIN public.user_ AS u ON u._id = d.user_
  WHERE d._id = inviter_certificates.device;
  status := 'ok';
  user_certificate := inviter.user_certificate;
  device_certificate := inviter.device_certificate;
  RETURN NEXT;

  RETURN QUERY
  SELECT NULL, NULL::bytea, NULL::bytea, chain.list, chain.certificate
  FROM parsec_functions.trustchain(inviter.certifiers, false) AS chain;
END
$$;

-- ok, not_found. See inviter_certificates.
CREATE OR REPLACE FUNCTION parsec_functions.user_get_invitation_creator(
  organization_id text,
  user_id text
)
RETURNS TABLE (
  status text,
  user_certificate bytea,
  device_certificate bytea,
  list text,
  certificate bytea
)
LANGUAGE sql STABLE
AS $$
  SELECT creator.*
  FROM parsec_functions.organization_of_stranger(organization_id) AS o
  LEFT JOIN LATERAL parsec_functions.user_inviter(o.organization, user_id) AS inviter ON true
  CROSS JOIN LATERAL parsec_functions.inviter_certificates(o.status, inviter.device) AS creator
$$;
CREATE OR REPLACE FUNCTION parsec_functions.device_get_invitation_creator(
  organization_id text,
  device_id text
)
RETURNS TABLE (
  status text,
  user_certificate bytea,
  device_certificate bytea,
  list text,
  certificate bytea
)
LANGUAGE sql STABLE
AS $$
  SELECT creator.*
  FROM parsec_functions.organization_of_stranger(organization_id) AS o
  LEFT JOIN LATERAL parsec_functions.device_inviter(o.organization, device_id) AS inviter ON true
  CROSS JOIN LATERAL parsec_functions.inviter_certificates(o.status, inviter.device) AS creator
$$;

-- The work of a claim: the notification, and what it has no room for (null: nothing).
CREATE OR REPLACE FUNCTION parsec_functions.tell_claim(
  organization_id text,
  invited_id text,
  notification bytea,
  kept_claim bytea
)
RETURNS void
LANGUAGE plpgsql
AS $$
#variable_conflict use_variable
BEGIN
  IF kept_claim IS NOT NULL THEN
    DELETE FROM parsec_ext.invitation_claim AS c
    WHERE c.created_on < statement_timestamp() - interval '1 hour';
    INSERT INTO parsec_ext.invitation_claim AS c
    VALUES (organization_id, invited_id, kept_claim, statement_timestamp())
    ON CONFLICT ON CONSTRAINT invitation_claim_pkey DO UPDATE
    SET encrypted_claim = excluded.encrypted_claim, created_on = excluded.created_on;
  END IF;
  PERFORM parsec_functions.notify(notification);
END
$$;

-- ok, not_found. notification: user.claimed. kept_claim: the claim, if the notification cannot tell it
-- and has an empty one; else null.
CREATE OR REPLACE FUNCTION parsec_functions.user_claim(
  organization_id text,
  user_id text,
  notification bytea,
  kept_claim bytea
)
RETURNS TABLE (status text)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  held CONSTANT boolean := parsec_functions.hold_rights(organization_id, NULL);
  place record;
BEGIN
  SELECT * INTO place FROM parsec_functions.organization_of_stranger(organization_id);
  status := place.status;
  IF place.status = 'ok' THEN
    IF EXISTS (SELECT FROM parsec_functions.user_inviter(place.organization, user_id)) THEN
      PERFORM parsec_functions.tell_claim(organization_id, user_id, notification, kept_claim);
    ELSE
      status := 'not_found';
    END IF;
  END IF;
  RETURN NEXT;
END
$$;

-- The same of a device; notification: device.claimed.
CREATE OR REPLACE FUNCTION parsec_functions.device_claim(
  organization_id text,
  device_id text,
  notification bytea,
  kept_claim bytea
)
RETURNS TABLE (status text)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  held CONSTANT boolean := parsec_functions.hold_rights(organization_id, NULL);
  place record;
BEGIN
  SELECT * INTO place FROM parsec_functions.organization_of_stranger(organization_id);
  status := place.status;
  IF place.status = 'ok' THEN
    IF EXISTS (SELECT FROM parsec_functions.device_inviter(place.organization, device_id)) THEN
      PERFORM parsec_functions.tell_claim(organization_id, device_id, notification, kept_claim);
    ELSE
      status := 'not_found';
    END IF;
  END IF;
  RETURN NEXT;
END
$$;

-- --- What an event had no room for (device.created: see device.sql)

-- ok. Without one that was kept the claim is empty indeed.
CREATE OR REPLACE FUNCTION parsec_functions.kept_claim(organization_id text, invited_id text)
RETURNS TABLE (status text, encrypted_claim bytea)
LANGUAGE sql STABLE ROWS 1
AS $$
  SELECT 'ok', COALESCE(
    (
      SELECT c.encrypted_claim FROM parsec_ext.invitation_claim AS c
      WHERE c.organization_id = kept_claim.organization_id AND c.invited_id = kept_claim.invited_id
    ),
    ''
  )
$$;

-- ok, not_found. device_id: the user's first device.
CREATE OR REPLACE FUNCTION parsec_functions.user_created(organization_id text, device_id text)
RETURNS TABLE (status text, user_certificate bytea, device_certificate bytea)
LANGUAGE sql STABLE ROWS 1
AS $$
  SELECT
    CASE WHEN u._id IS NULL THEN 'not_found' ELSE 'ok' END,
    u.user_certificate,
    d.device_certificate
  FROM (SELECT) AS always
  LEFT JOIN LATERAL (
    SELECT found._id FROM public.organization AS found
    WHERE found.organization_id = user_created.organization_id LIMIT 1
  ) AS o ON true
  LEFT JOIN LATERAL (
    SELECT found.user_, found.device_certificate FROM public.device AS found
    WHERE found.organization = o._id AND found.device_id = user_created.device_id LIMIT 1
  ) AS d ON true
  LEFT JOIN LATERAL (
    SELECT found._id, found.user_certificate FROM public.user_ AS found
    WHERE found._id = d.user_ LIMIT 1
  ) AS u ON true
$$;
