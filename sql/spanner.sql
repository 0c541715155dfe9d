-- Cloud Spanner, GoogleSQL dialect.
--
-- Statements take arrays of structs: one statement serves all keys of a batch, which it looks up in the table one by one
-- (an apply join). Times to live come as milliseconds and are added to the server's clock.
--
-- TO_JSON_STRING may refuse more than a megabyte: what cannot be compared (SAFE) is not the same.
--
-- Slots that end in _index, and table and schema, are names; the others are filled with the fragments at the end of this
-- file, by data format and by whether the table is sharded.

-- name: get
-- The data of the keys that are alive.
-- @batch: shard_id, key_digest
SELECT s.key_digest, /* slot: data_out */
FROM UNNEST(@batch) AS n
JOIN /* include: lookup */ /* slot: table */ AS s ON /* slot: same_key */
WHERE /* include: is-alive */

-- name: get-for-renewal
-- As get, with the expiry in microseconds since 1970 if it would move by more than the tolerance, else NULL.
-- @batch: shard_id, key_digest, ttl, tolerance
SELECT s.key_digest, /* slot: data_out */, /* include: due */
FROM UNNEST(@batch) AS n
JOIN /* include: lookup */ /* slot: table */ AS s ON /* slot: same_key */
WHERE /* include: is-alive */

-- name: due-for-renewal
-- As get-for-renewal, without the data.
-- @batch: shard_id, key_digest, ttl, tolerance
SELECT s.key_digest, /* include: due */
FROM UNNEST(@batch) AS n
JOIN /* include: lookup */ /* slot: table */ AS s ON /* slot: same_key */
WHERE /* include: is-alive */

-- name: renew
-- What to write to renew what get-for-renewal has read, but for what has been replaced since. A statement that writes would
-- have no join (UPDATE), or write all columns (INSERT OR UPDATE).
-- @batch: shard_id, key_digest, ttl, expires_at
SELECT s.key_digest, /* include: expiry */, CURRENT_TIMESTAMP()
FROM UNNEST(@batch) AS n
JOIN /* include: lookup */ /* slot: table */ AS s ON /* slot: same_key */
WHERE UNIX_MICROS(s.expires_at) = n.expires_at AND s.expires_at > CURRENT_TIMESTAMP()

-- name: remaining
-- The milliseconds that keys will live, NULL for ever, of those that are alive.
-- @batch: shard_id, key_digest
SELECT s.key_digest, TIMESTAMP_DIFF(s.expires_at, CURRENT_TIMESTAMP(), MILLISECOND)
FROM UNNEST(@batch) AS n
JOIN /* include: lookup */ /* slot: table */ AS s ON /* slot: same_key */
WHERE /* include: is-alive */

-- name: set
-- Store entries, but for those that are stored already with an expiry within the tolerance.
-- @batch: shard_id, key_digest, namespace, data, ttl, tolerance, owner, key_text
INSERT OR UPDATE INTO /* slot: table */ (
  key_digest, namespace, data, expires_at, owner, key_text, created_at, updated_at
)
SELECT n.key_digest, n.namespace, /* slot: data_in */, /* include: expiry */, n.owner, n.key_text,
  /* include: created */, CURRENT_TIMESTAMP()
FROM UNNEST(@batch) AS n
LEFT JOIN /* include: lookup */ /* slot: table */ AS s ON /* slot: same_key */
WHERE s.key_digest IS NULL
  OR NOT /* include: same-value */
  OR NOT CASE
    WHEN n.ttl IS NULL THEN s.expires_at IS NULL
    WHEN s.expires_at IS NULL THEN FALSE
    ELSE ABS(TIMESTAMP_DIFF(s.expires_at, /* include: expiry */, MICROSECOND)) <= n.tolerance * 1000 AND n.tolerance > 0
  END

