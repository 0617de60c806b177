"""Shared tools: atomic files, parallel cases, the case store, errors, HTML."""
