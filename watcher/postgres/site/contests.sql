-- fragment entry_columns --
-- A row of `SiteEntry`: the entry, whether its image is there, and what decides about the image.
entry.id, entry."userId", entry."imageId", {entry_created_ms}, image.id IS NOT NULL, {moderation}

-- crucible --
-- A crucible's row, as the change stream would show it.
SELECT
    crucible.id,
    crucible."userId",
    crucible.name,
    crucible.status::text,
    crucible."nsfwLevel",
    {start_ms},
    {end_ms},
    crucible."judgeRequirements"::text,
    crucible."prizePositions"::text
FROM public."Crucible" crucible
WHERE crucible.id = %s

-- entries --
-- A page of a crucible's entries, for a rebuild or a comparison.
SELECT {entry_columns}
FROM public."CrucibleEntry" entry
LEFT JOIN public."Image" image ON image.id = entry."imageId"
WHERE entry."crucibleId" = %s AND entry.id > %s
ORDER BY entry.id
LIMIT %s

-- entries_of --
-- Some entries once more, of which a comparison is in doubt.
SELECT {entry_columns}
FROM public."CrucibleEntry" entry
LEFT JOIN public."Image" image ON image.id = entry."imageId"
WHERE entry."crucibleId" = %s AND entry.id = ANY(%s)

-- unfinished_of --
-- Which of some crucibles are there and take part.
SELECT id FROM public."Crucible" WHERE id = ANY(%s::bigint[]) AND status::text NOT IN ({FINISHED})

-- present_of --
-- Which of some crucibles are there, whatever their status.
SELECT id FROM public."Crucible" WHERE id = ANY(%s::bigint[])

-- files --
-- The files that rows lie in which Redis shows. TRUNCATE gives a table another one, and tells nobody else who was not
-- there; so does VACUUM FULL, which changes no row.
SELECT coalesce(string_agg(pg_relation_filenode(part.relid)::text, ' ' ORDER BY part.relid), '')
FROM unnest(ARRAY['public."Crucible"'::regclass, 'public."CrucibleEntry"'::regclass]) AS shown (name)
CROSS JOIN LATERAL (
    SELECT shown.name AS relid
    UNION
    SELECT relid FROM pg_partition_tree(shown.name)
) part

-- unfinished --
-- All crucibles that take part, for a sweep; or those in some states, if any are given.
SELECT id
FROM public."Crucible"
WHERE CASE WHEN cardinality(%s::text[]) > 0 THEN status::text = ANY(%s) ELSE status::text NOT IN ({FINISHED}) END
ORDER BY id

-- lately_finished --
-- Whose votes may still wait in Redis. A row does not say when its status changed: its end may lie ahead, if it was
-- cancelled, or long ago, if it was closed late. Whoever closes it by SQL alone may leave "updatedAt" as it was.
SELECT id
FROM public."Crucible"
WHERE status::text IN ({FINISHED})
    AND greatest("endAt", "updatedAt") > now() AT TIME ZONE 'UTC' - make_interval(secs => %s)
ORDER BY id
