-- What other services are told of: Debezium's Outbox Event Router carries each row to the topic crucible.events, and rows
-- are forgotten after some days (events.keep_days). Whoever starts anew reads what is still here.
CREATE TABLE {schema}.crucible_event (
    number      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          uuid        NOT NULL DEFAULT gen_random_uuid(), -- of the CloudEvent: others tell repeats by it
    type        text        NOT NULL,
    crucible_id integer     NOT NULL, -- Kafka's key: events of one crucible stay in their order
    subject     text        NOT NULL,
    made_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    payload     jsonb       NOT NULL
);

-- What users were told, on a site without a notification service: the site shows it from here.
CREATE TABLE {schema}.notice (
    key      text        NOT NULL,
    user_id  integer     NOT NULL,
    type     text        NOT NULL,
    category text        NOT NULL,
    message  text        NOT NULL,
    url      text        NOT NULL,
    details  jsonb       NOT NULL,
    told_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key, user_id)
);
CREATE INDEX notice_user ON {schema}.notice (user_id, told_at);
