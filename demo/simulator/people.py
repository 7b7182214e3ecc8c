"""Who and what is there before the first crucible: users, their images, what is said of them.

Not counted by the change log: the watcher does not follow these tables, it looks things up in them.
"""

from demo.pictures.picture import shape
from demo.simulator.site import Connection
from demo.simulator.till import PURCHASES, TO_SELL, Till

VISITOR = "you"
"""The user whom the demo's page is for: sees every level, owns nothing."""

USERS = """
INSERT INTO "User" (username, "browsingLevel", "showNsfw", "bannedAt", muted, "deletedAt")
SELECT 'user-' || n,
    CASE n %% 3 WHEN 0 THEN 31 WHEN 1 THEN 3 ELSE 1 END, -- all levels, PG and PG-13, what everybody starts with
    n %% 3 < 2,
    CASE WHEN n %% 67 = 0 THEN now() END,
    n %% 71 = 0,
    CASE WHEN n %% 73 = 0 THEN now() END
FROM generate_series((SELECT count(*) FROM "User" WHERE username LIKE 'user-%%') + 1, %(users)s) n
ON CONFLICT DO NOTHING
"""
OUR_VISITOR = """
INSERT INTO "User" (username, "browsingLevel", "showNsfw") VALUES (%s, 31, true) ON CONFLICT DO NOTHING
"""
SILENT = """
INSERT INTO "UserNotificationSettings" ("userId", type)
SELECT id, 'crucible-reward-earned' FROM "User" WHERE username LIKE 'user-%' AND id % 4 = 0
ON CONFLICT DO NOTHING
"""
"""Every fourth user wants to hear nothing of prizes."""
MISSING_IMAGES = 'SELECT n FROM generate_series((SELECT count(*) FROM "Image") + 1, %s) n'
IMAGES = """
INSERT INTO "Image" (
    "userId", url, width, height, "nsfwLevel", ingestion, "tosViolation", "needsReview", "blockedFor", "updatedAt"
)
SELECT u.ids[1 + n %% cardinality(u.ids)], 'image-' || n, width, height,
    CASE
        WHEN n %% 29 = 0 THEN 0        -- not rated yet
        WHEN n %% 31 = 0 THEN 32       -- blocked
        WHEN n %% 37 = 0 THEN 32 + 1   -- blocked, and PG all the same
        WHEN n %% 7 = 0 THEN 1 + 2     -- two levels
        ELSE 1 << (n %% 5)             -- PG to XXX
    END,
    (CASE WHEN n %% 41 = 0 THEN 'Pending' ELSE 'Scanned' END)::"ImageIngestionStatus",
    n %% 43 = 0,
    CASE WHEN n %% 47 = 0 THEN 'minor' END,
    CASE WHEN n %% 53 = 0 THEN 'moderated' END,
    now()
FROM unnest(%s::int[], %s::int[], %s::int[]) AS image (n, width, height),
    (SELECT array_agg(id ORDER BY id) AS ids FROM "User" WHERE username LIKE 'user-%%') u
"""
VERSIONS = """
INSERT INTO "ModelVersion" (id, name) SELECT n, 'model ' || n FROM generate_series(70, 75) n ON CONFLICT DO NOTHING
"""
RESOURCES = """
INSERT INTO "ImageResourceNew" ("imageId", "modelVersionId")
SELECT id, 70 + id % 3 FROM "Image" WHERE id % 5 > 0 -- nothing was found in every fifth
UNION ALL
SELECT id, 75 FROM "Image" WHERE id % 7 = 0 AND id % 5 > 0
ON CONFLICT DO NOTHING
"""
THREADS = """
INSERT INTO "Thread" ("imageId")
SELECT id FROM "Image" i WHERE id % 3 > 0 AND NOT EXISTS (SELECT FROM "Thread" t WHERE t."imageId" = i.id)
"""
COMMENTS = """
INSERT INTO "CommentV2" (content, "userId", "threadId", hidden, "tosViolation", "updatedAt", "createdAt")
SELECT
    '<p>' || s.words[1 + (t.id * 7 + n * 3) %% cardinality(s.words)] || '</p>',
    u.ids[1 + (t.id + n * 31) %% cardinality(u.ids)],
    t.id,
    CASE WHEN (t.id + n) %% 11 = 0 THEN true WHEN (t.id + n) %% 13 = 0 THEN NULL ELSE false END,
    (t.id + n) %% 17 = 0,
    now(),
    now() - make_interval(hours => (t.id + n * 5) %% 200)
FROM "Thread" t,
    generate_series(1, 1 + t.id %% 6 * (t.id %% 4)) n,
    (SELECT array_agg(id ORDER BY id) AS ids FROM "User" WHERE username LIKE 'user-%%') u,
    (SELECT %s::text[] AS words) s
WHERE t."imageId" IS NOT NULL AND NOT EXISTS (SELECT FROM "CommentV2" c WHERE c."threadId" = t.id)
"""
REPLIES = """
WITH answered AS (
    INSERT INTO "Thread" ("parentThreadId", "rootThreadId", "commentId")
    SELECT c."threadId", c."threadId", c.id
    FROM "CommentV2" c JOIN "Thread" t ON t.id = c."threadId" AND t."imageId" IS NOT NULL
    WHERE c.id % 9 = 0
    ON CONFLICT DO NOTHING
    RETURNING id, "commentId"
)
INSERT INTO "CommentV2" (content, "userId", "threadId", "updatedAt")
SELECT '<p>I thought so too.</p>', u.ids[1 + a.id % cardinality(u.ids)], a.id, now()
FROM answered a, (SELECT array_agg(id ORDER BY id) AS ids FROM "User" WHERE username LIKE 'user-%') u
"""
REACTIONS = """
INSERT INTO "CommentV2Reaction" ("commentId", "userId", reaction, "updatedAt")
SELECT c.id, u.ids[1 + (c.id * 13 + n * 17) % cardinality(u.ids)],
    (ARRAY['Like', 'Heart', 'Laugh', 'Cry', 'Dislike'])[1 + (c.id + n) % 5]::"ReviewReactions", now()
FROM "CommentV2" c,
    generate_series(1, c.id % 8) n,
    (SELECT array_agg(id ORDER BY id) AS ids FROM "User" WHERE username LIKE 'user-%') u
WHERE c."reactionCount" = 0
ON CONFLICT DO NOTHING
"""
WORDS = [
    "The light in this one is unreal.",
    "Look at those colours! How did you get them?",
    "I keep coming back to this.",
    "A bit busy for my taste, but the mood is right.",
    "This <strong>has</strong> to win.",
    "Simple, calm, perfect.",
    "Reminds me of a summer at the coast, when I was ten.",
    "The composition pulls the eye to exactly the right place, and then lets it wander.",
    "5 &lt; 6, and this is a 7.",
    'Nice try: <img src="x" onerror="alert(1)"><script>alert(2)</script> still only a comment.',
    "Would hang this on my wall.",
    "Needs a little more contrast.",
    "Wow.",
]


def fill(connection: Connection, users: int, images: int) -> None:
    """Bring the site up to so many users and images, with comments and reactions; what is there already stays."""
    with connection.transaction():
        connection.execute(USERS, {"users": users})
        connection.execute(OUR_VISITOR, (VISITOR,))
        connection.execute(SILENT)
        numbers = [number for (number,) in connection.execute(MISSING_IMAGES, (images,))]
        shapes = [shape(f"image-{number}") for number in numbers]
        connection.execute(IMAGES, (numbers, [width for width, _ in shapes], [height for _, height in shapes]))
        connection.execute(VERSIONS)
        connection.execute(RESOURCES)
        connection.execute(THREADS)
        connection.execute(COMMENTS, (WORDS,))
        connection.execute(REPLIES)
        connection.execute(REACTIONS)


def sell(connection: Connection, till: Till) -> None:
    """Sell Buzz to those who have bought none yet."""
    with connection.transaction():
        connection.execute(PURCHASES)
        till.sell((account, str(kind), amount) for account, kind, amount in connection.execute(TO_SELL))
