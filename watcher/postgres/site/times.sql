-- fragment start_ms --
-- When "crucible" begins, in milliseconds since 1970; NULL if it has always begun. PostgreSQL holds moments that nothing
-- else here does: the infinities, and years before 1900 or after 2299.
CASE WHEN crucible."startAt" > {FIRST_MOMENT}
    THEN (extract(epoch FROM least(crucible."startAt", {LAST_MOMENT})) * 1000)::bigint
END

-- fragment end_ms --
-- When "crucible" ends, likewise; NULL if it never does.
CASE WHEN crucible."endAt" < {LAST_MOMENT}
    THEN (extract(epoch FROM greatest(crucible."endAt", {FIRST_MOMENT})) * 1000)::bigint
END

-- fragment entry_created_ms --
-- When "entry" was made, in milliseconds since 1970.
(extract(epoch FROM greatest(least(entry."createdAt", {LAST_MOMENT}), {FIRST_MOMENT})) * 1000)::bigint

-- fragment comment_created_ms --
-- When "comment" was written, likewise.
(extract(epoch FROM greatest(least(comment."createdAt", {LAST_MOMENT}), {FIRST_MOMENT})) * 1000)::bigint
