"""What users are told, through one port: the site's notification service behind it, or a table in PostgreSQL."""
