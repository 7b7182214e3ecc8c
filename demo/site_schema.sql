-- The part of the site's database that crucibles touch: crucibles and entries, users and images, comments with their
-- threads and reactions, all with their enums, keys, indexes and triggers, under the site's own names, types and
-- defaults. "User", "Image", "ModelVersion" and "Thread" are cut down to the columns that a crucible reads.
-- timestamp(3) columns are without time zone and hold UTC. "updatedAt" has no default, as on the site: its writers
-- set it. "User".username is citext on the site; text here, because the extension is not part of every build.
-- Run once, in an empty database: psql -v ON_ERROR_STOP=1 -f demo/site_schema.sql

CREATE TYPE "MediaType" AS ENUM ('image', 'video', 'audio');
CREATE TYPE "NsfwLevel" AS ENUM ('None', 'Soft', 'Mature', 'X', 'Blocked');
CREATE TYPE "ImageIngestionStatus" AS ENUM (
    'Pending', 'Scanned', 'Error', 'Blocked', 'NotFound', 'PendingManualAssignment', 'Rescan'
);
CREATE TYPE "CrucibleStatus" AS ENUM ('Pending', 'Active', 'Completed', 'Cancelled');

CREATE TYPE "ReviewReactions" AS ENUM ('Like', 'Dislike', 'Laugh', 'Cry', 'Heart');

