-- PostgreSQL 12 and later.
--
-- Statements take arrays: one statement serves all keys of a batch. Times to live come as milliseconds and are added to
-- the server's clock.
--
-- (SELECT $1) hides the length of an array from the planner. It would otherwise find a plan for this very array cheaper
-- than the general one, and plan again at each execution: up to three times the cost of running a statement for one key.
-- OFFSET 0 keeps a look-up by key a look-up by key: without it, the general plan may join against the whole table.
--
-- What waits for a lock judges expiry when it has it, by clock_timestamp(): now() is the time when the transaction began, and
-- a row that was only locked meanwhile is not judged again. Rows are locked in the order of their keys.
--
-- A row's place (ctid) is a quick way back to it, but no identity: partitions and children of a table have the same places.
-- So what is removed by it has to meet the condition there, too.
--
-- What writes keys says for its own transaction whether the answer waits for the disk, in the sub-select that has their
-- array: it runs once, takes no round trip, and leaves no trace on a connection that others use too.
--
-- Slots that end in _index, and table, table_name and schema, are names; the others are filled with
-- the fragments at the end of this file, by data format and durability.

-- name: get
-- The data of the keys that are alive.
-- $1 bytea[]: key digests
SELECT s.key_digest, /* slot: data_out */
FROM /* slot: table */ AS s
WHERE s.key_digest = ANY((SELECT $1::bytea[])::bytea[])
  AND (s.expires_at IS NULL OR s.expires_at > now())

-- name: get-and-renew
-- As get, and whether a key was renewed; expiries that would move by more than the tolerance are written. What lost a race
-- against a newer value, or a newer expiry, finds another expires_at and does nothing.
-- $1 bytea[]: key digests, $2 bigint[]: times to live, $3 bigint[]: tolerances
WITH /* include: alive-with-data */, renewed AS (
  /* include: renew-alive */
)
SELECT s.key_digest, /* slot: data_out */, s.key_digest IN (SELECT r.key_digest FROM renewed AS r)
FROM alive AS s

-- name: renew
-- The keys that are alive, renewed where that is due, as in get-and-renew.
-- $1 bytea[]: key digests, $2 bigint[]: times to live, $3 bigint[]: tolerances
WITH /* include: alive-without-data */, renewed AS (
  /* include: renew-alive */
)
SELECT key_digest FROM alive

-- name: renew-counted
-- As renew; each row also has how many were renewed in all.
-- $1 bytea[]: key digests, $2 bigint[]: times to live, $3 bigint[]: tolerances
WITH /* include: alive-without-data */, renewed AS (
  /* include: renew-alive */
)
SELECT key_digest, (SELECT count(*) FROM renewed) FROM alive

-- name: remaining
-- The milliseconds that keys will live, NULL for ever, of those that are alive.
-- $1 bytea[]: key digests
SELECT s.key_digest, floor(extract(epoch FROM s.expires_at - now()) * 1000)::bigint
FROM /* slot: table */ AS s
WHERE s.key_digest = ANY((SELECT $1::bytea[])::bytea[])
  AND (s.expires_at IS NULL OR s.expires_at > now())

-- name: set
-- Store entries. Those that are stored already, with an expiry within the tolerance, are left out before the insert:
-- they lock no row and write no WAL.
-- $1 bytea[]: key digests, $2 text[]: namespaces, $3 bytea[]: data, $4 bigint[]: times to live, $5 bigint[]: tolerances,
-- $6 text[]: owners, $7 text[]: key texts
INSERT INTO /* slot: table */ AS s (key_digest, namespace, data, expires_at, owner, key_text)
SELECT n.key_digest, n.namespace, /* slot: data_in */, now() + n.ttl * interval '1 millisecond', n.owner, n.key_text
FROM unnest(
  /* slot: keys_to_write */, (SELECT $2::text[]), (SELECT $3::bytea[]),
  (SELECT $4::bigint[]), (SELECT $5::bigint[]), (SELECT $6::text[]), (SELECT $7::text[])
) AS n (key_digest, namespace, data, ttl, tolerance, owner, key_text)
WHERE NOT EXISTS (
  SELECT FROM /* slot: table */ AS c
  WHERE c.key_digest = n.key_digest
    AND c.data = /* slot: data_in */
    AND c.owner IS NOT DISTINCT FROM n.owner
    AND CASE
      WHEN n.ttl IS NULL THEN c.expires_at IS NULL
      ELSE c.expires_at BETWEEN now() + (n.ttl - n.tolerance) * interval '1 millisecond'
                            AND now() + (n.ttl + n.tolerance) * interval '1 millisecond'
    END
  OFFSET 0
)
ORDER BY n.key_digest
ON CONFLICT (key_digest) DO UPDATE SET
  data = excluded.data,
  /* include: replaced-expiry */,
  owner = excluded.owner,
  key_text = excluded.key_text,
  /* include: replaced */

