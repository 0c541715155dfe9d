-- SQLite 3.35 and later.
--
-- Reads serve a batch of keys, which come as one BLOB of 32 bytes a key. Writes serve one key; a batch of them is one
-- transaction. Times are milliseconds since 1970, on the clock of the machine that the file is on. Slots that end in _index, and table,
-- table_name and schema, are names; the others are filled with the fragments at the end, by data format.

-- name: get
-- The data of the keys that are alive.
-- ?1 key digests
/* include: with-keys */
SELECT key_digest, CAST(data AS BLOB) FROM keys /* include: join-table */
WHERE /* include: is-alive */

-- name: get-for-renewal
-- As get, with the expiry if it would move by more than the tolerance, else NULL.
-- ?1 key digests, ?2 time to live, ?3 tolerance
/* include: with-keys */
SELECT key_digest, CAST(data AS BLOB), CASE WHEN abs(expires_at - (SELECT /* include: now */) - ?2) > ?3 THEN expires_at END
FROM keys /* include: join-table */
WHERE /* include: is-alive */

-- name: renew
-- Renew what get-for-renewal has read, unless it has another expiry since.
-- ?1 key digest, ?2 time to live, ?3 the expiry that was read
UPDATE /* slot: table */ SET expires_at = /* include: now */ + ?2, updated_at = /* include: now */
WHERE key_digest = ?1 AND expires_at = ?3 AND expires_at > /* include: now */

-- name: remaining
-- The milliseconds that keys will live, NULL for ever, of those that are alive.
-- ?1 key digests
/* include: with-keys */
SELECT key_digest, expires_at - (SELECT /* include: now */) FROM keys /* include: join-table */
WHERE /* include: is-alive */

-- name: set
-- Store an entry, unless it is stored already with an expiry within the tolerance.
-- ?1 key digest, ?2 namespace, ?3 data, ?4 time to live, ?5 tolerance, ?6 owner, ?7 key text
INSERT INTO /* slot: table */ AS s (key_digest, namespace, data, expires_at, owner, key_text, created_at, updated_at)
SELECT ?1, ?2, /* slot: data_in */, /* include: now */ + ?4, ?6, ?7, /* include: now */, /* include: now */
WHERE NOT EXISTS (
  SELECT 1 FROM /* slot: table */ AS c
  WHERE c.key_digest = ?1 AND c.data = /* slot: data_in */ AND c.owner IS ?6
    AND CASE
      WHEN ?4 IS NULL THEN c.expires_at IS NULL
      ELSE abs(c.expires_at - /* include: now */ - ?4) <= ?5 AND ?5 > 0
    END
)
ON CONFLICT (key_digest) DO UPDATE SET
  data = excluded.data,
  expires_at = excluded.expires_at,
  owner = excluded.owner,
  key_text = excluded.key_text,
  /* include: replaced */

-- name: set-keeping-ttl
-- Store an entry that keeps the expiry of a live entry under its key.
-- ?1 key digest, ?2 namespace, ?3 data, ?4 owner, ?5 key text
INSERT INTO /* slot: table */ AS s (key_digest, namespace, data, owner, key_text, created_at, updated_at)
SELECT ?1, ?2, /* slot: data_in */, ?4, ?5, /* include: now */, /* include: now */
WHERE NOT EXISTS (
  SELECT 1 FROM /* slot: table */ AS c
  WHERE c.key_digest = ?1 AND c.data = /* slot: data_in */ AND c.owner IS ?4
    AND (c.expires_at IS NULL OR c.expires_at > /* include: now */)
)
ON CONFLICT (key_digest) DO UPDATE SET
  data = excluded.data,
  expires_at = CASE WHEN s.expires_at > /* include: now */ THEN s.expires_at END,
  owner = excluded.owner,
  key_text = excluded.key_text,
  /* include: replaced */

-- name: replace
-- Replace an entry that is alive and, where that is asked for, holds the expected data; returns its key if it was.
-- ?1 key digest, ?2 data, ?3 time to live, ?4 owner, ?5 expected data or NULL
UPDATE /* slot: table */ SET
  data = /* slot: new_data_in */,
  expires_at = /* include: now */ + ?3,
  owner = ?4,
  updated_at = /* include: now */
WHERE key_digest = ?1 AND /* include: is-alive */ AND (?5 IS NULL OR data = /* slot: data_expected */)
RETURNING key_digest

