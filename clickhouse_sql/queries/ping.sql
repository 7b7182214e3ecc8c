-- ping --
-- Whether the server answers, and knows us.
SELECT 1
