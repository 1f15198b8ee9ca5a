-- Realms and roles (protocol/4-commands.md §4.5). Re-encryption: maintenance.sql.
--
-- Every writer in a realm locks the realm's row first: FOR NO KEY UPDATE, which waits for, and
-- makes wait, other servers that UPDATE the row, and lets foreign keys to it be checked.

CREATE OR REPLACE FUNCTION parsec_functions.realm_create(
  organization_id text,
  device_id text,
  realm_id uuid,
  certificate bytea,
  certified_on timestamptz,
  notification bytea
)
RETURNS TABLE (status text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  held CONSTANT boolean := parsec_functions.hold_rights(organization_id, device_id);
  author record;
  realm_key bigint;
BEGIN
  SELECT * INTO author
  FROM parsec_functions.author(realm_create.organization_id, realm_create.device_id);
  IF author.status <> 'ok' THEN
    status := author.status; RETURN NEXT; RETURN;
  END IF;

  -- Waits for a creation of the same realm in another transaction.
  INSERT INTO public.realm (organization, realm_id, encryption_revision)
  VALUES (author.organization, realm_create.realm_id, 1)
  ON CONFLICT (organization, realm_id) DO NOTHING
  RETURNING _id INTO realm_key;
  IF realm_key IS NULL THEN
    status := 'already_exists'; RETURN NEXT; RETURN;
  END IF;

  INSERT INTO public.realm_user_role (realm, user_, role, certificate, certified_by, certified_on)
  VALUES (
    realm_key, author.user_, 'OWNER', realm_create.certificate, author.device,
    realm_create.certified_on
  );
  INSERT INTO public.vlob_encryption_revision (realm, encryption_revision) VALUES (realm_key, 1);
  PERFORM parsec_functions.notify(realm_create.notification);
  status := 'ok'; RETURN NEXT;
END
$$;

CREATE OR REPLACE FUNCTION parsec_functions.realm_status(
  organization_id text,
  device_id text,
  realm_id uuid
)
RETURNS TABLE (
  status text,
  maintenance_type text,
  maintenance_started_on timestamptz,
  maintenance_started_by text,
  encryption_revision integer
)
LANGUAGE sql STABLE ROWS 1
AS $$
  SELECT
    CASE
      WHEN author.status <> 'ok' THEN author.status
      WHEN realm._id IS NULL THEN 'realm_not_found'
      WHEN author.role IS NULL THEN 'not_allowed'
      ELSE 'ok'
    END,
    realm.maintenance_type::text,
    realm.maintenance_started_on,
    (SELECT d.device_id::text FROM public.device AS d WHERE d._id = realm.maintenance_started_by),
    realm.encryption_revision
  FROM (SELECT) AS always
  LEFT JOIN public.realm AS realm
    ON realm.organization = (
      SELECT o._id FROM public.organization AS o
      WHERE o.organization_id = realm_status.organization_id
    )
    AND realm.realm_id = realm_status.realm_id
  CROSS JOIN LATERAL parsec_functions.member(
    realm_status.organization_id, realm_status.device_id, realm._id
  ) AS author
$$;

CREATE OR REPLACE FUNCTION parsec_functions.realm_stats(
  organization_id text,
  device_id text,
  realm_id uuid
)
RETURNS TABLE (status text, blocks_size bigint, vlobs_size bigint)
LANGUAGE plpgsql STABLE ROWS 1
AS $$
#variable_conflict use_column
DECLARE
  author record;
  realm_key bigint;
BEGIN
  SELECT r._id INTO realm_key
  FROM public.realm AS r
  WHERE r.organization = (
      SELECT o._id FROM public.organization AS o
      WHERE o.organization_id = realm_stats.organization_id
    )
    AND r.realm_id = realm_stats.realm_id;

  SELECT * INTO author
  FROM parsec_functions.member(realm_stats.organization_id, realm_stats.device_id, realm_key);
  status := CASE
    WHEN author.status <> 'ok' THEN author.status
    WHEN realm_key IS NULL THEN 'realm_not_found'
    WHEN author.role IS NULL THEN 'not_allowed'
    ELSE 'ok'
  END;
  IF status = 'ok' THEN
    blocks_size := parsec_functions.realm_blocks_size(realm_key);
    vlobs_size := parsec_functions.realm_vlobs_size(realm_key);
  END IF;
  RETURN NEXT;
END
$$;

CREATE OR REPLACE FUNCTION parsec_functions.realm_get_role_certificates(
  organization_id text,
  device_id text,
  realm_id uuid,
  since timestamptz
)
RETURNS TABLE (status text, certificate bytea)
LANGUAGE plpgsql STABLE
AS $$
#variable_conflict use_column
DECLARE
  author record;
  realm_key bigint;
BEGIN
  SELECT r._id INTO realm_key
  FROM public.realm AS r
  WHERE r.organization = (
      SELECT o._id FROM public.organization AS o
      WHERE o.organization_id = realm_get_role_certificates.organization_id
    )
    AND r.realm_id = realm_get_role_certificates.realm_id;

  SELECT * INTO author
  FROM parsec_functions.member(
    realm_get_role_certificates.organization_id, realm_get_role_certificates.device_id, realm_key
  );
  status := CASE
    WHEN author.status <> 'ok' THEN author.status
    WHEN realm_key IS NULL THEN 'realm_not_found'
    WHEN author.role IS NULL THEN 'not_allowed'
    ELSE 'ok'
  END;
  RETURN NEXT;
  IF status <> 'ok' THEN
    RETURN;
  END IF;

  RETURN QUERY
  SELECT NULL::text, given.certificate
  FROM public.realm_user_role AS given
  WHERE given.realm = realm_key
    AND given.certified_on > COALESCE(realm_get_role_certificates.since, '-infinity')
  ORDER BY given.certified_on, given._id;
END
$$;

-- Stores a message and tells of it: index = position (see message.sql). The caller holds the lock
-- of the recipient's row of user_. notification: message.received without its index.
CREATE OR REPLACE FUNCTION parsec_functions.message_send(
  organization bigint,
  recipient bigint,
  sender bigint,
  sent_on timestamptz,
  body bytea,
  notification bytea
)
RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  number CONSTANT bigint := parsec_functions.message_count(recipient) + 1;
BEGIN
  INSERT INTO public.message (organization, recipient, timestamp, index, sender, body)
  VALUES (
    message_send.organization, message_send.recipient, message_send.sent_on, number,
    message_send.sender, message_send.body
  );
  PERFORM parsec_functions.notify(message_send.notification, number);
END
$$;

-- notification: realm.roles_updated; message_notification: message.received without its index.
-- Locks: the realm, then the recipient's user_.
CREATE OR REPLACE FUNCTION parsec_functions.realm_update_roles(
  organization_id text,
  device_id text,
  realm_id uuid,
  user_id text,
  role text,
  certificate bytea,
  certified_on timestamptz,
  recipient_message bytea,
  notification bytea,
  message_notification bytea
)
RETURNS TABLE (status text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  held CONSTANT boolean := parsec_functions.hold_rights(organization_id, device_id);
  new_role CONSTANT public.realm_role := realm_update_roles.role::public.realm_role;
  realm record;
  author record;
  recipient record;
  present record;
BEGIN
  SELECT r._id::bigint, r.maintenance_type INTO realm
  FROM public.realm AS r
  WHERE r.organization = (
      SELECT o._id FROM public.organization AS o
      WHERE o.organization_id = realm_update_roles.organization_id
    )
    AND r.realm_id = realm_update_roles.realm_id
  FOR NO KEY UPDATE;

  SELECT * INTO author
  FROM parsec_functions.member(realm_update_roles.organization_id, realm_update_roles.device_id, realm._id);
  IF author.status <> 'ok' THEN
    status := author.status; RETURN NEXT; RETURN;
  END IF;

  SELECT u._id::bigint, u.profile INTO recipient
  FROM public.user_ AS u
  WHERE u.organization = author.organization AND u.user_id = realm_update_roles.user_id;

  SELECT given.role, given.certified_on INTO present
  FROM public.realm_user_role AS given
  WHERE given.realm = realm._id AND given.user_ = recipient._id
  ORDER BY given.certified_on DESC, given._id DESC
  LIMIT 1;

  status := CASE
    WHEN recipient._id IS NULL THEN 'user_not_found'
    WHEN recipient.profile = 'OUTSIDER' AND new_role IN ('OWNER', 'MANAGER')
      THEN 'incompatible_profile'
    WHEN realm._id IS NULL THEN 'realm_not_found'
    WHEN realm.maintenance_type IS NOT NULL THEN 'in_maintenance'
    WHEN author.role IS NULL OR author.role NOT IN ('OWNER', 'MANAGER') THEN 'not_allowed'
    WHEN author.role = 'MANAGER'
      AND (present.role IN ('OWNER', 'MANAGER') OR new_role IN ('OWNER', 'MANAGER'))
      THEN 'not_allowed'
    WHEN present.role IS NOT DISTINCT FROM new_role THEN 'already_granted'
    WHEN realm_update_roles.certified_on < present.certified_on THEN 'older_than_current'
    ELSE 'ok'
  END;
  IF status <> 'ok' THEN
    RETURN NEXT; RETURN;
  END IF;

  INSERT INTO public.realm_user_role (realm, user_, role, certificate, certified_by, certified_on)
  VALUES (
    realm._id, recipient._id, new_role, realm_update_roles.certificate, author.device,
    realm_update_roles.certified_on
  );
  PERFORM parsec_functions.notify(realm_update_roles.notification);

  IF octet_length(realm_update_roles.recipient_message) > 0 THEN
    PERFORM FROM public.user_ AS u WHERE u._id = recipient._id FOR NO KEY UPDATE;
    PERFORM parsec_functions.message_send(
      author.organization, recipient._id, author.device, realm_update_roles.certified_on,
      realm_update_roles.recipient_message, realm_update_roles.message_notification
    );
  END IF;
  RETURN NEXT;
END
$$;
