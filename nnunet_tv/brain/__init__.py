"""Brain masks: one file per method, listed in the registry."""
