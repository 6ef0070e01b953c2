-- Devices of other people that the owner has confirmed: files may be sent to them, and nothing else.
-- The namespace is the one they are written to in; none while their account does not list them.
CREATE TABLE IF NOT EXISTS contact_device (
    jid         TEXT NOT NULL,
    device      INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    namespace   TEXT,
    since       INTEGER NOT NULL,
    PRIMARY KEY (jid, device)
) STRICT, WITHOUT ROWID;
-- What was sent to them, until it is known whether it came: the newest 200 are kept. Rows with the
-- same topic are one file in several namespaces.
CREATE TABLE IF NOT EXISTS contact_letter (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    id      TEXT NOT NULL UNIQUE,
    token   INTEGER NOT NULL,
    topic   TEXT NOT NULL,
    jid     TEXT NOT NULL,
    numbers BLOB NOT NULL,
    acked   INTEGER NOT NULL DEFAULT 0 CHECK (acked IN (0, 1))
) STRICT;
