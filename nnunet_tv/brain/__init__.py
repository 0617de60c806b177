"""Brain masks: one file per method, listed in a registry."""
