-- The ends that a crucible may have had when its entries were decided, in milliseconds since 1970: an end that is moved has
-- those decided again that were made between the old one and the new one, and not all. What is noted already may be of any
-- end. `rules_digest` is without the end from now on.
ALTER TABLE {schema}.entry_crucible
    ADD COLUMN first_end_ms bigint NOT NULL DEFAULT -9223372036854775808,
    ADD COLUMN last_end_ms  bigint NOT NULL DEFAULT 9223372036854775807; -- no end
