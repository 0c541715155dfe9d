-- Oracle Database 19c and later.
--
-- Reads take the keys of a batch as a list, `:keys`, which becomes so many binds as the batch has keys, or a few more:
-- the number is rounded up, and the last key repeated, so that there are few texts to parse. Writes serve one key; a
-- batch is one array bind. Times to live are milliseconds, added to the server's clock; times are UTC.
--
-- There is no MERGE here. A value of more than a few thousand bytes travels as a LONG, which Oracle takes for a column of
-- an INSERT or UPDATE and nowhere else: not in the source of a MERGE, not in a comparison, not as an argument.
--
-- An empty value is NULL in `data`, as always in Oracle. Indexes hold no NULL: a row without an owner is not in the index
-- of owners, nor one without a key text or an expiry in theirs.
--
-- A query with a LOB among its columns takes two round trips; one with RAW or VARCHAR2 takes one. So reads give `short`,
-- the data unless it is too long for that, and whether there is any; get-whole gives what is longer.
--
-- Slots that end in _index, and table, table_name and schema, are names; the others are filled with the fragments at the
-- end of this file, by data format: "json" is Oracle's own type, "json_text" what there was before 21c.

-- name: get
-- The entries of keys, also the expired ones: key digest, owner, expiry, how long until then, short, 1 if there is data.
-- :keys key digests
SELECT s.key_digest, s.owner, s.expires_at, s.expires_at - /* include: now */,
  /* slot: short */,
  CASE WHEN s.data IS NOT NULL THEN 1 END
FROM /* slot: table */ s
WHERE s.key_digest IN (:keys)

-- name: lock
-- As get; holds the rows until the end of the transaction.
-- :keys key digests
SELECT s.key_digest, s.owner, s.expires_at, s.expires_at - /* include: now */,
  /* slot: short */,
  CASE WHEN s.data IS NOT NULL THEN 1 END
FROM /* slot: table */ s
WHERE s.key_digest IN (:keys)
ORDER BY s.key_digest
FOR UPDATE

-- name: get-whole
-- As get, with the data as a whole.
-- :keys key digests
SELECT s.key_digest, s.owner, s.expires_at, s.expires_at - /* include: now */, /* slot: whole */
FROM /* slot: table */ s
WHERE s.key_digest IN (:keys)

-- name: remaining
-- The expiry of the keys that are alive, and how long until then; both NULL for never.
-- :keys key digests
SELECT s.key_digest, s.expires_at, s.expires_at - /* include: now */
FROM /* slot: table */ s
WHERE s.key_digest IN (:keys) AND /* include: is-alive */

-- name: renew
-- Renew what was read, unless it has been replaced since.
-- :digest, :ttl, :seen the expiry that was read
UPDATE /* slot: table */ SET
  expires_at = /* include: expiry */,
  updated_at = /* include: now */
WHERE key_digest = :digest AND expires_at = :seen AND expires_at > /* include: now */

-- name: update
-- Store an entry in place of another one.
-- :digest, :data, :ttl, :owner, :keytext
UPDATE /* slot: table */ SET
  data = /* slot: data_in */,
  expires_at = /* include: expiry */,
  owner = :owner,
  key_text = :keytext,
  /* include: replaced */
WHERE key_digest = :digest

-- name: update-keeping-ttl
-- Store an entry that keeps the expiry of a live one.
-- :digest, :data, :owner, :keytext
UPDATE /* slot: table */ SET
  data = /* slot: data_in */,
  expires_at = CASE WHEN expires_at > /* include: now */ THEN expires_at END,
  owner = :owner,
  key_text = :keytext,
  /* include: replaced */
WHERE key_digest = :digest

-- name: update-number
-- Store a number in an entry that was alive when it was locked; the entry keeps its expiry, should that pass meanwhile.
-- :digest, :data, :keytext
UPDATE /* slot: table */ SET
  data = /* slot: data_in */,
  key_text = :keytext,
  updated_at = /* include: now */
WHERE key_digest = :digest

-- name: replace
-- Store an entry in place of one that is alive.
-- :digest, :data, :ttl, :owner
UPDATE /* slot: table */ SET
  data = /* slot: data_in */,
  expires_at = /* include: expiry */,
  owner = :owner,
  updated_at = /* include: now */
WHERE key_digest = :digest AND (expires_at IS NULL OR expires_at > /* include: now */)

-- name: insert
-- Store an entry where there is none.
-- :digest, :namespace, :data, :ttl, :owner, :keytext
INSERT INTO /* slot: table */ (key_digest, namespace, data, expires_at, owner, key_text, created_at, updated_at)
VALUES (
  :digest, :namespace, /* slot: data_in */, /* include: expiry */, :owner, :keytext, /* include: now */, /* include: now */
)

