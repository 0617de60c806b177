"""Tools of all rooms: atomic files, parallel cases, errors, HTML."""
