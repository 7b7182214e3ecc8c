"""What resources answer from: crucibles, entries, images, pairs and standings, live or stored. Nothing here is HTTP."""
