"""What every room needs: atomic files, parallel cases, errors, HTML."""
