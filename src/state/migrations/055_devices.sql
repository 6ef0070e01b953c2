-- What the keeper remembers gets the owner's devices: none yet, nobody shut out, no line of the
-- settings seen, no reader looked up.
UPDATE note SET value = CAST(value || x'00000000' AS BLOB) WHERE name = 'remembered';
-- Every intake says whether it is held apart; those from before are not.
UPDATE job SET bytes = CAST(bytes || x'00' AS BLOB) WHERE kind = 'intake';
