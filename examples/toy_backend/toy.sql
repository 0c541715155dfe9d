-- What the toy backend sends to SQLite. Each statement serves one key; a batch is one transaction.
--
-- Times are milliseconds since 1970, on the database's clock; times to live come in milliseconds. Slots (`table`, and names
-- that end in _index) are filled with names when a store is made; fragments are included where a statement says so.

-- name: get
-- The data and the expiry of a key, if it is alive.
-- ?1 key digest
SELECT key_digest, data, expires_at FROM /* slot: table */ AS s WHERE key_digest = ?1 AND /* include: is-alive */

-- name: remaining
-- The milliseconds that a key will live, NULL for ever, if it is alive.
-- ?1 key digest
SELECT key_digest, expires_at - /* include: now */ FROM /* slot: table */ AS s
WHERE key_digest = ?1 AND /* include: is-alive */

-- name: renew
-- Renew a key whose expiry is still the one that was read, if that would move it by more than the tolerance.
-- ?1 key digest, ?2 time to live, ?3 tolerance, ?4 the expiry that was read
UPDATE /* slot: table */ SET expires_at = /* include: now */ + ?2, updated_at = /* include: now */
WHERE key_digest = ?1 AND expires_at = ?4 AND expires_at > /* include: now */
  AND abs(expires_at - /* include: now */ - ?2) > ?3
RETURNING key_digest

-- name: set
-- Store an entry, unless it is stored already with an expiry within the tolerance.
-- ?1 key digest, ?2 namespace, ?3 data, ?4 time to live, ?5 owner, ?6 key text, ?7 tolerance
INSERT INTO /* slot: table */ AS s (/* include: columns */)
VALUES (/* include: values */)
ON CONFLICT (key_digest) DO UPDATE SET
  data = excluded.data, owner = excluded.owner, key_text = excluded.key_text, expires_at = excluded.expires_at,
  /* include: replaced */
WHERE s.data <> excluded.data OR s.owner IS NOT excluded.owner
  OR (s.expires_at IS NULL) <> (?4 IS NULL)
  OR (?7 = 0 AND ?4 IS NOT NULL)
  OR abs(s.expires_at - excluded.expires_at) > ?7

-- name: add
-- Store an entry, without its key as text, if its key has no live one.
-- ?1 key digest, ?2 namespace, ?3 data, ?4 time to live, ?5 owner, ?6 NULL
INSERT INTO /* slot: table */ AS s (/* include: columns */)
VALUES (/* include: values */)
ON CONFLICT (key_digest) DO UPDATE SET
  data = excluded.data, owner = excluded.owner, key_text = excluded.key_text, expires_at = excluded.expires_at,
  /* include: replaced */
WHERE NOT /* include: is-alive */

-- name: set-keeping-ttl
-- Store an entry that keeps the expiry of a live entry under its key, unless it is stored already.
-- ?1 key digest, ?2 namespace, ?3 data, ?4 NULL, ?5 owner, ?6 key text
INSERT INTO /* slot: table */ AS s (/* include: columns */)
VALUES (/* include: values */)
ON CONFLICT (key_digest) DO UPDATE SET
  data = excluded.data, owner = excluded.owner, key_text = excluded.key_text,
  expires_at = CASE WHEN /* include: is-alive */ THEN s.expires_at END,
  /* include: replaced */
WHERE s.data <> excluded.data OR s.owner IS NOT excluded.owner OR NOT /* include: is-alive */

-- name: replace
-- Replace an entry that is alive and, where that is asked for, holds the expected data; returns its key.
-- ?1 key digest, ?2 data, ?3 time to live, ?4 owner, ?5 expected data or NULL
UPDATE /* slot: table */ AS s
SET data = ?2, expires_at = /* include: now */ + ?3, owner = ?4, updated_at = /* include: now */
WHERE key_digest = ?1 AND /* include: is-alive */ AND (?5 IS NULL OR data = ?5)
RETURNING key_digest

-- name: increment
-- Add to a number; one that is not alive starts at zero, with a new expiry. What is no number becomes NULL, which the
-- table refuses. Returns key and number.
-- ?1 key digest, ?2 namespace, ?3 amount, ?4 time to live, ?5 NULL, ?6 key text
INSERT INTO /* slot: table */ AS s (/* include: columns */)
VALUES (/* include: values */)
ON CONFLICT (key_digest) DO UPDATE SET
  data = CASE
    WHEN NOT /* include: is-alive */ THEN excluded.data
    WHEN CAST(/* include: number */ AS TEXT) = CAST(s.data AS TEXT) AND typeof(/* include: number */ + ?3) = 'integer'
      THEN CAST(CAST(/* include: number */ + ?3 AS TEXT) AS BLOB)
  END,
  expires_at = CASE WHEN /* include: is-alive */ THEN s.expires_at ELSE excluded.expires_at END,
  owner = CASE WHEN /* include: is-alive */ THEN s.owner END,
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
DELETE FROM /* slot: table */ WHERE key_digest IN (
  SELECT key_digest FROM /* slot: table */
  WHERE namespace = ?1 OR (namespace >= ?2 AND namespace < ?3)
  LIMIT ?4
)

