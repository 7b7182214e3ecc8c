"""Who asks: bearer tokens, the keys that sign them, and what the site says of a user."""
