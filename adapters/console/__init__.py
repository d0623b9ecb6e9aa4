"""The command line's surroundings: settings, and what is logged."""
