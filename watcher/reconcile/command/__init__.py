"""One run of `crucible reconcile`: what it found, where it stands, and who learns of it."""
