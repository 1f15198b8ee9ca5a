-- Who asks, and what that user may do in a realm: one lookup for both. The planner inlines it (see
-- 00_common.sql).
--
-- The current role is that of the newest role certificate: by its timestamp, among equal ones the
-- last stored (protocol/4-commands.md §4.5). realm may be null: then there is no role.
CREATE OR REPLACE FUNCTION parsec_functions.member(organization_id text, device_id text, realm bigint)
RETURNS TABLE (
  status text,
  organization bigint,
  device bigint,
  user_ bigint,
  profile public.user_profile,
  role public.realm_role
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
  SELECT author.status, author.organization, author.device, author.user_, author.profile,
    newest.role
  FROM parsec_functions.author(member.organization_id, member.device_id) AS author
  LEFT JOIN LATERAL (
    SELECT given.role
    FROM public.realm_user_role AS given
    WHERE given.realm = member.realm AND given.user_ = author.user_
    ORDER BY given.certified_on DESC, given._id DESC
    LIMIT 1
  ) AS newest ON true
$$;

-- Whether a role may write in a realm. A null role may not.
CREATE OR REPLACE FUNCTION parsec_functions.may_write(role public.realm_role)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT COALESCE(role <> 'READER', false) $$;