-- name: set-keeping-ttl
-- Store entries that keep the expiry of a live entry under their key.
-- $1 bytea[]: key digests, $2 text[]: namespaces, $3 bytea[]: data, $4 text[]: owners, $5 text[]: key texts
INSERT INTO /* slot: table */ AS s (key_digest, namespace, data, owner, key_text)
SELECT n.key_digest, n.namespace, /* slot: data_in */, n.owner, n.key_text
FROM unnest(
  /* slot: keys_to_write */, (SELECT $2::text[]), (SELECT $3::bytea[]), (SELECT $4::text[]), (SELECT $5::text[])
) AS n (key_digest, namespace, data, owner, key_text)
WHERE NOT EXISTS (
  SELECT FROM /* slot: table */ AS c
  WHERE c.key_digest = n.key_digest
    AND c.data = /* slot: data_in */
    AND c.owner IS NOT DISTINCT FROM n.owner
    AND (c.expires_at IS NULL OR c.expires_at > now())
  OFFSET 0
)
ORDER BY n.key_digest
ON CONFLICT (key_digest) DO UPDATE SET
  data = excluded.data,
  expires_at = CASE WHEN s.expires_at <= clock_timestamp() THEN NULL ELSE s.expires_at END,
  owner = excluded.owner,
  key_text = excluded.key_text,
  /* include: replaced */

-- name: replace
-- Replace entries that are alive and, where that is asked for, hold the expected data; returns their keys.
-- $1 bytea[]: key digests, $2 bytea[]: data, $3 bigint[]: times to live, $4 text[]: owners, $5 bytea[]: expected data
WITH new AS MATERIALIZED (
  SELECT * FROM unnest(
    /* slot: keys_to_write */, (SELECT $2::bytea[]), (SELECT $3::bigint[]), (SELECT $4::text[]), (SELECT $5::bytea[])
  ) AS u (key_digest, data, ttl, owner, expected)
  /* include: no-limit */
), locked AS MATERIALIZED (
  SELECT n.key_digest, n.data, n.ttl, n.owner, s.expires_at
  FROM new AS n
  JOIN /* slot: table */ AS s ON s.key_digest = n.key_digest
    AND (n.expected IS NULL OR s.data = /* slot: data_expected */)
  FOR NO KEY UPDATE OF s
)
UPDATE /* slot: table */ AS s
SET data = /* slot: data_in */,
  expires_at = clock_timestamp() + n.ttl * interval '1 millisecond',
  owner = n.owner,
  updated_at = clock_timestamp()
FROM (
  SELECT * FROM locked AS l
  WHERE l.expires_at IS NULL OR l.expires_at > clock_timestamp()
  /* include: no-limit */
) AS n
WHERE s.key_digest = n.key_digest
RETURNING s.key_digest

