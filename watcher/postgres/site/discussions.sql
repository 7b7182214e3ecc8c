-- discussion --
-- A page of a crucible's comments and replies.
WITH root AS (SELECT id FROM public."Thread" WHERE "crucibleId" = %(crucible)s)
{comment_page}

-- discussion_count --
-- How many there are on all pages.
SELECT counted.comments
FROM public."Thread" thread
CROSS JOIN LATERAL (
    {comment_count}
) counted
WHERE thread."crucibleId" = %(crucible)s
