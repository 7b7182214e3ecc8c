"""Tables that were there before the watcher: each row counted, page by page."""
