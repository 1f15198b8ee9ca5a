-- Invitations of API v2 and the claim conduit (protocol/5-invite.md).
--
-- Writers of one invitation lock its row first (FOR NO KEY UPDATE, as other servers' UPDATEs do),
-- and lock nothing else: so may many conversations share a transaction, and what is told of one
-- invitation is told in the order of the changes.

-- The last completed exchange of 1_WAIT_PEERS of each invitation: who talked second may look only
-- after the first one has begun anew (it does not wait for anybody's look), and then still has its
-- ok. SHA-256 of both payloads, which are keys. Written under the lock of the invitation. Without
-- foreign key: others must be able to TRUNCATE the tables of the contract.
CREATE TABLE IF NOT EXISTS parsec_ext.conduit_met (
  invitation bigint PRIMARY KEY,
  first_digest bytea NOT NULL,
  second_digest bytea NOT NULL
);

-- ok, not_available (needs_human, and the author has no human handle): nothing is stored.
-- present_token: the new invitation's, or that of a not deleted one of the same greeter, type and email, which is used
-- again. notification: invite.status_changed of a new one; of one used again nothing is told here.
CREATE OR REPLACE FUNCTION parsec_functions.invite_new(
  organization_id text,
  device_id text,
  type text,
  claimer_email text,
  token uuid,
  needs_human boolean,
  notification bytea
)
RETURNS TABLE (
  status text,
  present_token uuid,
  is_new boolean,
  human_email text,
  human_label text
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  held CONSTANT boolean := parsec_functions.hold_rights(organization_id, device_id);
  author record;
BEGIN
  -- The greeter's row, so that two requests at once do not store two.
  SELECT * INTO author FROM parsec_functions.author(organization_id, device_id);
  PERFORM FROM public.user_ AS u WHERE u._id = author.user_ FOR NO KEY UPDATE;
  SELECT * INTO author FROM parsec_functions.author(organization_id, device_id);
  status := author.status;
  IF status <> 'ok' THEN
    RETURN NEXT;
    RETURN;
  END IF;
  SELECT h.email, h.label INTO human_email, human_label
  FROM public.user_ AS u
  JOIN public.human AS h ON h._id = u.human
  WHERE u._id = author.user_;
  IF needs_human AND human_email IS NULL THEN
    status := 'not_available';
    RETURN NEXT;
    RETURN;
  END IF;

  is_new := false;
  SELECT i.token INTO present_token
  FROM public.invitation AS i
  WHERE i.greeter = author.user_ AND i.deleted_on IS NULL
    AND i.type = invite_new.type::public.invitation_type
    AND i.claimer_email IS NOT DISTINCT FROM invite_new.claimer_email
  ORDER BY i._id
  LIMIT 1;
  IF NOT FOUND THEN
    is_new := true;
    present_token := invite_new.token;
    INSERT INTO public.invitation (organization, token, type, greeter, claimer_email, created_on)
    VALUES (
      author.organization, invite_new.token, invite_new.type::public.invitation_type, author.user_,
      invite_new.claimer_email, statement_timestamp()
    );
    PERFORM parsec_functions.notify(notification);
  END IF;
  RETURN NEXT;
END
$$;

-- Locks an invitation and says what one side of its conduit sees: ok, not_found, deleted,
-- organization_expired, or why the author is gone. device_id: of a greeter, to whom invitations of
-- other greeters are not found; null: the claimer.
CREATE OR REPLACE FUNCTION parsec_functions.invitation_side(
  organization_id text,
  device_id text,
  token uuid
)
RETURNS TABLE (
  status text,
  invitation bigint,
  state public.invitation_conduit_state,
  own bytea,
  peer bytea
)
LANGUAGE plpgsql ROWS 1
AS $$
#variable_conflict use_column
DECLARE
  held CONSTANT boolean := parsec_functions.hold_rights(organization_id, device_id);
  found record;
  author record;
  theirs boolean := true;
BEGIN
  SELECT i._id::bigint, i.greeter::bigint, i.deleted_on, i.conduit_state, i.conduit_greeter_payload,
    i.conduit_claimer_payload
  INTO found
  FROM public.invitation AS i
  WHERE i.organization = (
      SELECT o._id FROM public.organization AS o
      WHERE o.organization_id = invitation_side.organization_id
    )
    AND i.token = invitation_side.token
  FOR NO KEY UPDATE OF i;
  IF device_id IS NOT NULL THEN
    SELECT * INTO author FROM parsec_functions.author(organization_id, device_id);
    status := author.status;
    theirs := found.greeter = author.user_;
    own := found.conduit_greeter_payload;
    peer := found.conduit_claimer_payload;
  ELSE
    status := CASE
      WHEN EXISTS (
        SELECT FROM public.organization AS o
        WHERE o.organization_id = invitation_side.organization_id
          AND o.expiration_date <= clock_timestamp()
      ) THEN 'organization_expired'
      ELSE 'ok'
    END;
    own := found.conduit_claimer_payload;
    peer := found.conduit_greeter_payload;
  END IF;
  IF status = 'ok' THEN
    status := CASE
      WHEN found._id IS NULL OR NOT theirs THEN 'not_found'
      WHEN found.deleted_on IS NOT NULL THEN 'deleted'
      ELSE 'ok'
    END;
  END IF;
  invitation := found._id;
  state := found.conduit_state;
  RETURN NEXT;
END
$$;

-- ok, not_found, deleted (already). notification: invite.status_changed.
CREATE OR REPLACE FUNCTION parsec_functions.invite_delete(
  organization_id text,
  device_id text,
  token uuid,
  reason text,
  notification bytea
)
RETURNS TABLE (status text)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  side record;
BEGIN
  SELECT * INTO side FROM parsec_functions.invitation_side(organization_id, device_id, token);
  status := side.status;
  IF status = 'ok' THEN
    UPDATE public.invitation AS i
    SET deleted_on = statement_timestamp(),
      deleted_reason = reason::public.invitation_deleted_reason
    WHERE i._id = side.invitation;
    DELETE FROM parsec_ext.conduit_met AS m WHERE m.invitation = side.invitation;
    PERFORM parsec_functions.notify(notification);
  END IF;
  RETURN NEXT;
END
$$;

-- Tells the present status of an invitation, unless it was deleted: ok, not_found, deleted.
CREATE OR REPLACE FUNCTION parsec_functions.invite_announce(
  organization_id text,
  token uuid,
  notification bytea
)
RETURNS TABLE (status text)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  found record;
BEGIN
  -- Holds off a deletion: after DELETED nothing else is told.
  SELECT i._id::bigint, i.deleted_on INTO found
  FROM public.invitation AS i
  WHERE i.organization = (
      SELECT o._id FROM public.organization AS o
      WHERE o.organization_id = invite_announce.organization_id
    )
    AND i.token = invite_announce.token
  FOR NO KEY UPDATE OF i;
  status := CASE
    WHEN found._id IS NULL THEN 'not_found'
    WHEN found.deleted_on IS NOT NULL THEN 'deleted'
    ELSE 'ok'
  END;
  IF status = 'ok' THEN
    PERFORM parsec_functions.notify(notification);
  END IF;
  RETURN NEXT;
END
$$;

-- The greeter's not deleted invitations, by creation date. Rows after row 0: one each.
CREATE OR REPLACE FUNCTION parsec_functions.invite_list(organization_id text, device_id text)
RETURNS TABLE (
  status text,
  token uuid,
  type text,
  created_on timestamptz,
  claimer_email text
)
LANGUAGE plpgsql STABLE
AS $$
#variable_conflict use_column
DECLARE
  author record;
BEGIN
  SELECT * INTO author FROM parsec_functions.author(organization_id, device_id);
  status := author.status;
  RETURN NEXT;
  IF status = 'ok' THEN
    RETURN QUERY
    SELECT NULL, i.token, i.type::text, i.created_on, i.claimer_email::text
    FROM public.invitation AS i
    WHERE i.greeter = author.user_ AND i.deleted_on IS NULL
    ORDER BY i.created_on, i._id;
  END IF;
END
$$;

-- For the claimer: ok, not_found, deleted, organization_expired.
CREATE OR REPLACE FUNCTION parsec_functions.invite_info(organization_id text, token uuid)
RETURNS TABLE (
  status text,
  type text,
  claimer_email text,
  greeter text,
  human_email text,
  human_label text
)
LANGUAGE sql STABLE ROWS 1
AS $$
  SELECT
    CASE
      WHEN o.expiration_date <= statement_timestamp() THEN 'organization_expired'
      WHEN i._id IS NULL THEN 'not_found'
      WHEN i.deleted_on IS NOT NULL THEN 'deleted'
      ELSE 'ok'
    END,
    i.type::text,
    i.claimer_email::text,
    u.user_id::text,
    h.email::text,
    h.label::text
  FROM (SELECT) AS always
  LEFT JOIN LATERAL (
    SELECT found.* FROM public.organization AS found
    WHERE found.organization_id = invite_info.organization_id LIMIT 1
  ) AS o ON true
  LEFT JOIN LATERAL (
    SELECT found.* FROM public.invitation AS found
    WHERE found.organization = o._id AND found.token = invite_info.token LIMIT 1
  ) AS i ON true
  LEFT JOIN LATERAL (
    SELECT found.* FROM public.user_ AS found WHERE found._id = i.greeter LIMIT 1
  ) AS u ON true
  LEFT JOIN LATERAL (
    SELECT found.* FROM public.human AS found WHERE found._id = u.human LIMIT 1
  ) AS h ON true
$$;

-- What follows when both peers have exchanged (protocol/5-invite.md §5.3).
CREATE OR REPLACE FUNCTION parsec_functions.next_conduit_state(state public.invitation_conduit_state)
RETURNS public.invitation_conduit_state
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE state
    WHEN '1_WAIT_PEERS' THEN '2_1_CLAIMER_HASHED_NONCE'
    WHEN '2_1_CLAIMER_HASHED_NONCE' THEN '2_2_GREETER_NONCE'
    WHEN '2_2_GREETER_NONCE' THEN '2_3_CLAIMER_NONCE'
    WHEN '2_3_CLAIMER_NONCE' THEN '3_1_CLAIMER_TRUST'
    WHEN '3_1_CLAIMER_TRUST' THEN '3_2_GREETER_TRUST'
    ELSE '4_COMMUNICATE'
  END::public.invitation_conduit_state
$$;

-- Sets state and payloads, as the side with that device_id (null: the claimer) has them.
CREATE OR REPLACE FUNCTION parsec_functions.set_conduit(
  invitation bigint,
  device_id text,
  state public.invitation_conduit_state,
  own bytea,
  peer bytea
)
RETURNS void
LANGUAGE sql VOLATILE
AS $$
  UPDATE public.invitation AS i
  SET conduit_state = set_conduit.state,
    conduit_greeter_payload = CASE WHEN device_id IS NULL THEN peer ELSE own END,
    conduit_claimer_payload = CASE WHEN device_id IS NULL THEN own ELSE peer END
  WHERE i._id = invitation
$$;

-- The first half of an exchange: ok, invalid_state, and those of invitation_side. peer_payload: null
-- if we talked first. notification: invite.conduit_updated.
CREATE OR REPLACE FUNCTION parsec_functions.conduit_talk(
  organization_id text,
  device_id text,
  token uuid,
  state text,
  payload bytea,
  notification bytea
)
RETURNS TABLE (status text, peer_payload bytea)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  side record;
BEGIN
  SELECT * INTO side FROM parsec_functions.invitation_side(organization_id, device_id, token);
  status := side.status;
  peer_payload := side.peer;
  IF status = 'ok' AND (side.state::text <> conduit_talk.state OR side.own IS NOT NULL) THEN
    IF conduit_talk.state = '1_WAIT_PEERS' THEN
      peer_payload := NULL;  -- whatever was said before is forgotten
    ELSE
      status := 'invalid_state';
    END IF;
  END IF;
  IF status = 'ok' THEN
    PERFORM parsec_functions.set_conduit(
      side.invitation, device_id, conduit_talk.state::public.invitation_conduit_state, payload,
      peer_payload
    );
    IF conduit_talk.state = '1_WAIT_PEERS' AND peer_payload IS NOT NULL THEN
      DELETE FROM parsec_ext.conduit_met AS m WHERE m.invitation = side.invitation;
    END IF;
    PERFORM parsec_functions.notify(notification);
  ELSE
    peer_payload := NULL;
  END IF;
  RETURN NEXT;
END
$$;

-- The second half: ok, waiting, invalid_state, and those of invitation_side. own_digest,
-- peer_digest: SHA-256 of what Talk stored and saw; peer_digest null: we talked first, and then
-- peer_payload is there with ok. notification: invite.conduit_updated.
CREATE OR REPLACE FUNCTION parsec_functions.conduit_listen(
  organization_id text,
  device_id text,
  token uuid,
  state text,
  own_digest bytea,
  peer_digest bytea,
  notification bytea
)
RETURNS TABLE (status text, peer_payload bytea)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  side record;
  next_state public.invitation_conduit_state;
BEGIN
  SELECT * INTO side FROM parsec_functions.invitation_side(organization_id, device_id, token);
  status := side.status;
  IF status <> 'ok' THEN
    RETURN NEXT;
    RETURN;
  END IF;
  next_state :=
    parsec_functions.next_conduit_state(conduit_listen.state::public.invitation_conduit_state);
  IF peer_digest IS NOT NULL AND side.state = next_state AND side.own IS NULL THEN
    status := 'ok';
  ELSIF peer_digest IS NOT NULL AND conduit_listen.state = '1_WAIT_PEERS' AND EXISTS (
    SELECT FROM parsec_ext.conduit_met AS m
    WHERE m.invitation = side.invitation AND m.first_digest = peer_digest
      AND m.second_digest = own_digest
  ) THEN
    status := 'ok';
  ELSIF side.state::text <> conduit_listen.state
    OR sha256(side.own) IS DISTINCT FROM own_digest
    OR (peer_digest IS NOT NULL AND sha256(side.peer) IS DISTINCT FROM peer_digest)
  THEN
    status := 'invalid_state';
  ELSIF peer_digest IS NOT NULL OR side.peer IS NULL THEN
    status := 'waiting';
  ELSE
    peer_payload := side.peer;
    PERFORM parsec_functions.set_conduit(side.invitation, device_id, next_state, NULL, NULL);
    IF conduit_listen.state = '1_WAIT_PEERS' THEN
      INSERT INTO parsec_ext.conduit_met AS m
      VALUES (side.invitation, own_digest, sha256(side.peer))
      ON CONFLICT ON CONSTRAINT conduit_met_pkey DO UPDATE
      SET first_digest = excluded.first_digest, second_digest = excluded.second_digest;
    END IF;
    PERFORM parsec_functions.notify(notification);
  END IF;
  RETURN NEXT;
END
$$;
