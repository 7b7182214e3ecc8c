-- voting_readable --
-- Whether we may read what voting needs, without reading any.
SELECT 1 FROM public."Crucible" WHERE false
UNION ALL SELECT 1 FROM public."CrucibleEntry" WHERE false
UNION ALL SELECT 1 FROM public."User" WHERE false
UNION ALL SELECT 1 FROM public."Image" WHERE false

-- rest_readable --
-- The same for what comments and entries' rules need.
SELECT 1 FROM public."ImageResourceNew" WHERE false
UNION ALL SELECT 1 FROM public."Thread" WHERE false
UNION ALL SELECT 1 FROM public."CommentV2" WHERE false
UNION ALL SELECT 1 FROM public."CommentV2Reaction" WHERE false
