-- images --
-- What decides whether images may be shown, fresh; without their comments.
SELECT
    id,
    url,
    type::text      AS type,
    width,
    height,
    "nsfwLevel"     AS nsfw_level,
    "tosViolation"  AS tos_violation,
    "needsReview"   AS needs_review,
    ingestion::text AS ingestion,
    "blockedFor"    AS blocked_for
FROM public."Image"
WHERE id = ANY(%(ids)s)

-- images_of_entries --
-- What decides whether the images of entries may be shown, by entry.
SELECT entry.id, {moderation}
FROM public."CrucibleEntry" AS entry
JOIN public."Image" AS image ON image.id = entry."imageId"
WHERE entry.id = ANY(%(ids)s)

-- commented_images --
-- The same, with the number of comments and the one with most reactions, the newest of equals. Comments hang from the
-- one thread of the image; replies hang from threads of their own, whose root that thread is: they count, and never stand
-- below an image alone. Of its markup comes what some 280 characters of text are found in. What is hidden, against
-- the rules or of somebody who is no more counts nowhere, and what is not safe for work only where "nsfw" is true; the
-- site's own "Thread"."commentCount" has those and lacks the replies.
SELECT
    image.id,
    image.url,
    image.type::text      AS type,
    image.width,
    image.height,
    image."nsfwLevel"     AS nsfw_level,
    image."tosViolation"  AS tos_violation,
    image."needsReview"   AS needs_review,
    image.ingestion::text AS ingestion,
    image."blockedFor"    AS blocked_for,
    coalesce(counted.comments, 0) AS comments,
    best.id               AS comment_id,
    best.content,
    best.reactions,
    best.created
FROM public."Image" image
LEFT JOIN public."Thread" thread ON thread."imageId" = image.id
LEFT JOIN LATERAL (
    {comment_count}
) counted ON true
LEFT JOIN LATERAL (
    SELECT
        comment.id,
        left(comment.content, 2000) AS content,
        comment."reactionCount" AS reactions,
        {comment_created_ms} AS created
    FROM public."CommentV2" comment
    JOIN public."User" author ON author.id = comment."userId"
    WHERE comment."threadId" = thread.id
        AND comment.hidden IS NOT TRUE
        AND NOT comment."tosViolation"
        AND (%(nsfw)s OR NOT comment.nsfw)
        AND author."deletedAt" IS NULL
        AND author."bannedAt" IS NULL
    ORDER BY comment."reactionCount" DESC, comment."createdAt" DESC, comment.id DESC
    LIMIT 1
) best ON true
WHERE image.id = ANY(%(ids)s)

-- comments --
-- A page of an image's comments and replies.
WITH root AS (SELECT id FROM public."Thread" WHERE "imageId" = %(image)s)
{comment_page}
