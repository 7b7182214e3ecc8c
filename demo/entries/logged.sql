    -- Every decision that was ever made, with what it was made by.
    SELECT id, entry_id, verdict, reasons, nullif(facts -> 'facts', 'null') AS f,
           lag(verdict) OVER (PARTITION BY entry_id ORDER BY id) AS verdict_before
      FROM SCHEMA.entry_decision
