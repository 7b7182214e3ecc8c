-- What other services are told of, each row a CloudEvent with its attributes as columns: Debezium's Outbox Event Router
-- carries it to the topic crucible.events. Rows are forgotten after some days (events.keep_days); a connector that starts
-- anew reads those that are still here.
CREATE TABLE {schema}.crucible_event (
    number          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    crucible_id     integer     NOT NULL, -- Kafka's key: events of one crucible stay in their order
    id              uuid        NOT NULL DEFAULT gen_random_uuid(), -- others tell repeats by it
    specversion     text        NOT NULL DEFAULT '1.0',
    source          text        NOT NULL DEFAULT '/crucible-watcher', -- where there are several: ALTER COLUMN ... SET DEFAULT
    type            text        NOT NULL,
    subject         text        NOT NULL,
    time            timestamptz NOT NULL DEFAULT clock_timestamp(),
    datacontenttype text        NOT NULL DEFAULT 'application/json',
    data            jsonb       NOT NULL
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
