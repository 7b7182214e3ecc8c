-- fragment comment_count --
-- How many comments hang from "thread" and, as replies, from threads whose root it is. What is hidden, against the rules
-- or of somebody who is no more counts nowhere; what is not safe for work only where "nsfw" is true.
SELECT count(*) AS comments
    FROM public."CommentV2" comment
    JOIN public."User" author ON author.id = comment."userId"
    WHERE comment."threadId" = ANY(
            ARRAY(SELECT thread.id UNION SELECT reply.id FROM public."Thread" reply WHERE reply."rootThreadId" = thread.id)
        )
        AND comment.hidden IS NOT TRUE
        AND NOT comment."tosViolation"
        AND (%(nsfw)s OR NOT comment.nsfw)
        AND author."deletedAt" IS NULL
        AND author."bannedAt" IS NULL

-- fragment comment_page --
-- A page of the comments and replies of the thread "root", most reactions first. The page goes on after the last comment
-- of the one before, by its place in that order and not by a number of rows: a new comment shifts nothing. What is
-- answered may have lost its author since; then it is nobody's reply. Of each comment's markup come 4 KB: a page has a
-- hundred of them.
SELECT
    comment.id,
    parent.id AS reply_to,
    author.username AS author,
    left(comment.content, 4096) AS content,
    comment."reactionCount" AS reactions,
    {comment_created_ms} AS created
FROM root
JOIN public."CommentV2" comment ON comment."threadId" = ANY(
    ARRAY(SELECT root.id UNION SELECT reply.id FROM public."Thread" reply WHERE reply."rootThreadId" = root.id)
)
JOIN public."Thread" own ON own.id = comment."threadId"
JOIN public."User" author ON author.id = comment."userId"
LEFT JOIN (
    public."CommentV2" parent
    JOIN public."User" asked ON asked.id = parent."userId" AND asked."deletedAt" IS NULL AND asked."bannedAt" IS NULL
) ON parent.id = own."commentId"
    AND parent.hidden IS NOT TRUE
    AND NOT parent."tosViolation"
    AND (%(nsfw)s OR NOT parent.nsfw)
WHERE comment.hidden IS NOT TRUE
    AND NOT comment."tosViolation"
    AND (%(nsfw)s OR NOT comment.nsfw)
    AND author."deletedAt" IS NULL
    AND author."bannedAt" IS NULL
    AND (
        %(reactions)s::integer IS NULL
        OR (comment."reactionCount", {comment_created_ms}, comment.id)
            < (%(reactions)s::integer, %(created)s::bigint, %(id)s::integer)
    )
ORDER BY comment."reactionCount" DESC, created DESC, comment.id DESC
LIMIT %(limit)s
