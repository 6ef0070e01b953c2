-- The daemon's own memory: OMEMO, jobs, outbox, settings that change. Never edited after a release.
CREATE TABLE note (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE own_device (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE signed_prekey (
    id    INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE prekey (
    id    INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE session (
    jid       TEXT NOT NULL,
    device    INTEGER NOT NULL,
    namespace TEXT NOT NULL,
    id        BLOB NOT NULL,
    rank      INTEGER NOT NULL,
    bytes     BLOB NOT NULL,
    PRIMARY KEY (jid, device, namespace, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE device (
    jid         TEXT NOT NULL,
    device      INTEGER NOT NULL,
    bytes       BLOB NOT NULL,
    PRIMARY KEY (jid, device)
) STRICT, WITHOUT ROWID;

-- Devices of the owner that the owner has been told of.
CREATE TABLE quarantined (
    jid    TEXT NOT NULL,
    device INTEGER NOT NULL,
    PRIMARY KEY (jid, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE job (
    id    BLOB PRIMARY KEY,
    kind  TEXT NOT NULL CHECK (kind IN ('intake', 'delivery')),
    bytes BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- A finished stanza, or the words of one that waits for a session to encrypt it with.
CREATE TABLE outbox (
    token  INTEGER PRIMARY KEY AUTOINCREMENT,
    id     TEXT NOT NULL,
    words  TEXT,
    stanza TEXT,
    CHECK ((words IS NULL) <> (stanza IS NULL))
) STRICT;
