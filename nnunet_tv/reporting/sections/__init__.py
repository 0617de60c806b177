"""The sections of the report, each made from a record alone."""
