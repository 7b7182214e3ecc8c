-- Finishes the last vote of a crucible's log, should Redis have refused a part of it.
-- uses: logged
--
-- KEYS  1 crucible:{id}:elo; its companions in the same slot are reached by its tag
-- Answer: 1 if there was one, and it counts whole now, else 0
-- Guaranteed: doing it twice changes nothing.

return finish_logged(KEYS[1]) and 1 or 0