-- name: delete
-- Remove a key.
-- :digest
DELETE FROM /* slot: table */ WHERE key_digest = :digest

-- name: delete-namespace
-- Remove entries of a namespace and its children: those from the one name up to, but without, the other.
-- :namespace, :children, :behind what is behind them, :most how many at most
DELETE FROM /* slot: table */
WHERE (namespace = :namespace OR (namespace >= :children AND namespace < :behind))
  AND ROWNUM <= :most

-- name: delete-prefix
-- Remove entries of a namespace, but of none of its children, whose key text starts with a prefix: is in the range that begins with it.
-- :namespace, :prefix, :behind the end of the range, :most how many at most
DELETE FROM /* slot: table */
WHERE namespace = :namespace AND key_text >= :prefix AND key_text < :behind AND ROWNUM <= :most

-- name: lock-expired
-- Expired rows that nobody else holds.
-- :most how many at most
SELECT key_digest FROM /* slot: table */
WHERE expiry_bucket <= TRUNC(CAST(/* include: now */ AS DATE), 'HH24') AND expires_at <= /* include: now */
  AND ROWNUM <= :most
FOR UPDATE SKIP LOCKED

-- name: owned
-- Entries of an owner that are alive, the ones last written first.
-- :namespace, :owner, :most how many at most
SELECT s.key_digest, s.created_at, s.updated_at, s.expires_at
FROM /* slot: table */ s
WHERE s.namespace = :namespace AND s.owner = :owner AND /* include: is-alive */
ORDER BY s.updated_at DESC
FETCH FIRST :most ROWS ONLY

-- name: delete-owned
-- Remove entries of an owner, but not the one to keep.
-- :namespace, :owner, :keep key digest, :most how many at most
DELETE FROM /* slot: table */
WHERE namespace = :namespace AND owner = :owner AND key_digest <> :keep AND ROWNUM <= :most

-- name: stats
-- How many entries there are and how many bytes of data they have, by namespace and by how long they will live: 0 for those
-- that have expired, else the number of the last bound below, or NULL for ever.
-- :b1, :b2, :b3, :b4, :b5 the bounds in milliseconds, but for the first, which is 0
SELECT g.namespace, g.bin, COUNT(*), SUM(g.bytes)
FROM (
  SELECT s.namespace, NVL(DBMS_LOB.GETLENGTH(/* slot: whole */), 0) AS bytes,
    CASE
      WHEN s.expires_at IS NULL THEN NULL
      WHEN s.expires_at <= /* include: now */ THEN 0
      WHEN s.expires_at < /* include: now */ + NUMTODSINTERVAL(:b1 / 1000, 'SECOND') THEN 1
      WHEN s.expires_at < /* include: now */ + NUMTODSINTERVAL(:b2 / 1000, 'SECOND') THEN 2
      WHEN s.expires_at < /* include: now */ + NUMTODSINTERVAL(:b3 / 1000, 'SECOND') THEN 3
      WHEN s.expires_at < /* include: now */ + NUMTODSINTERVAL(:b4 / 1000, 'SECOND') THEN 4
      WHEN s.expires_at < /* include: now */ + NUMTODSINTERVAL(:b5 / 1000, 'SECOND') THEN 5
      ELSE 6
    END AS bin
  FROM /* slot: table */ s
) g
GROUP BY g.namespace, g.bin

-- name: namespaces
-- The namespaces that there are.
SELECT DISTINCT s.namespace FROM /* slot: table */ s

-- name: inspect
-- All but the data of entries, also of expired ones: key digest, namespace, bytes of data, owner, when it was stored, written
-- and will expire, and the time until then.
-- :keys key digests
SELECT s.key_digest, s.namespace, NVL(DBMS_LOB.GETLENGTH(/* slot: whole */), 0), s.owner, s.created_at, s.updated_at,
  s.expires_at, s.expires_at - /* include: now */
FROM /* slot: table */ s
WHERE s.key_digest IN (:keys)

-- name: check-table
-- Fails if the table is missing or lacks a column; the driver tells the type of the data.
SELECT data, key_digest, namespace, expires_at, expiry_bucket, owner, key_text, created_at, updated_at
FROM /* slot: table */
WHERE 1 = 0

-- name: table-columns
-- The columns that there are; the driver tells their types.
SELECT s.* FROM /* slot: table */ s
WHERE 1 = 0

