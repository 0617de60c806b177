"""A sweep of the weight of total variation: its curves and their knee."""
