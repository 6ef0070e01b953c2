-- Every intake carries the proof that the daemon sealed its blob; those from before have none.
UPDATE job SET bytes = CAST(bytes || x'00' AS BLOB) WHERE kind = 'intake';
