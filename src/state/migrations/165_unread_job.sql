-- What a version cannot read is kept for a while: the next one may.
CREATE TABLE unread_job (
    id BLOB PRIMARY KEY,
    kind TEXT NOT NULL,
    bytes BLOB NOT NULL,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