-- name: set-keeping-ttl
-- Store entries that keep the expiry of a live entry under their key.
-- @batch: shard_id, key_digest, namespace, data, ttl, tolerance, owner, key_text
INSERT OR UPDATE INTO /* slot: table */ (
  key_digest, namespace, data, expires_at, owner, key_text, created_at, updated_at
)
SELECT n.key_digest, n.namespace, /* slot: data_in */, IF(/* include: is-alive */, s.expires_at, NULL), n.owner,
  n.key_text, /* include: created */, CURRENT_TIMESTAMP()
FROM UNNEST(@batch) AS n
LEFT JOIN /* include: lookup */ /* slot: table */ AS s ON /* slot: same_key */
WHERE s.key_digest IS NULL OR NOT /* include: same-value */ OR NOT /* include: is-alive */

-- name: add
-- Store entries, without their keys as text, whose keys have no live one.
-- @batch: shard_id, key_digest, namespace, data, ttl, tolerance, owner, key_text
INSERT OR UPDATE INTO /* slot: table */ (
  key_digest, namespace, data, expires_at, owner, key_text, created_at, updated_at
)
SELECT n.key_digest, n.namespace, /* slot: data_in */, /* include: expiry */, n.owner, NULL, CURRENT_TIMESTAMP(),
  CURRENT_TIMESTAMP()
FROM UNNEST(@batch) AS n
LEFT JOIN /* include: lookup */ /* slot: table */ AS s ON /* slot: same_key */
WHERE s.key_digest IS NULL OR NOT /* include: is-alive */
THEN RETURN key_digest

-- name: replace
-- Replace entries that are alive and, where that is asked for, hold the expected data; returns their keys.
-- @batch: shard_id, key_digest, namespace, data, ttl, tolerance, owner, key_text, expected (NULL for anything)
INSERT OR UPDATE INTO /* slot: table */ (
  key_digest, namespace, data, expires_at, owner, key_text, created_at, updated_at
)
SELECT n.key_digest, n.namespace, /* slot: data_in */, /* include: expiry */, n.owner, s.key_text, s.created_at,
  CURRENT_TIMESTAMP()
FROM UNNEST(@batch) AS n
JOIN /* include: lookup */ /* slot: table */ AS s ON /* slot: same_key */
WHERE /* include: is-alive */ AND (n.expected IS NULL OR /* slot: is_expected */)
THEN RETURN key_digest

-- name: increment
-- Add to numbers; those that are not alive start at zero, with a new expiry. Returns them.
-- @batch: shard_id, key_digest, namespace, amount, ttl, key_text
INSERT OR UPDATE INTO /* slot: table */ (
  key_digest, namespace, data, expires_at, owner, key_text, created_at, updated_at
)
SELECT n.key_digest, n.namespace,
  /* slot: data_of_number */,
  IF(s.key_digest IS NOT NULL AND /* include: is-alive */, s.expires_at, /* include: expiry */),
  IF(s.key_digest IS NOT NULL AND /* include: is-alive */, s.owner, NULL),
  n.key_text, /* include: created */, CURRENT_TIMESTAMP()
FROM UNNEST(@batch) AS n
LEFT JOIN /* include: lookup */ /* slot: table */ AS s ON /* slot: same_key */
THEN RETURN key_digest, /* slot: number_out */

-- name: delete-namespace
-- The keys to remove: those of a namespace and its children, from the one name up to, but without, the other.
-- @namespace, @children, @behind: what is behind them, @most: how many
SELECT s.key_digest FROM /* slot: table */@{FORCE_INDEX=/* slot: schema *//* slot: namespace_index */} AS s
WHERE s.namespace >= @namespace AND s.namespace < @behind
  AND (s.namespace = @namespace OR s.namespace >= @children)
LIMIT @most

-- name: delete-prefix
-- The keys to remove: those of a namespace, but of none of its children, whose key text starts with a prefix: is in the range that begins with it.
-- @namespace, @prefix, @behind: the end of the range, @most: how many
SELECT s.key_digest FROM /* slot: table */@{FORCE_INDEX=/* slot: schema *//* slot: keys_index */, /* include: trust-index */} AS s
WHERE s.namespace = @namespace AND s.key_text >= @prefix AND s.key_text < @behind AND s.key_text IS NOT NULL
LIMIT @most

