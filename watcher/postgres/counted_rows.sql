-- key_span --
-- From where to where the keys of a table go; NULL for an empty one.
SELECT min({key})::bigint, max({key})::bigint FROM {source}

-- fragment key_number --
-- A key's part of a sum. What is mixed stands there twice, for PostgreSQL has no square.
(({key}::bigint %% {PRIME} * {KEY_FACTOR} + {KEY_TERM}) %% {PRIME}
 * (({key}::bigint %% {PRIME} * {KEY_FACTOR} + {KEY_TERM}) %% {PRIME}) %% {PRIME})

-- checksums --
-- What a table's rows count for, added up to one number for each range of keys, and how many are too old to be compared.
-- Equal counts have equal sums, whoever adds them up; metric events are added up by the same arithmetic, so that only
-- ranges that differ are read row by row.
SELECT ({key}::bigint - %(low)s) / %(size)s,
       coalesce(sum({key_number} * (({counts_number}) %% {PRIME}) %% {PRIME}) FILTER (WHERE {kept}), 0)::text,
       count(*) FILTER (WHERE NOT {kept})
  FROM {source}
 WHERE {key} >= %(low)s AND {key} < %(high)s
 GROUP BY 1

-- key_from --
-- The first key from one on; NULL where no row follows.
SELECT min({key})::bigint FROM {source} WHERE {key} >= %(low)s

-- page_end --
-- The last key of a page of so many rows, and how many there are.
SELECT max(key), count(*)
  FROM (SELECT {key}::bigint AS key FROM {source} WHERE {key} > %(after)s AND {key} <= %(until)s
         ORDER BY {key} LIMIT %(most)s) page

-- one_number --
-- What a row adds to its part of a sum by counting once for an entity and a user.
CASE WHEN {counts} THEN ({entity}::bigint * {ENTITY_FACTOR} + {who}::bigint * {USER_FACTOR} + {metric_term}) %% {PRIME}
     ELSE 0 END

-- value_number --
-- The same of a row that counts for another value than 1.
CASE WHEN {counts} THEN ({entity}::bigint * {ENTITY_FACTOR} + {who}::bigint * {USER_FACTOR} + {metric_term}) %% {PRIME}
                        * ({value}::bigint %% {PRIME}) %% {PRIME}
     ELSE 0 END

-- counted_rows --
-- What some rows count for. By metric one of the queries that follow, and one for those that are too old.
SELECT key, metric, entity, who, value FROM ({counted}) one WHERE value <> 0

-- counted_of_metric --
-- What some rows count for of one metric.
SELECT {key}::bigint AS key, {metric}::bigint AS metric, {entity}::bigint AS entity, {who}::bigint AS who,
       {value}::bigint AS value
  FROM {source}
 WHERE {rows} AND {kept} AND {counts}

-- too_old --
-- Rows that are too old to be compared.
SELECT {key}::bigint, {TOO_OLD}, 0, 0, 1 FROM {source} WHERE {rows} AND NOT {kept}

-- of_range --
-- Rows of a range of keys. On the column as it is, so that its index is used.
{key} >= %(low)s AND {key} < %(high)s

-- of_keys --
-- Rows with these keys.
{key} = ANY(%(keys)s::bigint[])

-- of_crucible --
-- Rows of one crucible.
{crucible} = {number}

-- of_text --
-- Rows with this in a column.
{column}::text = {words}

-- since --
-- Rows whose moment is a time or later; one that is not known is none before it.
(coalesce({moment}, 'infinity') >= {time})

-- since_in_other --
-- The same of rows whose moment another table has.
(coalesce((SELECT {moment} FROM {other} other WHERE other.{other_key} = {key}), 'infinity') >= {time})

-- keys_chosen --
-- Keys of a crucible's rows, or of those that have been made or changed since a time.
SELECT {key}::bigint FROM {source} WHERE {key} BETWEEN %(low)s AND %(high)s AND {chosen}
