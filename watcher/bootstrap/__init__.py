"""The composition root: makes clients from settings and puts the roles together, here and nowhere else."""
