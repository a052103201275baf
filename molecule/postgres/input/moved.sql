CREATE TABLE metrics (key varchar(250) NOT NULL, value double precision, step bigint DEFAULT 0, PRIMARY KEY (key, step));
INSERT INTO metrics SELECT 'ключ "' || n % 7 || '" \ \n ' || chr(9731), n / 7.0, n FROM generate_series(1, 2000) n;
CREATE TABLE "Odd 'na\me" (id serial PRIMARY KEY, tag text UNIQUE, doc jsonb, raw bytea);
INSERT INTO "Odd 'na\me" (tag, doc, raw) VALUES (E'tab\there', '{"a": "\u00e9"}', '\x00ff'), (NULL, NULL, NULL);
CREATE VIEW one AS SELECT 1 AS one;
SELECT lo_from_bytea(0, '\xdead');
GRANT SELECT ON metrics TO other;
-- A check that looks into a table which a restore fills later: pg_upgradecluster leaves the row out, and reports success.
CREATE TABLE z_allowed (x int);
INSERT INTO z_allowed VALUES (1);
CREATE FUNCTION is_allowed(y int) RETURNS boolean LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM public.z_allowed WHERE x = y)';
CREATE TABLE checked (x int CONSTRAINT allowed CHECK (is_allowed(x)));
INSERT INTO checked VALUES (1);
