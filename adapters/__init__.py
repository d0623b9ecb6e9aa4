"""Chat and web, both ways. One folder a platform; none sees another, all see only `bot`."""
