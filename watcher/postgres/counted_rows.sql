-- key_span --
-- From where to where the keys of a table go; NULL for an empty one.
SELECT min({key})::bigint, max({key})::bigint FROM {source}

-- checksums --
-- What a table's rows count for, added up to one number for each range of keys, and how many are too old to be compared.
-- Equal counts have equal sums, whoever adds them up; metric events are added up by the same arithmetic, so that only
-- ranges that differ are read row by row.
SELECT ({key}::bigint - %(low)s) / %(size)s,
       coalesce(sum({key_number} * ({counts_number} %% {PRIME}) %% {PRIME}) FILTER (WHERE {kept}), 0)::text,
       count(*) FILTER (WHERE NOT {kept})
  FROM {source}
 WHERE {key} >= %(low)s AND {key} < %(high)s
 GROUP BY 1

-- page_end --
-- The last key of a page of so many rows, and how many there are.
SELECT max(key), count(*)
  FROM (SELECT {key}::bigint AS key FROM {source} WHERE {key} > %(after)s AND {key} <= %(until)s
         ORDER BY {key} LIMIT %(most)s) page

-- rows_of_range --
-- What the rows of a range of keys count for; metric 0 of those that are too old to be compared.
SELECT key, metric, entity, who, value FROM ({counted_of_range}) one WHERE value <> 0

-- rows_of_keys --
-- What some rows count for, as they are by now.
SELECT key, metric, entity, who, value FROM ({counted_of_keys}) one WHERE value <> 0

-- keys_chosen --
-- Keys of a crucible's rows, or of those that have been made or changed since a time.
SELECT {key}::bigint FROM {source} WHERE {key} BETWEEN %(low)s AND %(high)s AND {chosen}
