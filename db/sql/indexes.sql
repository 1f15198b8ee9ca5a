-- Indexes of our own on the tables of the contract, so that no command costs more the more is
-- stored. Applied by `migrate` at every run; removable; none is unique, since other servers of the
-- deployment may write what our locks would prevent. Name: parsec_ext_<table>_<columns>.

-- message_get, message_count: a recipient's messages in the order of their numbers.
CREATE INDEX IF NOT EXISTS parsec_ext_message_recipient ON public.message (recipient, _id);
