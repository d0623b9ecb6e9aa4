"""The catalogues: one module a language, the same keys and the same places in each (a test holds them together)."""