-- name: increment
-- Add to a number; one that is not alive starts at zero, with a new expiry. What is no number, or none of 64 bits, becomes NULL,
-- which the table refuses. Returns key and number.
-- ?1 key digest, ?2 namespace, ?3 amount, ?4 time to live, ?5 key text
INSERT INTO /* slot: table */ AS s (key_digest, namespace, data, expires_at, key_text, created_at, updated_at)
VALUES (?1, ?2, /* slot: number_in */, /* include: now */ + ?4, ?5, /* include: now */, /* include: now */)
ON CONFLICT (key_digest) DO UPDATE SET
  data = CASE
    WHEN s.expires_at <= /* include: now */ THEN excluded.data
    WHEN CAST(CAST(CAST(s.data AS TEXT) AS INTEGER) AS TEXT) = CAST(s.data AS TEXT)
      AND typeof(CAST(CAST(s.data AS TEXT) AS INTEGER) + ?3) = 'integer' THEN /* slot: number_sum */
  END,
  expires_at = CASE WHEN s.expires_at <= /* include: now */ THEN excluded.expires_at ELSE s.expires_at END,
  owner = CASE WHEN s.expires_at <= /* include: now */ THEN NULL ELSE s.owner END,
  key_text = excluded.key_text,
  /* include: replaced */
RETURNING key_digest, CAST(CAST(data AS TEXT) AS INTEGER)

-- name: delete
-- Remove a key.
-- ?1 key digest
DELETE FROM /* slot: table */ WHERE key_digest = ?1

-- name: delete-namespace
-- Remove entries of a namespace and its children: those from the one name up to, but without, the other.
-- ?1 namespace, ?2 children, ?3 what is behind them, ?4 how many at most
DELETE FROM /* slot: table */
WHERE key_digest IN (
  SELECT key_digest FROM /* slot: table */
  WHERE namespace = ?1 OR (namespace >= ?2 AND namespace < ?3)
  LIMIT ?4
)

-- name: delete-prefix
-- Remove entries of a namespace, but of none of its children, whose key text starts with a prefix: is in the range that begins with it.
-- ?1 namespace, ?2 prefix, ?3 end of the range, ?4 how many at most
DELETE FROM /* slot: table */
WHERE key_digest IN (
  SELECT key_digest FROM /* slot: table */
  WHERE namespace = ?1 AND key_text >= ?2 AND key_text < ?3
  LIMIT ?4
)

-- name: delete-expired
-- Remove expired rows.
-- ?1 how many at most
DELETE FROM /* slot: table */
WHERE key_digest IN (
  SELECT key_digest FROM /* slot: table */
  WHERE expiry_bucket <= /* include: now */ / 3600000 AND expires_at <= /* include: now */
  ORDER BY expiry_bucket
  LIMIT ?1
)

-- name: owned
-- Entries of an owner that are alive, the ones last written first.
-- ?1 namespace, ?2 owner, ?3 how many at most
SELECT key_digest, created_at, updated_at, expires_at FROM /* slot: table */
WHERE namespace = ?1 AND owner = ?2 AND /* include: is-alive */
ORDER BY updated_at DESC
LIMIT ?3

-- name: delete-owned
-- Remove entries of an owner, but not the one to keep.
-- ?1 namespace, ?2 owner, ?3 key digest to keep, or NULL, ?4 how many at most
DELETE FROM /* slot: table */
WHERE key_digest IN (
  SELECT key_digest FROM /* slot: table */
  WHERE namespace = ?1 AND owner = ?2 AND key_digest IS NOT ?3
  LIMIT ?4
)

-- name: stats
-- How many entries there are and how many bytes of data they have, by namespace and by how long they will live: 0 for those
-- that have expired, else the number of the last bound below, or NULL for ever.
-- ?1 to ?6: bounds in milliseconds, the first of them 0; that is ?2, ?3, ?4 and ?5, too
SELECT namespace, bin, count(*), sum(size)
FROM (
  SELECT namespace, length(CAST(data AS BLOB)) AS size,
    (remaining > ?1) + (remaining >= ?2) + (remaining >= ?3) + (remaining >= ?4) + (remaining >= ?5) + (remaining >= ?6) AS bin
  FROM (SELECT namespace, data, expires_at - (SELECT /* include: now */) AS remaining FROM /* slot: table */)
)
GROUP BY namespace, bin

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
-- and will expire, and the milliseconds until then.
-- ?1 key digests
/* include: with-keys */
SELECT key_digest, namespace, length(CAST(data AS BLOB)), owner, created_at, updated_at, expires_at,
  expires_at - (SELECT /* include: now */)
FROM keys /* include: join-table */

-- name: add
-- Store an entry, without its key as text, if its key has no live one.
-- ?1 key digest, ?2 namespace, ?3 data, ?4 time to live, ?5 owner
INSERT INTO /* slot: table */ AS s (key_digest, namespace, data, expires_at, owner, created_at, updated_at)
VALUES (?1, ?2, /* slot: data_in */, /* include: now */ + ?4, ?5, /* include: now */, /* include: now */)
ON CONFLICT (key_digest) DO UPDATE SET
  data = excluded.data,
  expires_at = excluded.expires_at,
  owner = excluded.owner,
  key_text = NULL,
  /* include: replaced */
WHERE s.expires_at <= /* include: now */

