-- Indexes of our own on the tables of the contract, so that no command costs more the more is
-- stored. Applied by `migrate` at every run; removable; none is unique, since other servers of the
-- deployment may write what our locks would prevent. Name: parsec_ext_<table>_<columns>.

-- message_get, message_count: a recipient's messages in the order of their numbers.
CREATE INDEX IF NOT EXISTS parsec_ext_message_recipient ON public.message (recipient, _id);

-- member (every command in a realm), realm_update_roles, realm_start_reencryption_maintenance: the
-- newest role of a user in a realm.
CREATE INDEX IF NOT EXISTS parsec_ext_realm_user_role_realm_user
ON public.realm_user_role (realm, user_, certified_on, _id);

-- realm_get_role_certificates: those after a timestamp, in its order.
CREATE INDEX IF NOT EXISTS parsec_ext_realm_user_role_realm_certified_on
ON public.realm_user_role (realm, certified_on, _id);

-- vlob_realm (vlob_read, vlob_update, vlob_list_versions): the realm of a vlob, by its oldest atom;
-- vlob_create: whether the ID is taken.
CREATE INDEX IF NOT EXISTS parsec_ext_vlob_atom_organization_vlob_id
ON public.vlob_atom (organization, vlob_id, _id);

-- realm_stats: the sizes of a realm's blocks since a known one, from the index alone.
CREATE INDEX IF NOT EXISTS parsec_ext_block_realm ON public.block (realm, _id) INCLUDE (size);

-- user_create: whether a human is in use.
CREATE INDEX IF NOT EXISTS parsec_ext_user_human ON public.user_ (human);

-- user_realms: the newest role of a user in each realm.
CREATE INDEX IF NOT EXISTS parsec_ext_realm_user_role_user
ON public.realm_user_role (user_, realm, certified_on DESC, _id DESC);

-- invite_new, invite_list: a greeter's not deleted invitations.
CREATE INDEX IF NOT EXISTS parsec_ext_invitation_greeter
ON public.invitation (greeter) WHERE deleted_on IS NULL;
