-- Every intake says whether it came from a stick; those from before did not.
UPDATE job SET bytes = CAST(bytes || x'00' AS BLOB) WHERE kind = 'intake';
-- What the keeper remembers gets what is being done with a stick: nothing.
UPDATE note SET value = CAST(value || x'00' AS BLOB) WHERE name = 'remembered';