-- name: expired-keys
-- Keys of expired rows.
-- @shards: all of them, @most: how many
SELECT s.key_digest FROM /* slot: table */@{FORCE_INDEX=/* slot: schema *//* slot: expiry_index */, /* include: trust-index */} AS s
WHERE /* slot: among_buckets */ AND s.expiry_bucket IS NOT NULL AND s.expires_at <= CURRENT_TIMESTAMP()
LIMIT @most

-- name: still-expired
-- Those of the keys that expired-keys has read that have not come back.
-- @batch: shard_id, key_digest
SELECT s.key_digest
FROM UNNEST(@batch) AS n
JOIN /* include: lookup */ /* slot: table */ AS s ON /* slot: same_key */
WHERE s.expires_at <= CURRENT_TIMESTAMP()

-- name: owned
-- Entries of an owner that are alive, the ones last written first; times as milliseconds since 1970.
-- @namespace, @owner, @most: how many
SELECT s.key_digest, UNIX_MILLIS(s.created_at), UNIX_MILLIS(s.updated_at), UNIX_MILLIS(s.expires_at)
FROM /* slot: table */@{FORCE_INDEX=/* slot: schema *//* slot: owner_index */, /* include: trust-index */} AS s
WHERE s.namespace = @namespace AND s.owner = @owner AND s.owner IS NOT NULL AND /* include: is-alive */
ORDER BY s.updated_at DESC
LIMIT @most

-- name: delete-owned
-- The keys to remove: those of an owner, but not the one to keep.
-- @namespace, @owner, @keep, @most: how many
SELECT s.key_digest FROM /* slot: table */@{FORCE_INDEX=/* slot: schema *//* slot: owner_index */, /* include: trust-index */} AS s
WHERE s.namespace = @namespace AND s.owner = @owner AND s.owner IS NOT NULL AND (@keep IS NULL OR s.key_digest != @keep)
LIMIT @most

-- name: stats
-- How many entries there are and how many bytes of data they have, by namespace and by how long they will live: 0 for those
-- that have expired, else the number of the last bound below, or NULL for ever.
-- @bounds: in milliseconds, the first of them 0
SELECT g.namespace, g.bin, COUNT(*), SUM(g.size)
FROM (
  SELECT s.namespace, /* slot: data_size */ AS size, IF(s.expires_at IS NULL, NULL, (
    SELECT COUNTIF(TIMESTAMP_DIFF(s.expires_at, CURRENT_TIMESTAMP(), MICROSECOND) > bound * 1000) FROM UNNEST(@bounds) AS bound
  )) AS bin
  FROM /* slot: table */ AS s
) AS g
GROUP BY g.namespace, g.bin

-- name: namespaces
-- The namespaces that there are.
SELECT DISTINCT s.namespace FROM /* slot: table */@{FORCE_INDEX=/* slot: schema *//* slot: namespace_index */} AS s

-- name: inspect
-- All but the data of entries, also of expired ones: key digest, namespace, bytes of data, owner, when it was stored, written
-- and will expire in milliseconds since 1970, and the milliseconds until then.
-- @batch: shard_id, key_digest
SELECT s.key_digest, s.namespace, /* slot: data_size */, s.owner,
  UNIX_MILLIS(s.created_at), UNIX_MILLIS(s.updated_at), UNIX_MILLIS(s.expires_at),
  TIMESTAMP_DIFF(s.expires_at, CURRENT_TIMESTAMP(), MILLISECOND)
FROM UNNEST(@batch) AS n
JOIN /* include: lookup */ /* slot: table */ AS s ON /* slot: same_key */

-- name: check-table
-- Fails if the table is missing, lacks a column, or has data of the other format.
SELECT s.key_digest, s.namespace, /* slot: data_check */, s.expires_at, s.expiry_bucket, s.owner, s.key_text,
  s.created_at, s.updated_at
