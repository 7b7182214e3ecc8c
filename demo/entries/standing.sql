    -- Every verdict of an active crucible as it stands, with the facts as the site's own tables tell them now. Left out
    -- are verdicts that stay whatever is changed: those after which a fee went back, and those of crucibles whose votes are
    -- closed, for it is fixed then who competes.
    SELECT entry.id, entry.id AS entry_id, seen.verdict, seen.reasons, NULL AS verdict_before,
           jsonb_build_object(
               'user_id', entry."userId",
               'created_ms', (extract(epoch FROM entry."createdAt") * 1000)::bigint,
               'crucible', jsonb_build_object(
                   'status', crucible.status, 'nsfw_level', crucible."nsfwLevel", 'entry_fee', crucible."entryFee",
                   'start_ms', CASE WHEN isfinite(crucible."startAt")
                                    THEN (extract(epoch FROM crucible."startAt") * 1000)::bigint END,
                   'end_ms', CASE WHEN isfinite(crucible."endAt")
                                  THEN (extract(epoch FROM crucible."endAt") * 1000)::bigint END,
                   'entry_limit', crucible."entryLimit", 'max_total_entries', crucible."maxTotalEntries",
                   'allowed_resources', crucible."allowedResources"::text
               ),
               'image', jsonb_build_object(
                   'user_id', image."userId", 'nsfw_level', image."nsfwLevel", 'ingestion', image.ingestion,
                   'type', image.type, 'blocked_for', image."blockedFor",
                   'resources', (SELECT coalesce(jsonb_agg(used."modelVersionId"), '[]')
                                   FROM "ImageResourceNew" used WHERE used."imageId" = image.id)
               ),
               'earlier_of_user', places.of_user,
               'earlier_in_all', places.in_all,
               'entered_already', places.of_image > 0,
               'payment', coalesce(fee.payment, CASE
                   WHEN entry."buzzTransactionId" <> '' AND NOT EXISTS (
                            SELECT FROM SCHEMA.entry_fee one WHERE one.prefix = entry."buzzTransactionId")
                        THEN 'pending'
                   WHEN crucible."entryFee" > 0 THEN 'pending'
                   ELSE 'settled' END),
               'collected', coalesce(fee.collected, 0),
               -- While Redis does not hold a crucible nobody can tell, and whoever is in keeps the place.
               'voted_on', voted.entry_id IS NOT NULL OR coalesce((
                   SELECT (log.facts #>> '{facts,voted_on}')::boolean FROM SCHEMA.entry_decision log
                    WHERE log.entry_id = entry.id ORDER BY log.id DESC LIMIT 1), false),
               'admitted_before', coalesce(seen.verdict = 'admitted', false)
           ) AS f
      FROM "CrucibleEntry" entry
      JOIN "Crucible" crucible ON crucible.id = entry."crucibleId"
      JOIN "Image" image ON image.id = entry."imageId"
      LEFT JOIN SCHEMA.entry_verdict seen ON seen.entry_id = entry.id AND seen.crucible_id = crucible.id
      LEFT JOIN SCHEMA.entry_fee fee ON fee.entry_id = entry.id AND NOT fee.returned
      LEFT JOIN unnest(%(crucibles)s::int[], %(entries)s::int[]) AS voted (crucible_id, entry_id)
             ON (voted.crucible_id, voted.entry_id) = (crucible.id, entry.id)
     CROSS JOIN (SELECT ARRAY['total_limit', 'user_limit', 'image_entered_already'] AS wants_place) reason
     CROSS JOIN LATERAL (
         -- Who holds a place counts those before it; who holds none, everybody. Waiting for want of a place is to hold none.
         SELECT count(*) AS in_all,
                count(*) FILTER (WHERE other.user_id = entry."userId") AS of_user,
                count(*) FILTER (WHERE other.image_id = entry."imageId") AS of_image
           FROM SCHEMA.entry_verdict other
          WHERE other.crucible_id = crucible.id
            AND (other.verdict = 'admitted' OR other.verdict = 'waiting' AND NOT other.reasons && wants_place)
            AND other.entry_id <> entry.id
            AND (coalesce(seen.verdict NOT IN ('waiting', 'admitted')
                          OR seen.verdict = 'waiting' AND seen.reasons && wants_place, true)
                 OR (other.entered_at, other.entry_id) < (entry."createdAt", entry.id))
     ) places
     WHERE crucible.status = 'Active'
       AND NOT EXISTS (SELECT FROM SCHEMA.settlement ending
                        WHERE ending.crucible_id = crucible.id AND ending.frozen_at IS NOT NULL)
       AND NOT (coalesce(seen.verdict IN ('rejected', 'withdrawn'), false) AND fee.entry_id IS NOT NULL)
