-- The part of the site's database that crucibles touch: the four tables, their enums, keys and indexes, under the
-- site's own names, types and defaults. "User" and "Image" are cut down to the columns that a crucible reads.
-- timestamp(3) columns are without time zone and hold UTC. "updatedAt" has no default, as on the site: its writers
-- set it. "User".username is citext on the site; text here, because the extension is not part of every build.
-- Run once, in an empty database: psql -v ON_ERROR_STOP=1 -f demo/site_schema.sql

CREATE TYPE "MediaType" AS ENUM ('image', 'video', 'audio');
CREATE TYPE "NsfwLevel" AS ENUM ('None', 'Soft', 'Mature', 'X', 'Blocked');
CREATE TYPE "ImageIngestionStatus" AS ENUM (
    'Pending', 'Scanned', 'Error', 'Blocked', 'NotFound', 'PendingManualAssignment', 'Rescan'
);
CREATE TYPE "CrucibleStatus" AS ENUM ('Pending', 'Active', 'Completed', 'Cancelled');

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
