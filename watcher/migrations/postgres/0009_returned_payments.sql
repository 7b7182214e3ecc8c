-- What was paid under a prefix that no entry's row names any more goes back by itself. It stays a row here, so that nobody
-- is let in by it: a prefix stands once, and an entry has one fee besides those that went back.
ALTER TABLE {schema}.entry_fee ADD COLUMN returned boolean NOT NULL DEFAULT false;
ALTER TABLE {schema}.entry_fee DROP CONSTRAINT entry_fee_pkey;
ALTER TABLE {schema}.entry_fee ADD CONSTRAINT entry_fee_pkey PRIMARY KEY USING INDEX entry_fee_prefix;
CREATE UNIQUE INDEX entry_fee_entry ON {schema}.entry_fee (entry_id) WHERE NOT returned;
