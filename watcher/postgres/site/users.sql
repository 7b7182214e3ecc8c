-- users --
-- What decides whether somebody may judge, and what they may see.
SELECT
    id,
    "bannedAt" IS NOT NULL  AS banned,
    muted,
    "deletedAt" IS NOT NULL AS deleted,
    "browsingLevel"         AS browsing_level,
    "showNsfw"              AS show_nsfw,
    -- JSON has numbers that no double holds; a cast of one would fail the question for all users that it is about.
    jsonb_path_query_first(
        meta, 'strict $.scores.total ? (@.type() == "number").double()', silent => true
    )::double precision     AS score
FROM public."User"
WHERE id = ANY(%(ids)s)
