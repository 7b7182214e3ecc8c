"""Buzz, the site's money: one port, the site's service behind it or a ledger in PostgreSQL."""
