-- users --
-- What decides whether somebody may judge, and what they may see.
SELECT
    id,
    "bannedAt" IS NOT NULL  AS banned,
    muted,
    "deletedAt" IS NOT NULL AS deleted,
    "browsingLevel"         AS browsing_level,
    "showNsfw"              AS show_nsfw,
    CASE jsonb_typeof(meta #> '{scores,total}')
        WHEN 'number' THEN (meta #>> '{scores,total}')::double precision
    END                     AS score
FROM public."User"
WHERE id = ANY(%(ids)s)
