"""The server, and what stands before every route: bounds, guard, limits, problems."""
