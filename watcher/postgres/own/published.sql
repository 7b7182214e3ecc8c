-- published --
-- Beside the beat, in the publications that have it: how a site names its publication is no concern of ours. Whatever is
-- done to a publication or to a table's place in it leaves another version of its row in the catalogue. A table of which
-- some rows or kinds of changes are left out is published to nobody: what goes that way is lost as if all of it were.
WITH listed AS MATERIALIZED (
    SELECT pubname, schemaname || '.' || tablename AS listed FROM pg_publication_tables
), ours AS (
    SELECT pg_publication.oid, pubname, pg_publication.xmin, pubinsert AND pubupdate AND pubdelete AS every_kind
      FROM pg_publication JOIN listed USING (pubname)
     WHERE listed = %s || '.beat'
), watched AS (
    SELECT watched, to_regclass(format('%%I.%%I', split_part(watched, '.', 1), split_part(watched, '.', 2))) AS relation
      FROM unnest(%s::text[]) watched
)
SELECT split_part(watched, '.', 2),
       string_agg(concat_ws('/', ours.oid, ours.xmin, place.oid, place.xmin), ' ' ORDER BY ours.oid)
           FILTER (WHERE every_kind
                     AND to_jsonb(place) ->> 'prqual' IS NULL -- a column since 15
                     AND EXISTS (SELECT FROM listed WHERE listed.pubname = ours.pubname AND listed = watched))
  FROM watched
  CROSS JOIN ours
  LEFT JOIN pg_publication_rel place ON place.prpubid = ours.oid AND place.prrelid = relation
 WHERE relation IS NOT NULL
 GROUP BY watched
 ORDER BY 1

-- remembered --
-- As what each table was published when it was looked at last.
SELECT source_table, print FROM {schema}.published_as

-- remember --
-- The latest is what the next look is compared with.
INSERT INTO {schema}.published_as (source_table, print) VALUES (%s, %s)
ON CONFLICT (source_table) DO UPDATE SET print = excluded.print, since = now()
