"""`python -m watcher` is the same as `crucible`."""

from watcher.cli import main

main()
