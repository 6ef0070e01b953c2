-- A job may be of our own client's making; those from before are not.
UPDATE job SET bytes = CAST(bytes || x'00' AS BLOB);
-- What a client has sent to a vault, and what became of it. The daemon has none.
CREATE TABLE IF NOT EXISTS upload (
    path   BLOB PRIMARY KEY,
    size   INTEGER NOT NULL,
    mtime  INTEGER NOT NULL,
    hash   BLOB NOT NULL,
    id     BLOB NOT NULL,
    stage  INTEGER NOT NULL CHECK (stage BETWEEN 0 AND 3),
    number INTEGER,
    at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS upload_by_id ON upload (id);
CREATE INDEX IF NOT EXISTS upload_by_hash ON upload (hash);
-- Which entries a client has fetched into which folder.
CREATE TABLE IF NOT EXISTS download (
    folder BLOB NOT NULL,
    number INTEGER NOT NULL,
    name   BLOB NOT NULL,
    size   INTEGER NOT NULL,
    PRIMARY KEY (folder, number)
) STRICT, WITHOUT ROWID;
