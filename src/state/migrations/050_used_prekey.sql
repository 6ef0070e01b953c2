-- A prekey that was used while the archive was read stays until that is over, set aside.
ALTER TABLE prekey ADD COLUMN used INTEGER NOT NULL DEFAULT 0 CHECK (used IN (0, 1));
