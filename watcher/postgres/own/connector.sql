-- claim --
-- One process looks after a connector; another one only when that has not for a while.
INSERT INTO {schema}.connector AS there (name, owner, owned_until)
SELECT unnest(%(names)s::text[]), %(owner)s, now() + make_interval(secs => %(lease)s)
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, owned_until = excluded.owned_until
 WHERE there.owner = excluded.owner OR there.owned_until < now()
RETURNING name, COALESCE(extract(epoch FROM now() - failed_since), 0)::float8,
          ARRAY(SELECT extract(epoch FROM now() - one)::float8 FROM unnest(restarts) AS one)

-- give_back --
-- A process that ends does not let others wait for its lease.
UPDATE {schema}.connector SET owned_until = '-infinity' WHERE owner = %s AND owned_until > now()

-- seen --
-- Written only where something is another than it was.
UPDATE {schema}.connector
   SET failed_since = CASE WHEN %(failed)s THEN COALESCE(failed_since, now()) END,
       rests_since = CASE WHEN %(rests)s THEN COALESCE(rests_since, now()) END,
       rests_by = CASE WHEN %(rests)s THEN rests_by END
 WHERE name = %(name)s
   AND ((failed_since IS NOT NULL) IS DISTINCT FROM %(failed)s OR (rests_since IS NOT NULL) IS DISTINCT FROM %(rests)s)

-- restarted --
-- What is older than the hour counts no more, and is not kept.
UPDATE {schema}.connector
   SET restarts = ARRAY(SELECT one FROM unnest(restarts) AS one WHERE one > now() - make_interval(secs => %s)) || now()
 WHERE name = %s

-- put_to_rest --
-- The daemon may have seen it a moment before, without knowing who it was.
INSERT INTO {schema}.connector (name, rests_since, rests_by) VALUES (%s, now(), %s)
ON CONFLICT (name) DO UPDATE SET rests_since = excluded.rests_since, rests_by = excluded.rests_by

-- rest --
-- Since when, and by whom if that is known.
SELECT rests_since, rests_by FROM {schema}.connector WHERE name = %s AND rests_since IS NOT NULL
