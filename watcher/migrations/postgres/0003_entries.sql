-- What becomes of entries. A verdict is published like the site's own rows and comes back as a change event: it is counted
-- by the machinery that counts everything else, once.
CREATE TABLE {schema}.entry_verdict (
    entry_id      integer     PRIMARY KEY,
    crucible_id   integer     NOT NULL,
    user_id       integer     NOT NULL,
    image_id      integer     NOT NULL,
    verdict       text        NOT NULL CHECK (verdict IN ('waiting', 'admitted', 'rejected', 'withdrawn')),
    reasons       text[]      NOT NULL DEFAULT '{}',
    enforced      boolean     NOT NULL DEFAULT true, -- false: entries.mode was observe, and nobody is kept out
    fee           integer     NOT NULL DEFAULT 0, -- Buzz that it adds to the pool: collected, and not to be given back
    entered_at    timestamp(3) NOT NULL,          -- the entry's "createdAt", UTC
    decided_at    timestamptz NOT NULL DEFAULT now(),
    waiting_since timestamptz,
    CHECK (fee = 0 OR verdict = 'admitted')
);
ALTER TABLE {schema}.entry_verdict REPLICA IDENTITY FULL;
CREATE INDEX entry_verdict_order ON {schema}.entry_verdict (crucible_id, entered_at, entry_id);
CREATE INDEX entry_verdict_user ON {schema}.entry_verdict (crucible_id, user_id, entered_at, entry_id);
CREATE INDEX entry_verdict_image ON {schema}.entry_verdict (crucible_id, image_id);
CREATE INDEX entry_verdict_waiting ON {schema}.entry_verdict (crucible_id) WHERE verdict = 'waiting';

-- How far the fee of an entry is, once somebody has asked for it.
CREATE TABLE {schema}.entry_fee (
    entry_id    integer     PRIMARY KEY,
    crucible_id integer     NOT NULL,
    user_id     integer     NOT NULL,
    prefix      text        NOT NULL,
    source      text        NOT NULL CHECK (source IN ('site', 'watcher')),
    payment     text        NOT NULL DEFAULT 'pending'
                CHECK (payment IN ('pending', 'settled', 'insufficient_funds', 'wrong_account_type', 'refused')),
    collected   integer     NOT NULL DEFAULT 0,
    asked_at    timestamptz NOT NULL DEFAULT now(),
    settled_at  timestamptz
);
-- What was paid for one entry is not paid for another, of whichever crucible.
CREATE UNIQUE INDEX entry_fee_prefix ON {schema}.entry_fee (prefix);

-- Every change of a verdict with what was known then: what people are told who ask why.
CREATE TABLE {schema}.entry_decision (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry_id integer     NOT NULL,
    made_at  timestamptz NOT NULL DEFAULT now(),
    made_by  text        NOT NULL,
    verdict  text        NOT NULL,
    reasons  text[]      NOT NULL,
    facts    jsonb       NOT NULL
);
CREATE INDEX entry_decision_entry ON {schema}.entry_decision (entry_id, id);

-- What crucibles said when their entries were last decided. Rules that are others now have all of them decided again, and
-- entries that vanish after the end are not withdrawn.
CREATE TABLE {schema}.entry_crucible (
    crucible_id  integer PRIMARY KEY,
    status       text    NOT NULL,
    rules_digest bigint  NOT NULL
);

-- What entries were last decided with, so that a sweep finds those of which something has changed. Beside the verdicts,
-- because those are published: a change that leaves the verdict as it is would be an event of nothing.
CREATE TABLE {schema}.entry_digest (
    entry_id integer PRIMARY KEY,
    digest   bigint  NOT NULL
);
