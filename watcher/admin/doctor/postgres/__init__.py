"""PostgreSQL's side of the doctor; one module a subject, and in each a function a check."""
