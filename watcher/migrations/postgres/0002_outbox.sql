-- What is to be done outside, once: written in the transaction of what it announces, carried out by the settle role.
CREATE TABLE {schema}.outbox (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel       text        NOT NULL,
    kind          text        NOT NULL,
    subject       text        NOT NULL, -- rows of one subject are carried out one after the other
    key           text        NOT NULL UNIQUE,
    payload       jsonb       NOT NULL,
    state         text        NOT NULL DEFAULT 'pending'
                  CHECK (state IN ('pending', 'sending', 'unknown', 'done', 'parked')),
    attempts      integer     NOT NULL DEFAULT 0,
    next_at       timestamptz NOT NULL DEFAULT now(),
    claimed_by    text,
    claimed_until timestamptz,
    error         text,
    result        jsonb,
    created_at    timestamptz NOT NULL DEFAULT now(),
    done_at       timestamptz
);
-- What is done is most of it, and is not looked at again.
CREATE INDEX outbox_due ON {schema}.outbox (channel, next_at) WHERE state IN ('pending', 'sending', 'unknown');
CREATE INDEX outbox_subject ON {schema}.outbox (subject, id) WHERE state <> 'done';
