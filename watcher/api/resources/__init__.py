"""One file a resource: its routes, what they take and answer, and how they are carried out."""
