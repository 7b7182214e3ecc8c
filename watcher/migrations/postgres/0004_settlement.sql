-- The ending of each crucible: one row, whose state says what was done. Any process goes on from it.
CREATE TABLE {schema}.settlement (
    crucible_id  integer     PRIMARY KEY,
    state        text        NOT NULL DEFAULT 'due'
                 CHECK (state IN ('due', 'frozen', 'drained', 'proven', 'ranked', 'paying', 'announced', 'done',
                                  'refunding', 'cancelled', 'parked')),
    -- As the crucible's row said it when it was last looked at: it may be gone when it is needed.
    name         text        NOT NULL,
    creator_id   integer     NOT NULL,
    setup_prefix text,                 -- external transaction ids of the fee for setting it up begin so
    due_at       timestamp(3),         -- "endAt", UTC; NULL: no end

    parked_from  text,                 -- the state to go back to
    reason       text,                 -- why it is parked
    next_at      timestamptz NOT NULL DEFAULT now(),
    attempts     integer     NOT NULL DEFAULT 0, -- failures in a row, each because a neighbour was away
    error        text,                 -- the last of them
    claimed_by   text,
    claimed_until timestamptz,
    changed_at   timestamptz NOT NULL DEFAULT now(),

    frozen_at    timestamptz,          -- no vote counts from then on
    epoch        integer,              -- place of the last vote that counts
    seq          bigint,
    digest       text,                 -- proof of the result: SHA-256 over entry, rating, votes
    votes        bigint,               -- number of votes
    settled_at   timestamptz,          -- the result was written
    entries      integer,              -- whatever their verdict
    placed       integer,              -- with a position
    pool         bigint,               -- Buzz
    paid         bigint,
    remainder    bigint,
    payouts      text        CHECK (payouts IN ('watcher', 'external')),
    refunded     bigint,               -- Buzz that went back because it was cancelled
    CHECK ((state = 'parked') = (parked_from IS NOT NULL AND reason IS NOT NULL)),
    CHECK (settled_at IS NULL OR digest IS NOT NULL AND pool = paid + remainder)
);
CREATE INDEX settlement_open ON {schema}.settlement (next_at) WHERE state NOT IN ('done', 'cancelled', 'parked');

-- Every change of a state: what people read who ask what happened.
CREATE TABLE {schema}.settlement_step (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    crucible_id integer     NOT NULL,
    made_at     timestamptz NOT NULL DEFAULT now(),
    made_by     text        NOT NULL,
    state       text        NOT NULL,
    details     jsonb       NOT NULL DEFAULT '{}'
);
CREATE INDEX settlement_step_crucible ON {schema}.settlement_step (crucible_id, id);

-- Prizes of a result, whoever pays them: written with it, and never again.
CREATE TABLE {schema}.settlement_prize (
    crucible_id integer NOT NULL,
    position    integer NOT NULL CHECK (position >= 1),
    entry_id    integer NOT NULL,
    user_id     integer NOT NULL,
    amount      bigint  NOT NULL CHECK (amount > 0),
    PRIMARY KEY (crucible_id, position),
    UNIQUE (crucible_id, entry_id)
);

-- What is to be done outside about one crucible, and what was.
CREATE INDEX outbox_crucible ON {schema}.outbox ((coalesce(payload ->> 'crucible', payload ->> 'crucible_id')::integer));
