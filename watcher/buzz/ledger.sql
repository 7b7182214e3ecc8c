-- The ledger: accounts, transfers and their postings, for a site without a Buzz service. {schema} is its own schema, and
-- belongs to the role that moves money; nobody else has a right in it. Every statement may be run again at any time.
--
-- What must hold is held here, whoever calls: postings of a transfer add up to nothing, a user's balance is the sum of
-- its postings (the bank's too, but it has one of everybody's and is added up by audits alone), a user never owes, a crucible never pays out more than it collected, an external id is one transfer,
-- and nothing that was written is changed.

CREATE TABLE IF NOT EXISTS {schema}.account (
    number  bigint NOT NULL,          -- a user's id; 0 is the bank, which has no floor
    type    text   NOT NULL,
    balance bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (number, type),
    CONSTRAINT user_owes_nothing CHECK (number = 0 OR balance >= 0)
);

CREATE TABLE IF NOT EXISTS {schema}.transfer (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    external_id text        NOT NULL UNIQUE,
    kind        integer     NOT NULL,
    amount      bigint      NOT NULL CHECK (amount > 0),
    payer       bigint      NOT NULL,
    payer_type  text        NOT NULL,
    payee       bigint      NOT NULL,
    payee_type  text        NOT NULL,
    crucible_id integer,
    description text        NOT NULL,
    refund_of   bigint      UNIQUE REFERENCES {schema}.transfer (id),
    made_at     timestamptz NOT NULL DEFAULT now(),
    CHECK ((payer, payer_type) <> (payee, payee_type))
);
-- For "every leg that begins so"; LIKE uses it whatever the database's collation.
CREATE INDEX IF NOT EXISTS transfer_external_id_prefix ON {schema}.transfer (external_id text_pattern_ops);

CREATE TABLE IF NOT EXISTS {schema}.posting (
    transfer_id bigint NOT NULL REFERENCES {schema}.transfer (id),
    number      bigint NOT NULL,
    type        text   NOT NULL,
    amount      bigint NOT NULL,
    PRIMARY KEY (transfer_id, number, type)
);
CREATE INDEX IF NOT EXISTS posting_account ON {schema}.posting (number, type);

-- What the bank holds for a crucible: fees collected, less refunds, less prizes.
CREATE TABLE IF NOT EXISTS {schema}.pool (
    crucible_id integer PRIMARY KEY,
    held        bigint  NOT NULL DEFAULT 0,
    CONSTRAINT pool_is_not_overdrawn CHECK (held >= 0)
);

CREATE OR REPLACE FUNCTION {schema}.count_posting() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    crucible integer;
BEGIN
    -- Not in one: a check looks at the row that would be inserted, also where it is updated instead.
    EXECUTE format('INSERT INTO %I.account (number, type) VALUES ($1, $2) ON CONFLICT DO NOTHING', TG_TABLE_SCHEMA)
      USING NEW.number, NEW.type;
    EXECUTE format('UPDATE %I.account SET balance = balance + $3 WHERE number = $1 AND type = $2', TG_TABLE_SCHEMA)
      USING NEW.number, NEW.type, NEW.amount;
    IF NEW.number = 0 THEN
        EXECUTE format('SELECT crucible_id FROM %I.transfer WHERE id = $1', TG_TABLE_SCHEMA)
           INTO crucible USING NEW.transfer_id;
        IF crucible IS NOT NULL THEN
            EXECUTE format('INSERT INTO %I.pool (crucible_id) VALUES ($1) ON CONFLICT DO NOTHING', TG_TABLE_SCHEMA)
              USING crucible;
            EXECUTE format('UPDATE %I.pool SET held = held + $2 WHERE crucible_id = $1', TG_TABLE_SCHEMA)
              USING crucible, NEW.amount;
        END IF;
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION {schema}.check_transfer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    postings integer;
    total    bigint;
