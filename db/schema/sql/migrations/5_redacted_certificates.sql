-- Certificates without human handle and label for those who must not see them; a profile instead of
-- the flag of administrators. What is stored already serves as its own redacted form: it was written
-- before there was anything to leave out.

ALTER TABLE user_ ADD COLUMN redacted_user_certificate BYTEA;
UPDATE user_ SET redacted_user_certificate = user_certificate;
ALTER TABLE user_ ALTER COLUMN redacted_user_certificate SET NOT NULL;

ALTER TABLE device ADD COLUMN redacted_device_certificate BYTEA;
UPDATE device SET redacted_device_certificate = device_certificate;
ALTER TABLE device ALTER COLUMN redacted_device_certificate SET NOT NULL;
ALTER TABLE device ADD COLUMN device_label VARCHAR(254);

CREATE TYPE user_profile AS ENUM ('ADMIN', 'STANDARD', 'OUTSIDER');
ALTER TABLE user_ ADD COLUMN profile user_profile;
UPDATE user_ SET profile = CASE WHEN is_admin THEN 'ADMIN' ELSE 'STANDARD' END::user_profile;
ALTER TABLE user_ DROP COLUMN is_admin;
