-- has_opt_outs --
-- A site may have no such table: then nobody has switched anything off.
SELECT to_regclass('public."UserNotificationSettings"') IS NOT NULL

-- opted_out --
-- Those of some users who have switched notifications of a type off.
SELECT DISTINCT "userId" FROM public."UserNotificationSettings" WHERE type = %s AND "userId" = ANY(%s)
