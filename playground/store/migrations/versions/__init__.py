"""One file a step; the newest is the head."""