FROM /* slot: table */ AS s
LIMIT 0

-- name: table-shape
-- What there is of the table: its columns with their types and whether a row must give them a value, its indexes, and the mark
-- that says which version of the schema it has.
-- @schema: NULL for the default one, @table
SELECT 'column', c.column_name, c.spanner_type,
  IF(c.is_nullable = 'NO' AND c.column_default IS NULL AND c.generation_expression IS NULL, 1, 0)
FROM information_schema.columns AS c
WHERE c.table_schema = COALESCE(@schema, '') AND c.table_name = @table
UNION ALL
SELECT 'index', i.index_name, NULL, 0
FROM information_schema.indexes AS i
WHERE i.table_schema = COALESCE(@schema, '') AND i.table_name = @table
UNION ALL
SELECT 'mark', k.constraint_name, NULL, 0
FROM information_schema.table_constraints AS k
WHERE k.table_schema = COALESCE(@schema, '') AND k.table_name = @table AND k.constraint_type = 'CHECK'

-- name: shard-count
-- How many shards the table has, NULL if none, zero if it is another's; no row if there is no table.
-- @schema, @table
SELECT IF(
  'key_digest' IN (
    SELECT c.column_name FROM information_schema.columns AS c
    WHERE c.table_schema = t.table_schema AND c.table_name = t.table_name
  ),
  (
    SELECT CAST(REGEXP_EXTRACT(c.generation_expression, '([0-9]+)[ )]*$') AS INT64)
    FROM information_schema.columns AS c
    WHERE c.table_schema = t.table_schema AND c.table_name = t.table_name AND c.column_name = 'shard_id'
  ),
  0
)
FROM information_schema.tables AS t
WHERE t.table_schema = @schema AND t.table_name = @table

-- name: create-table
-- Only the hour of the expiry is indexed, so that most renewals change no index. The row deletion policy removes what
-- nobody sees any more, within days. Spanner has no comments on tables: the version of the schema is in the name of a
-- constraint.
-- @shard_count: put in as a number, since DDL takes no parameters
CREATE TABLE IF NOT EXISTS /* slot: table */ (
  /* slot: key_columns */,
  namespace STRING(255) NOT NULL,
  data /* slot: data_type */ NOT NULL,
  expires_at TIMESTAMP,
  expiry_bucket INT64 AS (DIV(UNIX_SECONDS(expires_at), 3600)) STORED,
  owner STRING(MAX),
  key_text STRING(512),
  created_at TIMESTAMP NOT NULL,
  updated_at TIMESTAMP NOT NULL,
  CONSTRAINT /* slot: schema_constraint */ CHECK (LENGTH(key_digest) = 32),
) PRIMARY KEY (/* slot: primary_key */), ROW DELETION POLICY (OLDER_THAN(expires_at, INTERVAL 0 DAY));

CREATE NULL_FILTERED INDEX IF NOT EXISTS /* slot: schema *//* slot: expiry_index */
  ON /* slot: table */ (/* slot: expiry_key */);

CREATE INDEX IF NOT EXISTS /* slot: schema *//* slot: namespace_index */
  ON /* slot: table */ (namespace);

CREATE NULL_FILTERED INDEX IF NOT EXISTS /* slot: schema *//* slot: owner_index */
  ON /* slot: table */ (namespace, owner);

CREATE NULL_FILTERED INDEX IF NOT EXISTS /* slot: schema *//* slot: keys_index */
  ON /* slot: table */ (namespace, key_text)

-- name: drop-table
-- Drop the table with its indexes, if it is there.
DROP INDEX IF EXISTS /* slot: schema *//* slot: expiry_index */;

DROP INDEX IF EXISTS /* slot: schema *//* slot: namespace_index */;

DROP INDEX IF EXISTS /* slot: schema *//* slot: owner_index */;

DROP INDEX IF EXISTS /* slot: schema *//* slot: keys_index */;

DROP TABLE IF EXISTS /* slot: table */

