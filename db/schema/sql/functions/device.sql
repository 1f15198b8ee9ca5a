-- Devices (protocol/4-commands.md §4.4, protocol/7-apiv1.md §7.3) and ping (§4.1).

-- Answers to invited devices (API v1) that are too large for a notification. The event device.created
-- then has an empty device_certificate, which no real one is, and an empty encrypted_answer: whoever
-- waits for it reads them back with device_created. Kept for an hour: a claim waits 300 s.
-- By public IDs and without foreign keys: others must be able to TRUNCATE the tables of the contract.
CREATE TABLE IF NOT EXISTS parsec_ext.device_answer (
  organization_id text NOT NULL,
  device_id text NOT NULL,
  encrypted_answer bytea NOT NULL,
  created_on timestamptz NOT NULL,
  PRIMARY KEY (organization_id, device_id)
);
CREATE INDEX IF NOT EXISTS device_answer_created_on ON parsec_ext.device_answer (created_on);

-- ok, already_exists. The new device is the author user's. notification: device.created. large_answer:
-- the encrypted_answer, if the notification had no room for it; else null.
CREATE OR REPLACE FUNCTION parsec_functions.device_create(
  organization_id text,
  author_device_id text,
  certified_on timestamptz,
  device_id text,
  device_label text,
  device_certificate bytea,
  redacted_device_certificate bytea,
  notification bytea,
  large_answer bytea
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
    RETURN NEXT;
    RETURN;
  END IF;

  INSERT INTO public.device (
    organization, user_, device_id, device_certificate, device_certifier, created_on,
    redacted_device_certificate, device_label
  )
  VALUES (
    author.organization, author.user_, device_create.device_id,
    device_create.device_certificate, author.device, certified_on,
    device_create.redacted_device_certificate, device_create.device_label
  )
  ON CONFLICT (organization, device_id) DO NOTHING;
  IF NOT FOUND THEN
    status := 'already_exists';
  ELSE
    status := 'ok';
    IF large_answer IS NOT NULL THEN
      DELETE FROM parsec_ext.device_answer AS a
      WHERE a.created_on < statement_timestamp() - interval '1 hour';
      INSERT INTO parsec_ext.device_answer AS a
      VALUES (organization_id, device_id, large_answer, statement_timestamp())
      ON CONFLICT ON CONSTRAINT device_answer_pkey DO UPDATE
      SET encrypted_answer = excluded.encrypted_answer, created_on = excluded.created_on;
    END IF;
    PERFORM parsec_functions.notify(notification);
  END IF;
  RETURN NEXT;
END
$$;

-- What a device.created event had no room for. ok, not_found.
CREATE OR REPLACE FUNCTION parsec_functions.device_created(organization_id text, device_id text)
RETURNS TABLE (status text, device_certificate bytea, encrypted_answer bytea)
LANGUAGE sql STABLE ROWS 1
AS $$
  SELECT
    CASE WHEN d._id IS NULL THEN 'not_found' ELSE 'ok' END,
    d.device_certificate,
    COALESCE(a.encrypted_answer, '')
  FROM (SELECT) AS always
  LEFT JOIN LATERAL (
    SELECT found._id FROM public.organization AS found
    WHERE found.organization_id = device_created.organization_id LIMIT 1
  ) AS o ON true
  LEFT JOIN LATERAL (
    SELECT found.* FROM public.device AS found
    WHERE found.organization = o._id AND found.device_id = device_created.device_id LIMIT 1
  ) AS d ON true
  LEFT JOIN LATERAL (
    SELECT found.encrypted_answer FROM parsec_ext.device_answer AS found
    WHERE found.organization_id = device_created.organization_id
      AND found.device_id = device_created.device_id LIMIT 1
  ) AS a ON true
$$;

-- ok. notification: pinged.
CREATE OR REPLACE FUNCTION parsec_functions.ping(
  organization_id text,
  device_id text,
  notification bytea
)
RETURNS TABLE (status text)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  held CONSTANT boolean := parsec_functions.hold_rights(organization_id, device_id);
  author record;
BEGIN
  SELECT * INTO author FROM parsec_functions.author(organization_id, device_id);
  status := author.status;
  RETURN NEXT;
  IF author.status = 'ok' THEN
    PERFORM parsec_functions.notify(notification);
  END IF;
END
$$;
