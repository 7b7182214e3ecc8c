"""Dead letters taken again once their cause is mended: each change counted once, each letter's story in one place."""