-- name: native-ttl
-- The row deletion policy that create-table makes, for a table that has none any more, or another one.
ALTER TABLE /* slot: table */ REPLACE ROW DELETION POLICY (OLDER_THAN(expires_at, INTERVAL 0 DAY))

-- fragment: lookup
@{FORCE_JOIN_ORDER=TRUE, JOIN_METHOD=APPLY_JOIN}

-- fragment: trust-index
spanner_emulator.disable_query_null_filtered_index_check=true

-- fragment: is-alive
(s.expires_at IS NULL OR s.expires_at > CURRENT_TIMESTAMP())

-- fragment: expiry
TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL n.ttl MILLISECOND)

-- fragment: due
IF(
  ABS(TIMESTAMP_DIFF(s.expires_at, /* include: expiry */, MICROSECOND)) > n.tolerance * 1000,
  UNIX_MICROS(s.expires_at),
  NULL
)

-- fragment: created
IF(s.key_digest IS NOT NULL AND /* include: is-alive */, s.created_at, CURRENT_TIMESTAMP())

-- fragment: same-value
IFNULL(/* slot: same_data */ AND (s.owner = n.owner OR (s.owner IS NULL AND n.owner IS NULL)), FALSE)

-- fragment: same_key_whole
s.key_digest = n.key_digest

-- fragment: same_key_sharded
s.shard_id = n.shard_id AND s.key_digest = n.key_digest

-- fragment: among_buckets_whole
s.expiry_bucket <= DIV(UNIX_SECONDS(CURRENT_TIMESTAMP()), 3600)

-- fragment: among_buckets_sharded
s.shard_id IN UNNEST(@shards) AND s.expiry_bucket <= DIV(UNIX_SECONDS(CURRENT_TIMESTAMP()), 3600)

-- fragment: key_columns_whole
key_digest BYTES(32) NOT NULL

-- fragment: key_columns_sharded
key_digest BYTES(32) NOT NULL,
  shard_id INT64 NOT NULL AS (
    MOD(TO_CODE_POINTS(key_digest)[OFFSET(0)] * 256 + TO_CODE_POINTS(key_digest)[OFFSET(1)], @shard_count)
  ) STORED

-- fragment: primary_key_whole
key_digest

-- fragment: primary_key_sharded
shard_id, key_digest

-- fragment: expiry_key_whole
expiry_bucket

-- fragment: expiry_key_sharded
shard_id, expiry_bucket

-- fragment: data_type_bytes
BYTES(MAX)

-- fragment: data_type_json
JSON

-- fragment: data_in_bytes
n.data

-- fragment: data_in_json
PARSE_JSON(n.data)

-- fragment: data_out_bytes
s.data

-- fragment: data_out_json
s.data

-- fragment: data_check_bytes
s.data || b''

-- fragment: data_check_json
JSON_QUERY(s.data, '$')

-- fragment: same_data_bytes
s.data = n.data

-- fragment: same_data_json
SAFE.TO_JSON_STRING(s.data) = SAFE.TO_JSON_STRING(PARSE_JSON(n.data))

-- fragment: is_expected_bytes
SHA256(s.data) = n.expected

-- fragment: is_expected_json
SAFE.TO_JSON_STRING(s.data) = SAFE.TO_JSON_STRING(PARSE_JSON(n.expected))

-- fragment: data_of_number_bytes
CAST(CAST(
    IF(s.key_digest IS NOT NULL AND /* include: is-alive */, CAST(CAST(s.data AS STRING) AS INT64), 0) + n.amount
  AS STRING) AS BYTES)

-- fragment: data_of_number_json
TO_JSON(IF(s.key_digest IS NOT NULL AND /* include: is-alive */, INT64(s.data), 0) + n.amount)

-- fragment: number_out_bytes
CAST(CAST(data AS STRING) AS INT64)

-- fragment: number_out_json
INT64(data)

-- fragment: data_size_bytes
LENGTH(s.data)

-- fragment: data_size_json
BYTE_LENGTH(SAFE.TO_JSON_STRING(s.data))