-- name: table-marks
-- The indexes of the table, and the mark that says which version of the schema it has.
-- :home the schema or NULL, :named the table
SELECT 'index', i.index_name FROM all_indexes i
WHERE i.table_owner = NVL(:home, SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')) AND i.table_name = :named
UNION ALL
SELECT 'mark', c.comments FROM all_tab_comments c
WHERE c.owner = NVL(:home, SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')) AND c.table_name = :named

-- name: create-table
-- Each statement is a transaction. Only the hour of the expiry is indexed, so that most renewals change no index.
CREATE TABLE /* slot: table */ (
  key_digest RAW(32) PRIMARY KEY,
  namespace VARCHAR2(255 CHAR) NOT NULL,
  data /* slot: data_type */,
  expires_at TIMESTAMP(6),
  expiry_bucket DATE GENERATED ALWAYS AS (TRUNC(CAST(expires_at AS DATE), 'HH24')),
  owner VARCHAR2(255 CHAR),
  key_text VARCHAR2(512 CHAR),
  created_at TIMESTAMP(6) NOT NULL,
  updated_at TIMESTAMP(6) NOT NULL
) /* slot: storage */;

CREATE INDEX /* slot: schema *//* slot: expiry_index */ ON /* slot: table */ (expiry_bucket);

CREATE INDEX /* slot: schema *//* slot: namespace_index */ ON /* slot: table */ (namespace);

CREATE INDEX /* slot: schema *//* slot: owner_index */ ON /* slot: table */ (owner);

CREATE INDEX /* slot: schema *//* slot: keys_index */ ON /* slot: table */ (key_text);

COMMENT ON TABLE /* slot: table */ IS /* slot: schema_mark */

-- name: drop-table
-- Drop the table with its indexes, if it is there.
DROP TABLE /* slot: table */ PURGE

-- name: relax-session
-- From now on, a commit is answered before its redo is on the disk.
ALTER SESSION SET commit_logging = BATCH commit_wait = NOWAIT

-- name: restore-session
-- As it is unless somebody says otherwise.
ALTER SESSION SET commit_logging = IMMEDIATE commit_wait = WAIT

-- name: native-ttl
-- A job of DBMS_SCHEDULER that removes expired rows every minute, in batches; the user needs CREATE JOB. For SQL*Plus and
-- its like: the store never runs it.
BEGIN
  DBMS_SCHEDULER.CREATE_JOB(
    job_name => '/* slot: schema *//* slot: expiry_index */',
    job_type => 'PLSQL_BLOCK',
    job_action => q'[BEGIN
      DELETE FROM /* slot: table */
      WHERE expiry_bucket <= TRUNC(CAST(/* include: now */ AS DATE), 'HH24') AND expires_at <= /* include: now */
        AND ROWNUM <= 10000;
      COMMIT;
    END;]',
    repeat_interval => 'FREQ=MINUTELY',
    enabled => TRUE,
    comments => 'Removes what has expired, for litestar-sqlstores'
  );
END;
/

-- fragment: now
SYS_EXTRACT_UTC(SYSTIMESTAMP)

-- fragment: expiry
SYS_EXTRACT_UTC(SYSTIMESTAMP) + NUMTODSINTERVAL(:ttl / 1000, 'SECOND')

-- fragment: is-alive
(s.expires_at IS NULL OR s.expires_at > SYS_EXTRACT_UTC(SYSTIMESTAMP))

-- fragment: replaced
updated_at = SYS_EXTRACT_UTC(SYSTIMESTAMP),
  created_at = CASE WHEN expires_at <= SYS_EXTRACT_UTC(SYSTIMESTAMP) THEN SYS_EXTRACT_UTC(SYSTIMESTAMP) ELSE created_at END

-- fragment: data_type_bytes
BLOB

-- fragment: data_type_json_text
BLOB NOT NULL CHECK (data IS JSON)

-- fragment: data_type_json
JSON NOT NULL

-- fragment: data_in_bytes
:data

-- fragment: data_in_json
JSON(:data)

-- fragment: short_bytes
CASE WHEN DBMS_LOB.GETLENGTH(s.data) <= 2000 THEN DBMS_LOB.SUBSTR(s.data, 2000, 1) END

-- fragment: short_json
JSON_SERIALIZE(s.data RETURNING VARCHAR2(4000) NULL ON ERROR)

-- fragment: whole_bytes
s.data

-- fragment: whole_json
JSON_SERIALIZE(s.data RETURNING BLOB)

-- fragment: storage_on_disk
PCTFREE 20

-- fragment: storage_in_memory
PCTFREE 20 INMEMORY PRIORITY HIGH