-- name: sqlspec-sessions
-- Live rows of a table that SQLSpec's own store has made, in order: id, data, and the milliseconds that they will live, NULL
-- for ever. Here and below, the table is that one. Its times are Julian days, or what else julianday() takes.
-- ?1 the id of the last row before, ?2 how many at most
SELECT session_id, data, max(1, CAST((julianday(expires_at) - julianday('now')) * 86400000 AS INTEGER))
FROM /* slot: table */
WHERE session_id > ?1 AND (expires_at IS NULL OR julianday(expires_at) > julianday('now'))
ORDER BY session_id
LIMIT ?2

-- name: delete-sqlspec-sessions
-- Remove a row from a table that SQLSpec's own store has made.
-- ?1 id
DELETE FROM /* slot: table */ WHERE session_id = ?1

-- name: check-table
-- Fails if the table is missing or lacks a column.
SELECT key_digest, namespace, data, expires_at, expiry_bucket, owner, key_text, created_at, updated_at
FROM /* slot: table */
LIMIT 0

-- name: check-format
-- A row if the table has data of the store's format.
-- ?1 schema or NULL, ?2 table
SELECT 1 FROM pragma_table_info(?2, /* include: given-schema */) WHERE name = 'data' AND type = /* slot: data_type_name */

-- name: table-shape
-- What there is of the table: its columns with their types and whether a row must give them a value, its indexes, and the mark
-- that says which version of the schema it has.
-- ?1 schema or NULL, ?2 table
SELECT 'column', name, type, "notnull" AND dflt_value IS NULL AND NOT hidden FROM pragma_table_xinfo(?2, /* include: given-schema */)
UNION ALL
SELECT 'index', name, NULL, FALSE FROM pragma_index_list(?2, /* include: given-schema */)
UNION ALL
SELECT 'mark', sql, NULL, FALSE FROM /* slot: schema */sqlite_master WHERE type = 'table' AND name = ?2

-- name: create-table
-- SQLite has no comments on tables. The version of the schema is in the name of a constraint, which says nothing else.
-- Only the hour of the expiry is indexed, so that most renewals change no index.
CREATE TABLE IF NOT EXISTS /* slot: table */ (
  key_digest BLOB PRIMARY KEY,
  namespace TEXT NOT NULL,
  data /* slot: data_type */ NOT NULL CHECK (/* slot: data_check */),
  expires_at INTEGER,
  expiry_bucket INTEGER GENERATED ALWAYS AS (expires_at / 3600000) VIRTUAL,
  owner TEXT,
  key_text TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CONSTRAINT /* slot: schema_constraint */ CHECK (TRUE)
);

CREATE INDEX IF NOT EXISTS /* slot: schema *//* slot: expiry_index */
  ON /* slot: table_name */ (expiry_bucket) WHERE expiry_bucket IS NOT NULL;

CREATE INDEX IF NOT EXISTS /* slot: schema *//* slot: namespace_index */
  ON /* slot: table_name */ (namespace);

CREATE INDEX IF NOT EXISTS /* slot: schema *//* slot: owner_index */
  ON /* slot: table_name */ (namespace, owner) WHERE owner IS NOT NULL;

CREATE INDEX IF NOT EXISTS /* slot: schema *//* slot: keys_index */
  ON /* slot: table_name */ (namespace, key_text) WHERE key_text IS NOT NULL

-- name: drop-table
-- Drop the table with its indexes, if it is there.
DROP TABLE IF EXISTS /* slot: table */

-- fragment: now
CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)

-- fragment: given-schema
COALESCE(?1, 'main')

-- fragment: is-alive
(expires_at IS NULL OR expires_at > (SELECT /* include: now */))

-- fragment: with-keys
WITH RECURSIVE keys (place) AS (
  SELECT 1 UNION ALL SELECT place + 32 FROM keys WHERE place + 32 < length(?1)
)

-- fragment: join-table
CROSS JOIN /* slot: table */ ON key_digest = substr(?1, place, 32)

-- fragment: replaced
updated_at = excluded.updated_at,
  created_at = CASE WHEN s.expires_at <= /* include: now */ THEN excluded.created_at ELSE s.created_at END

-- fragment: data_type_bytes
BLOB

-- fragment: data_type_json
TEXT

-- fragment: data_type_name_bytes
'BLOB'

-- fragment: data_type_name_json
'TEXT'

-- fragment: data_in_bytes
?3

-- fragment: data_in_json
CAST(?3 AS TEXT)

-- fragment: data_check_bytes
typeof(data) = 'blob'

-- fragment: data_check_json
json_valid(data)

-- fragment: new_data_in_bytes
?2

-- fragment: new_data_in_json
CAST(?2 AS TEXT)

-- fragment: data_expected_bytes
?5

-- fragment: data_expected_json
CAST(?5 AS TEXT)

-- fragment: number_in_bytes
CAST(CAST(?3 AS TEXT) AS BLOB)

-- fragment: number_in_json
CAST(?3 AS TEXT)

-- fragment: number_sum_bytes
CAST(CAST(CAST(CAST(s.data AS TEXT) AS INTEGER) + ?3 AS TEXT) AS BLOB)

-- fragment: number_sum_json
CAST(CAST(s.data AS INTEGER) + ?3 AS TEXT)
