-- fragment visible_image --
-- Whether "image" is shown in "crucible", two aliases of whoever uses this: `hidden` of model/visibility.py, where a test
-- compares them for every combination. False where there is no image.
coalesce(
    image."nsfwLevel" BETWEEN 1 AND {ALL_LEVELS}
    AND image."nsfwLevel" & crucible."nsfwLevel" <> 0
    AND NOT image."tosViolation"
    AND image."needsReview" IS NULL
    AND image.ingestion::text = '{SCANNED}'
    AND image."blockedFor" IS NULL,
    false
)

-- fragment moderation --
-- What decides about "image", in the order of `Moderation` in model/visibility.py.
image."nsfwLevel",
image."tosViolation",
image."needsReview",
image.ingestion::text,
image."blockedFor"

-- fragment takes_part --
-- Whether an entry takes part by its "verdict"; NULL where there is none.
(verdict.verdict = 'admitted' OR NOT verdict.enforced)
