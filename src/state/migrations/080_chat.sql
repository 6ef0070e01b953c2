-- Which entries a message is about, so that an answer to it means them; the newest 2,000 are kept.
CREATE TABLE about (
    token   INTEGER PRIMARY KEY AUTOINCREMENT,
    message TEXT NOT NULL UNIQUE,
    numbers BLOB NOT NULL
) STRICT;
-- An intake knows its size, the message that brought it, and what is noted with it: caption, tags,
-- album. Those from before know none of it.
UPDATE job SET bytes = CAST(bytes || x'0000000000' AS BLOB) WHERE kind = 'intake';