-- name: increment
-- Add to numbers; those that are not alive start at zero, with a new expiry. Returns them.
-- $1 bytea[]: key digests, $2 text[]: namespaces, $3 bigint[]: amounts, $4 bigint[]: times to live, $5 text[]: key texts
INSERT INTO /* slot: table */ AS s (key_digest, namespace, data, expires_at, key_text)
SELECT n.key_digest, n.namespace, /* slot: number_in */, now() + n.ttl * interval '1 millisecond', n.key_text
FROM unnest(
  /* slot: keys_to_write */, (SELECT $2::text[]), (SELECT $3::bigint[]), (SELECT $4::bigint[]), (SELECT $5::text[])
) AS n (key_digest, namespace, amount, ttl, key_text)
ORDER BY n.key_digest
ON CONFLICT (key_digest) DO UPDATE SET
  (data, expires_at, owner, created_at) = (
    SELECT
      CASE WHEN e.has_expired THEN excluded.data ELSE /* slot: number_sum */ END,
      CASE WHEN e.has_expired THEN excluded.expires_at + (clock_timestamp() - now()) ELSE s.expires_at END,
      CASE WHEN e.has_expired THEN NULL ELSE s.owner END,
      CASE WHEN e.has_expired THEN clock_timestamp() ELSE s.created_at END
    FROM (SELECT s.expires_at <= clock_timestamp() AS has_expired OFFSET 0) AS e
  ),
  key_text = excluded.key_text,
  updated_at = clock_timestamp()
RETURNING s.key_digest, /* slot: number_out */

-- name: delete
-- Remove keys. By itself, DELETE would lock rows in the order of their pages.
-- $1 bytea[]: key digests
DELETE FROM /* slot: table */
WHERE key_digest IN (
  SELECT key_digest FROM /* slot: table */
  WHERE key_digest = ANY(/* slot: keys_to_write */::bytea[])
  ORDER BY key_digest
  FOR UPDATE
)

-- name: delete-namespace
-- Remove entries of a namespace and its children: those from the one name up to, but without, the other. The locks make a batch
-- that is not full the last one: rows that others remove meanwhile do not count.
--
-- The rows come from the index in its order, as many as are needed: to sort all there are for each batch, or to pass over the
-- places of those removed before, would cost more for each row the more there are.
-- $1 text: namespace, $2 text: children, $3 text: what is behind them, $4 bigint: how many at most
DELETE FROM /* slot: table */
WHERE key_digest = ANY(ARRAY(
  SELECT key_digest FROM /* slot: table */
  WHERE ctid = ANY(ARRAY(
    (SELECT ctid FROM /* slot: table */ WHERE namespace >= $1 AND namespace <= $1 ORDER BY namespace LIMIT $4)
    UNION ALL
    (
      SELECT ctid FROM /* slot: table */
      WHERE namespace >= $2 AND namespace < $3
      ORDER BY namespace
      LIMIT $4
    )
    LIMIT $4
  )) AND /* include: in-namespace */
  ORDER BY key_digest
  FOR UPDATE
)) AND /* include: in-namespace */

-- name: delete-prefix
-- Remove entries of a namespace, but of none of its children, whose key text starts with a prefix: is in the range that begins with it.
-- $1 text: namespace, $2 text: prefix, $3 text: end of the range, $4 bigint: how many at most
DELETE FROM /* slot: table */
WHERE key_digest = ANY(ARRAY(
  SELECT key_digest FROM /* slot: table */
  WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM /* slot: table */
    WHERE namespace = $1 AND key_text >= $2 AND key_text < $3
    ORDER BY key_text
    LIMIT $4
  )) AND namespace = $1 AND key_text >= $2 AND key_text < $3
  ORDER BY key_digest
  FOR UPDATE
)) AND namespace = $1 AND key_text >= $2 AND key_text < $3

-- name: delete-expired
-- Remove expired rows, passing over those that others hold. Where a row lies is quicker to come back to than its key.
-- $1 bigint: how many at most
DELETE FROM /* slot: table */
WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM /* slot: table */
  WHERE expiry_bucket <= (date_part('epoch', now()) / 3600)::integer AND expires_at <= now()
  ORDER BY expiry_bucket
  LIMIT $1
  FOR UPDATE SKIP LOCKED
)) AND expires_at <= now()

-- name: owned
-- Entries of an owner that are alive, the ones last written first; times as milliseconds since 1970.
-- $1 text: namespace, $2 text: owner, $3 bigint: how many at most
SELECT s.key_digest,
  floor(extract(epoch FROM s.created_at) * 1000)::bigint,
  floor(extract(epoch FROM s.updated_at) * 1000)::bigint,
  floor(extract(epoch FROM s.expires_at) * 1000)::bigint
