-- A device has a note of the namespace it last wrote in, and a job one of who asked for it; those
-- from before have neither.
UPDATE device SET bytes = CAST(bytes || x'00' AS BLOB);
UPDATE job SET bytes = CAST(bytes || x'00' AS BLOB);
