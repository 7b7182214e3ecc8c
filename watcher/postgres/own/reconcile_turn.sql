-- take --
-- The next turn, nobody else's for as long as the lease, if it is due. A lease or a last turn that lies further ahead than
-- it can is of a clock that was set back, and is none.
UPDATE {schema}.reconcile_turn
   SET taken_by = %(owner)s, taken_until = now() + make_interval(secs => %(lease)s),
       round_began = CASE WHEN source_table = '' OR round_began IS NULL THEN now() ELSE round_began END
 WHERE (turned_at IS NULL OR turned_at NOT BETWEEN now() - make_interval(secs => %(interval)s) AND now())
   AND (taken_until IS NULL OR taken_by = %(owner)s
        OR taken_until NOT BETWEEN now() AND now() + make_interval(secs => 2 * %(lease)s))
RETURNING source_table, next_key, round_began, compared

-- keep --
-- The lease begins anew, unless somebody else has taken the turn meanwhile.
UPDATE {schema}.reconcile_turn SET taken_until = now() + make_interval(secs => %(lease)s)
 WHERE taken_by = %(owner)s
RETURNING 1

-- note --
-- So far it has come; the lease begins anew, unless somebody else has taken the turn meanwhile.
UPDATE {schema}.reconcile_turn
   SET source_table = %(table)s, next_key = %(key)s, compared = %(compared)s,
       taken_until = now() + make_interval(secs => %(lease)s)
 WHERE taken_by = %(owner)s
RETURNING 1

-- end --
-- The turn is over; the next one is due an interval later.
UPDATE {schema}.reconcile_turn SET turned_at = now(), taken_by = NULL, taken_until = NULL WHERE taken_by = %(owner)s

-- give_back --
-- The turn is anybody's at once, where it stands: it was not finished.
UPDATE {schema}.reconcile_turn SET taken_by = NULL, taken_until = NULL WHERE taken_by = %(owner)s

-- standing --
-- Where it stands, and how many seconds ago the last turn was over.
SELECT source_table, next_key, taken_by, extract(epoch FROM now() - turned_at)::float8 FROM {schema}.reconcile_turn