CREATE TABLE "User" (
    id              serial PRIMARY KEY,
    username        text UNIQUE,
    image           text,
    "deletedAt"     timestamp(3),
    "isModerator"   boolean DEFAULT false,
    "bannedAt"      timestamp(3),
    muted           boolean NOT NULL DEFAULT false,
    "browsingLevel" integer NOT NULL DEFAULT 1,
    "showNsfw"      boolean NOT NULL DEFAULT false,
    meta            jsonb DEFAULT '{}',
    "createdAt"     timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE "Image" (
    id                serial PRIMARY KEY,
    "userId"          integer NOT NULL REFERENCES "User" (id) ON DELETE CASCADE ON UPDATE CASCADE,
    url               text NOT NULL,
    hash              text,
    width             integer,
    height            integer,
    type              "MediaType" NOT NULL DEFAULT 'image',
    "nsfwLevel"       integer NOT NULL DEFAULT 0,
    nsfw              "NsfwLevel" NOT NULL DEFAULT 'None',
    "nsfwLevelLocked" boolean NOT NULL DEFAULT false,
    "tosViolation"    boolean NOT NULL DEFAULT false,
    "needsReview"     text,
    ingestion         "ImageIngestionStatus" NOT NULL DEFAULT 'Pending',
    "blockedFor"      text,
    "postId"          integer,
    meta              jsonb,
    metadata          jsonb NOT NULL DEFAULT '{}',
    minor             boolean NOT NULL DEFAULT false,
    poi               boolean NOT NULL DEFAULT false,
    "acceptableMinor" boolean NOT NULL DEFAULT false,
    "createdAt"       timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"       timestamp(3) NOT NULL
);
CREATE INDEX "Image_userId_idx" ON "Image" USING hash ("userId");

-- A row means that the user has switched notifications of this type off.
CREATE TABLE "UserNotificationSettings" (
    id           serial CONSTRAINT "UserNotificationSettings_pkey" PRIMARY KEY,
    "userId"     integer NOT NULL REFERENCES "User" (id) ON DELETE CASCADE ON UPDATE CASCADE,
    type         text NOT NULL,
    "disabledAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    UNIQUE ("userId", type)
);

-- Which models an image was made with, as far as the site found out.
CREATE TABLE "ModelVersion" (
    id          serial PRIMARY KEY,
    name        text NOT NULL,
    "baseModel" text NOT NULL DEFAULT 'SDXL 1.0',
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE "ImageResourceNew" (
    "imageId"        integer NOT NULL REFERENCES "Image" (id) ON DELETE CASCADE ON UPDATE CASCADE,
    "modelVersionId" integer NOT NULL REFERENCES "ModelVersion" (id) ON DELETE CASCADE ON UPDATE CASCADE,
    strength         integer,
    detected         boolean NOT NULL DEFAULT false,
    PRIMARY KEY ("imageId", "modelVersionId")
);
CREATE INDEX "ImageResourceNew_modelVersionId_idx" ON "ImageResourceNew" ("modelVersionId");

CREATE TABLE "Crucible" (
    id                  serial CONSTRAINT "Crucible_pkey" PRIMARY KEY,
    "userId"            integer NOT NULL REFERENCES "User" (id) ON DELETE CASCADE ON UPDATE CASCADE,
    name                text NOT NULL,
    description         text,
    "imageId"           integer REFERENCES "Image" (id) ON DELETE SET NULL ON UPDATE CASCADE,
    "nsfwLevel"         integer NOT NULL DEFAULT 0,
    "entryFee"          integer NOT NULL DEFAULT 0,
    "entryLimit"        integer NOT NULL DEFAULT 1,
    "maxTotalEntries"   integer,
    "prizePositions"    jsonb NOT NULL DEFAULT '[]',
    "allowedResources"  jsonb,
    "judgeRequirements" jsonb,
    duration            integer NOT NULL DEFAULT 480, -- minutes
    "startAt"           timestamp(3),
    "endAt"             timestamp(3),
    status              "CrucibleStatus" NOT NULL DEFAULT 'Pending',
    "buzzTransactionId" text,
    "createdAt"         timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"         timestamp(3) NOT NULL
);
CREATE INDEX "Crucible_userId_idx" ON "Crucible" USING hash ("userId");
CREATE INDEX "Crucible_status_idx" ON "Crucible" (status);
CREATE INDEX "Crucible_endAt_idx" ON "Crucible" ("endAt");
CREATE INDEX "Crucible_startAt_idx" ON "Crucible" ("startAt");

CREATE TABLE "CrucibleEntry" (
    id                  serial CONSTRAINT "CrucibleEntry_pkey" PRIMARY KEY,
    "crucibleId"        integer NOT NULL REFERENCES "Crucible" (id) ON DELETE CASCADE ON UPDATE CASCADE,
    "userId"            integer NOT NULL REFERENCES "User" (id) ON DELETE CASCADE ON UPDATE CASCADE,
    "imageId"           integer NOT NULL REFERENCES "Image" (id) ON DELETE CASCADE ON UPDATE CASCADE,
    score               integer NOT NULL DEFAULT 1500,
    "voteCount"         integer NOT NULL DEFAULT 0,
    position            integer,
    "buzzTransactionId" text,
    "createdAt"         timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX "CrucibleEntry_crucibleId_idx" ON "CrucibleEntry" USING hash ("crucibleId");
CREATE INDEX "CrucibleEntry_userId_idx" ON "CrucibleEntry" USING hash ("userId");
CREATE INDEX "CrucibleEntry_crucibleId_score_idx" ON "CrucibleEntry" ("crucibleId", score DESC);

-- Comments of an image hang from the one thread with its "imageId". A reply hangs from a thread of its own, whose
-- "commentId" is the comment replied to and whose "rootThreadId" is the thread of the image.
CREATE TABLE "Thread" (
    id               serial CONSTRAINT "Thread_pkey" PRIMARY KEY,
    locked           boolean NOT NULL DEFAULT false,
    "parentThreadId" integer REFERENCES "Thread" (id) ON DELETE CASCADE ON UPDATE CASCADE,
    "rootThreadId"   integer REFERENCES "Thread" (id) ON DELETE CASCADE ON UPDATE CASCADE,
    "imageId"        integer UNIQUE REFERENCES "Image" (id) ON DELETE SET NULL ON UPDATE CASCADE,
    "postId"         integer UNIQUE,
    "commentId"      integer UNIQUE,
    "crucibleId"     integer UNIQUE REFERENCES "Crucible" (id) ON DELETE SET NULL ON UPDATE CASCADE,
    metadata         jsonb NOT NULL DEFAULT '{}',
    "commentCount"   integer NOT NULL DEFAULT 0
);
CREATE INDEX "Thread_imageId_idx" ON "Thread" USING hash ("imageId");
CREATE INDEX "Thread_parentThreadId_idx" ON "Thread" USING hash ("parentThreadId");
CREATE INDEX "Thread_rootThreadId_idx" ON "Thread" USING hash ("rootThreadId");

CREATE TABLE "CommentV2" (
    id              serial CONSTRAINT "CommentV2_pkey" PRIMARY KEY,
    content         text NOT NULL,
    "createdAt"     timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"     timestamp(3) NOT NULL,
    nsfw            boolean NOT NULL DEFAULT false,
    "tosViolation"  boolean NOT NULL DEFAULT false,
    "userId"        integer NOT NULL REFERENCES "User" (id) ON DELETE CASCADE ON UPDATE CASCADE,
    "threadId"      integer NOT NULL REFERENCES "Thread" (id) ON DELETE CASCADE ON UPDATE CASCADE,
    metadata        jsonb,
    hidden          boolean DEFAULT false, -- NULL in old rows: as good as false
    "pinnedAt"      timestamp(3),
    "reactionCount" integer NOT NULL DEFAULT 0
);
CREATE INDEX "CommentV2_threadId_idx" ON "CommentV2" USING hash ("threadId");
CREATE INDEX "CommentV2_reactionCount_id_idx" ON "CommentV2" ("reactionCount" DESC, id DESC);
CREATE INDEX "CommentV2_threadId_pinnedAt_idx" ON "CommentV2" ("threadId", "pinnedAt" DESC)
    WHERE "pinnedAt" IS NOT NULL;
ALTER TABLE "Thread" ADD CONSTRAINT "Thread_commentId_fkey"
    FOREIGN KEY ("commentId") REFERENCES "CommentV2" (id) ON DELETE SET NULL ON UPDATE CASCADE;

CREATE TABLE "CommentV2Reaction" (
    id          serial CONSTRAINT "CommentV2Reaction_pkey" PRIMARY KEY,
    "commentId" integer NOT NULL REFERENCES "CommentV2" (id) ON DELETE CASCADE ON UPDATE CASCADE,
    "userId"    integer NOT NULL REFERENCES "User" (id) ON DELETE CASCADE ON UPDATE CASCADE,
    reaction    "ReviewReactions" NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL,
    UNIQUE ("commentId", "userId", reaction)
);

-- The site's own count: comments of this thread alone, hidden and forbidden ones too, replies not.
CREATE FUNCTION update_thread_comment_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE "Thread" SET "commentCount" = "commentCount" + 1 WHERE id = NEW."threadId";
    ELSE
        UPDATE "Thread" SET "commentCount" = "commentCount" - 1 WHERE id = OLD."threadId";
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER thread_comment_count_update AFTER INSERT OR DELETE ON "CommentV2"
    FOR EACH ROW EXECUTE FUNCTION update_thread_comment_count();

-- Every kind of reaction counts, a Dislike too; never below 0, for rows older than the trigger were not counted.
CREATE FUNCTION update_comment_reaction_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE "CommentV2" SET "reactionCount" = "reactionCount" + 1 WHERE id = NEW."commentId";
    ELSE
        UPDATE "CommentV2" SET "reactionCount" = GREATEST("reactionCount" - 1, 0) WHERE id = OLD."commentId";
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER comment_reaction_count_update AFTER INSERT OR DELETE ON "CommentV2Reaction"
    FOR EACH ROW EXECUTE FUNCTION update_comment_reaction_count();