BEGIN
    EXECUTE format('SELECT count(*), sum(amount) FROM %I.posting WHERE transfer_id = $1', TG_TABLE_SCHEMA)
       INTO postings, total USING coalesce(to_jsonb(NEW) ->> 'transfer_id', to_jsonb(NEW) ->> 'id')::bigint;
    IF postings <> 2 OR total <> 0 THEN
        RAISE EXCEPTION 'a transfer has % postings that add up to %, expected 2 and 0', postings, total
            USING ERRCODE = 'check_violation', CONSTRAINT = 'transfer_is_balanced';
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION {schema}.check_account() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    total bigint;
    now_is bigint;
BEGIN
    EXECUTE format('SELECT coalesce(sum(amount), 0) FROM %I.posting WHERE number = $1 AND type = $2', TG_TABLE_SCHEMA)
       INTO total USING NEW.number, NEW.type;
    EXECUTE format('SELECT balance FROM %I.account WHERE number = $1 AND type = $2', TG_TABLE_SCHEMA)
       INTO now_is USING NEW.number, NEW.type;
    IF now_is IS DISTINCT FROM total THEN
        RAISE EXCEPTION 'account % % says %, its postings say %', NEW.number, NEW.type, now_is, total
            USING ERRCODE = 'check_violation', CONSTRAINT = 'balance_is_the_sum_of_postings';
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION {schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what the ledger holds is not changed: make a transfer that undoes it'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_is_append_only';
END
$$;

-- Moves an amount, once per external id. The user's side is posted before the bank's, so that no two transfers wait for
-- each other. Answers the transfer's id and whether it had been made before; the same id with other content is refused.
CREATE OR REPLACE FUNCTION {schema}.move(
    IN external text, IN of_kind integer, IN from_number bigint, IN from_type text, IN to_number bigint,
    IN to_type text, IN how_much bigint, IN crucible integer, IN says text, IN undoes bigint,
    OUT transfer_id bigint, OUT before boolean
) LANGUAGE plpgsql AS $$
DECLARE
    known {schema}.transfer;
BEGIN
    INSERT INTO {schema}.transfer (external_id, kind, amount, payer, payer_type, payee, payee_type, crucible_id,
                                   description, refund_of)
         VALUES (external, of_kind, how_much, from_number, from_type, to_number, to_type, crucible, says, undoes)
    ON CONFLICT (external_id) DO NOTHING
      RETURNING id INTO transfer_id;
    before := transfer_id IS NULL;
    IF before THEN
        SELECT * INTO STRICT known FROM {schema}.transfer t WHERE t.external_id = external;
        IF (known.kind, known.amount, known.payer, known.payer_type, known.payee, known.payee_type)
           IS DISTINCT FROM (of_kind, how_much, from_number, from_type, to_number, to_type) THEN
            RAISE EXCEPTION '% was used for % from % to %', external, known.amount, known.payer, known.payee
                USING ERRCODE = 'unique_violation', CONSTRAINT = 'external_id_is_one_transfer';
        END IF;
        transfer_id := known.id;
    ELSIF from_number = 0 THEN
        INSERT INTO {schema}.posting VALUES (transfer_id, to_number, to_type, how_much);
        INSERT INTO {schema}.posting VALUES (transfer_id, from_number, from_type, -how_much);
    ELSE
        INSERT INTO {schema}.posting VALUES (transfer_id, from_number, from_type, -how_much);
        INSERT INTO {schema}.posting VALUES (transfer_id, to_number, to_type, how_much);
    END IF;
END
$$;

CREATE OR REPLACE TRIGGER count_posting AFTER INSERT ON {schema}.posting
    FOR EACH ROW EXECUTE FUNCTION {schema}.count_posting();
CREATE OR REPLACE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.transfer
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change();
CREATE OR REPLACE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.posting
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change();
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'check_transfer' AND tgrelid = '{schema}.transfer'::regclass)
    THEN
        CREATE CONSTRAINT TRIGGER check_transfer AFTER INSERT ON {schema}.transfer DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION {schema}.check_transfer();
        CREATE CONSTRAINT TRIGGER check_transfer AFTER INSERT ON {schema}.posting DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION {schema}.check_transfer();
        CREATE CONSTRAINT TRIGGER check_account AFTER INSERT OR UPDATE ON {schema}.account DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW WHEN (NEW.number <> 0) EXECUTE FUNCTION {schema}.check_account();
    END IF;
END
$$;
