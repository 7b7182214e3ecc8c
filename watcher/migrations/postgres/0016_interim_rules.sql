-- Rules by which some entries of a crucible were decided since all of them were by `rules_digest`: its rules have changed, and
-- may be what they were before anybody looks at the others. -1: by several. Nobody knows of those that are noted already.
ALTER TABLE {schema}.entry_crucible ADD COLUMN interim_digest bigint;
UPDATE {schema}.entry_crucible SET interim_digest = -1;
