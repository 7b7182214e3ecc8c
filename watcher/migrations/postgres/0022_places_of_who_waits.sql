-- Who waited for a scan in a full crucible held a place and holds none now (ADR 53): all entries of crucibles that are not
-- over are decided again once, so that nobody stays beyond the limit.
UPDATE {schema}.entry_crucible SET interim_digest = -1;