FROM /* slot: table */ AS s
WHERE s.namespace = $1 AND s.owner = $2 AND (s.expires_at IS NULL OR s.expires_at > now())
ORDER BY s.updated_at DESC
LIMIT $3

-- name: delete-owned
-- Remove entries of an owner, but not the one to keep.
-- $1 text: namespace, $2 text: owner, $3 bytea: key digest to keep, or NULL, $4 bigint: how many at most
DELETE FROM /* slot: table */
WHERE key_digest IN (
  SELECT key_digest FROM /* slot: table */
  WHERE namespace = $1 AND owner = $2 AND key_digest IS DISTINCT FROM $3::bytea
  ORDER BY key_digest
  LIMIT $4
  FOR UPDATE
)

-- name: stats
-- How many entries there are and how many bytes of data they have, by namespace and by how long they will live: 0 for those
-- that have expired, else the number of the last bound below, or NULL for ever.
-- $1 bigint[]: bounds in milliseconds, the first of them 0
SELECT g.namespace, g.bin, count(*), sum(g.size)::bigint
FROM (
  SELECT s.namespace, /* slot: data_size */ AS size,
    width_bucket(floor(extract(epoch FROM s.expires_at - now()) * 1000)::bigint, $1::bigint[]) AS bin
  FROM /* slot: table */ AS s
) AS g
GROUP BY g.namespace, g.bin

-- name: namespaces
-- The namespaces that there are, each found from the one before it: the index has a million entries, and few of them.
WITH RECURSIVE found (namespace) AS (
  SELECT min(namespace) FROM /* slot: table */
  UNION ALL
  SELECT (SELECT min(s.namespace) FROM /* slot: table */ AS s WHERE s.namespace > found.namespace)
  FROM found
  WHERE found.namespace IS NOT NULL
)
SELECT namespace FROM found WHERE namespace IS NOT NULL

-- name: inspect
-- All but the data of entries, also of expired ones: key digest, namespace, bytes of data, owner, when it was stored, written
-- and will expire in milliseconds since 1970, and the milliseconds until then.
-- $1 bytea[]: key digests
SELECT s.key_digest, s.namespace, /* slot: data_size */, s.owner,
  floor(extract(epoch FROM s.created_at) * 1000)::bigint,
  floor(extract(epoch FROM s.updated_at) * 1000)::bigint,
  floor(extract(epoch FROM s.expires_at) * 1000)::bigint,
  floor(extract(epoch FROM s.expires_at - now()) * 1000)::bigint
FROM /* slot: table */ AS s
WHERE s.key_digest = ANY($1::bytea[])

-- name: add
-- Store entries, without their keys as text, whose keys have no live one.
-- $1 bytea[]: key digests, $2 text[]: namespaces, $3 bytea[]: data, $4 bigint[]: times to live, $5 text[]: owners
INSERT INTO /* slot: table */ AS s (key_digest, namespace, data, expires_at, owner)
SELECT n.key_digest, n.namespace, /* slot: data_in */, now() + n.ttl * interval '1 millisecond', n.owner
FROM unnest($1::bytea[], $2::text[], $3::bytea[], $4::bigint[], $5::text[])
  AS n (key_digest, namespace, data, ttl, owner)
ORDER BY n.key_digest
ON CONFLICT (key_digest) DO UPDATE SET
  data = excluded.data,
  /* include: replaced-expiry */,
  owner = excluded.owner,
  key_text = NULL,
  /* include: replaced */
WHERE s.expires_at <= clock_timestamp()

-- name: sqlspec-sessions
-- Live rows of a table that SQLSpec's own store has made, in order: id, data, and the milliseconds that they will live, NULL
-- for ever. Here and below, the table is that one.
-- $1 text: the id of the last row before, $2 bigint: how many at most
SELECT session_id, data, ceil(extract(epoch FROM expires_at - now()) * 1000)::bigint
FROM /* slot: table */
WHERE session_id > $1 AND (expires_at IS NULL OR expires_at > now())
ORDER BY session_id
LIMIT $2

