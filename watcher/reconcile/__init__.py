"""What no stream can tell: rows and counts that disagree, found by comparing the stores with each other."""
