-- A file may come with a description in place of a link; those from before came with a link.
UPDATE job SET bytes = CAST(bytes || x'00' AS BLOB) WHERE kind = 'intake';