-- name: delete-sqlspec-sessions
-- Remove rows from a table that SQLSpec's own store has made.
-- $1 text[]: ids
DELETE FROM /* slot: table */ WHERE session_id = ANY($1::text[])

-- name: check-table
-- Fails if the table is missing, lacks a column, or has data of the other format.
SELECT key_digest, namespace, /* slot: data_check */, expires_at, expiry_bucket, owner, key_text, created_at,
  updated_at
FROM /* slot: table */
LIMIT 0

-- name: table-shape
-- What there is of the table: its columns with their types and whether a row must give them a value, its indexes, and the mark
-- that says which version of the schema it has.
-- $1 text: schema or NULL, $2 text: table
SELECT 'column', a.attname::text, t.typname::text, a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = /* include: table-oid */ AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'index', c.relname::text, NULL, FALSE
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = /* include: table-oid */
UNION ALL
SELECT 'mark', obj_description(/* include: table-oid */, 'pg_class'), NULL, FALSE

-- name: create-table
-- Runs as one transaction. IF NOT EXISTS alone is no protection: two that create at once collide in the catalog.
--
-- Only the hour of the expiry is indexed, so that most renewals change no indexed column and stay heap-only tuples:
-- those that are a minute apart do in 59 of 60 cases. The fill factor leaves them room in their page.
SELECT pg_advisory_xact_lock(hashtext('litestar-sqlstores'));