-- name: delete-prefix
-- Remove entries of a namespace whose key text is in a range.
-- ?1 namespace, ?2 first text, ?3 end of the range, ?4 how many at most
DELETE FROM /* slot: table */ WHERE key_digest IN (
  SELECT key_digest FROM /* slot: table */
  WHERE namespace = ?1 AND key_text >= ?2 AND key_text < ?3
  LIMIT ?4
)

-- name: delete-expired
-- Remove expired rows.
-- ?1 how many at most
DELETE FROM /* slot: table */ WHERE key_digest IN (
  SELECT key_digest FROM /* slot: table */ WHERE expires_at <= /* include: now */ LIMIT ?1
)

-- name: owned
-- Entries of an owner that are alive, the ones last written first.
-- ?1 namespace, ?2 owner, ?3 how many at most
SELECT key_digest, created_at, updated_at, expires_at FROM /* slot: table */ AS s
WHERE namespace = ?1 AND owner = ?2 AND /* include: is-alive */
ORDER BY updated_at DESC LIMIT ?3

-- name: delete-owned
-- Remove entries of an owner, but not the one to keep.
-- ?1 namespace, ?2 owner, ?3 key digest to keep or NULL, ?4 how many at most
DELETE FROM /* slot: table */ WHERE key_digest IN (
  SELECT key_digest FROM /* slot: table */
  WHERE namespace = ?1 AND owner = ?2 AND key_digest IS NOT ?3
  LIMIT ?4
)

-- name: stats
-- How many entries there are and how many bytes of data they have, by namespace and by how long they will live: 0 for those
-- that have expired, else the number of the last bound below, or NULL for ever.
-- ?1 to ?6 bounds in milliseconds, the first of them 0
SELECT namespace, bin, count(*), sum(size)
FROM (
  SELECT namespace, length(data) AS size,
    (left > ?1) + (left >= ?2) + (left >= ?3) + (left >= ?4) + (left >= ?5) + (left >= ?6) AS bin
  FROM (SELECT namespace, data, expires_at - /* include: now */ AS left FROM /* slot: table */)
)
GROUP BY namespace, bin

-- name: namespaces
-- The namespaces that there are.
SELECT DISTINCT namespace FROM /* slot: table */

-- name: inspect
-- All but the data of an entry, also of an expired one.
-- ?1 key digest
SELECT key_digest, namespace, length(data), owner, created_at, updated_at, expires_at, expires_at - /* include: now */
FROM /* slot: table */
WHERE key_digest = ?1

-- name: check-table
-- Fails if the table is missing or lacks a column.
SELECT key_digest, namespace, data, expires_at, owner, key_text, created_at, updated_at FROM /* slot: table */ LIMIT 0

-- name: table-shape
-- What there is of the table: its columns with their types and whether a row must give them a value, its indexes, and the mark
-- that says which version of the schema it has.
-- ?1 schema, which the toy does not know, ?2 table
SELECT 'column', name, type, "notnull" AND dflt_value IS NULL FROM pragma_table_info(?2)
UNION ALL
SELECT 'index', name, NULL, FALSE FROM pragma_index_list(?2)
UNION ALL
SELECT 'mark', sql, NULL, FALSE FROM sqlite_master WHERE type = 'table' AND name = ?2

-- name: create-table
-- A table of this store's own, unless it is there. The name of its constraint says which version of the schema it has.
CREATE TABLE IF NOT EXISTS /* slot: table */ (
  key_digest BLOB PRIMARY KEY,
  namespace TEXT NOT NULL,
  data BLOB NOT NULL,
  expires_at INTEGER,
  owner TEXT,
  key_text TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CONSTRAINT /* slot: schema_constraint */ CHECK (TRUE)
);
CREATE INDEX IF NOT EXISTS /* slot: expiry_index */ ON /* slot: table_name */ (expires_at);
CREATE INDEX IF NOT EXISTS /* slot: owner_index */ ON /* slot: table_name */ (namespace, owner)

-- name: drop-table
-- Drop the table with its indexes, if it is there.
DROP TABLE IF EXISTS /* slot: table */

-- fragment: now
CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)

-- fragment: is-alive
(s.expires_at IS NULL OR s.expires_at > /* include: now */)

-- fragment: columns
key_digest, namespace, data, expires_at, owner, key_text, created_at, updated_at

-- fragment: values
?1, ?2, CAST(?3 AS BLOB), /* include: now */ + ?4, ?5, ?6, /* include: now */, /* include: now */

-- fragment: replaced
updated_at = excluded.updated_at,
  created_at = CASE WHEN /* include: is-alive */ THEN s.created_at ELSE excluded.created_at END

-- fragment: number
CAST(CAST(s.data AS TEXT) AS INTEGER)