CREATE TABLE IF NOT EXISTS /* slot: table */ (
  key_digest bytea PRIMARY KEY,
  namespace text COLLATE "C" NOT NULL,
  data /* slot: data_type */ NOT NULL,
  expires_at timestamptz,
  expiry_bucket int4 GENERATED ALWAYS AS (
    (date_part('epoch', expires_at AT TIME ZONE 'UTC') / 3600)::integer
  ) STORED,
  owner text,
  key_text text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX IF NOT EXISTS /* slot: expiry_index */
  ON /* slot: table */ (expiry_bucket) WHERE expiry_bucket IS NOT NULL;

CREATE INDEX IF NOT EXISTS /* slot: namespace_index */
  ON /* slot: table */ (namespace);

CREATE INDEX IF NOT EXISTS /* slot: owner_index */
  ON /* slot: table */ (namespace, owner) WHERE owner IS NOT NULL;

CREATE INDEX IF NOT EXISTS /* slot: keys_index */
  ON /* slot: table */ (namespace, key_text) WHERE key_text IS NOT NULL;

COMMENT ON TABLE /* slot: table */ IS /* slot: schema_mark */

-- name: drop-table
-- Drop the table with its indexes, if it is there.
DROP TABLE IF EXISTS /* slot: table */

-- name: native-ttl
-- A job of the extension pg_cron that removes expired rows every minute, in batches.
SELECT cron.schedule(
  'remove expired rows of /* slot: table */',
  '* * * * *',
  $job$
    DELETE FROM /* slot: table */
    WHERE key_digest IN (
      SELECT key_digest FROM /* slot: table */
      WHERE expiry_bucket <= (date_part('epoch', now()) / 3600)::integer AND expires_at <= now()
      ORDER BY expiry_bucket
      LIMIT 10000
      FOR UPDATE SKIP LOCKED
    )
  $job$
)

-- fragment: table-oid
to_regclass(COALESCE(quote_ident($1::text) || '.', '') || quote_ident($2::text))

-- fragment: keys_to_write_full
-- What the role or the database may have set counts as long as it waits for the disk.
(SELECT $1::bytea[] WHERE CASE current_setting('synchronous_commit')
  WHEN 'off' THEN set_config('synchronous_commit', 'on', TRUE) ELSE '' END IS NOT NULL)

-- fragment: keys_to_write_relaxed
(SELECT $1::bytea[] WHERE set_config('synchronous_commit', 'off', TRUE) IS NOT NULL)

-- fragment: renewals
unnest(/* slot: keys_to_write */, (SELECT $2::bigint[]), (SELECT $3::bigint[])) AS r (key_digest, ttl, tolerance)

-- fragment: alive-with-data
alive AS MATERIALIZED (
  SELECT r.key_digest, s.data, s.expires_at, r.ttl, r.tolerance
  FROM /* include: renewals */
  CROSS JOIN LATERAL (
    SELECT s.data, s.expires_at FROM /* slot: table */ AS s
    WHERE s.key_digest = r.key_digest AND (s.expires_at IS NULL OR s.expires_at > now())
    OFFSET 0
  ) AS s
)

-- fragment: alive-without-data
alive AS MATERIALIZED (
  SELECT r.key_digest, s.expires_at, r.ttl, r.tolerance
  FROM /* include: renewals */
  CROSS JOIN LATERAL (
    SELECT s.expires_at FROM /* slot: table */ AS s
    WHERE s.key_digest = r.key_digest AND (s.expires_at IS NULL OR s.expires_at > now())
    OFFSET 0
  ) AS s
)

-- fragment: renew-alive
-- What has expired while its lock was waited for is a division by zero, which undoes the statement: it is tried again, and
-- finds nothing alive. To lock rows first, as replace does, would cost each renewal a third more.
UPDATE /* slot: table */ AS s
SET expires_at = now() + d.ttl * interval '1 millisecond', updated_at = now()
FROM (
  SELECT * FROM alive AS a
  WHERE a.expires_at NOT BETWEEN now() + (a.ttl - a.tolerance) * interval '1 millisecond'
                             AND now() + (a.ttl + a.tolerance) * interval '1 millisecond'
  /* include: no-limit */
) AS d
WHERE s.key_digest = d.key_digest AND s.expires_at = d.expires_at
RETURNING s.key_digest, 1 / (CASE WHEN d.expires_at > clock_timestamp() THEN 1 ELSE 0 END)

-- fragment: no-limit
-- The planner does not know that there is none, and expects few rows. So it looks up each one, and rows are locked in the
-- order of the keys; all but the smallest tables are not joined as a whole, in the order of their pages.
LIMIT (SELECT NULL::bigint)

-- fragment: replaced-expiry
-- What is to be inserted was computed before the lock was there.
expires_at = excluded.expires_at + (clock_timestamp() - now())

-- fragment: replaced
updated_at = clock_timestamp(),
  created_at = CASE WHEN s.expires_at <= clock_timestamp() THEN clock_timestamp() ELSE s.created_at END

-- fragment: data_type_bytes
bytea

-- fragment: data_type_json
jsonb

-- fragment: data_in_bytes
n.data

-- fragment: data_in_json
convert_from(n.data, 'UTF8')::jsonb

-- fragment: data_out_bytes
s.data

-- fragment: data_out_json
convert_to(s.data::text, 'UTF8')

-- fragment: data_check_bytes
data || ''::bytea

-- fragment: data_check_json
data -> ''

-- fragment: data_expected_bytes
n.expected

-- fragment: data_expected_json
convert_from(n.expected, 'UTF8')::jsonb

-- fragment: number_in_bytes
convert_to(n.amount::text, 'UTF8')

-- fragment: number_in_json
to_jsonb(n.amount)

-- fragment: in-namespace
(namespace = $1 OR (namespace >= $2 AND namespace < $3))

-- fragment: number_sum_bytes
-- A cast takes spaces and a plus as well; what is no number becomes an empty text, which is in no error message.
convert_to((
  (CASE WHEN encode(s.data, 'escape') ~ '^-?[0-9]+$' THEN encode(s.data, 'escape') ELSE '' END)::bigint
  + convert_from(excluded.data, 'UTF8')::bigint
)::text, 'UTF8')

-- fragment: number_sum_json
to_jsonb(
  (CASE WHEN s.data::text ~ '^-?[0-9]+$' THEN s.data::text ELSE '' END)::bigint + excluded.data::text::bigint
)

-- fragment: number_out_bytes
convert_from(s.data, 'UTF8')::bigint

-- fragment: number_out_json
s.data::text::bigint

-- fragment: data_size_bytes
octet_length(s.data)::bigint

-- fragment: data_size_json
pg_column_size(s.data)::bigint
