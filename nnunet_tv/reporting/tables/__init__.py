"""Tables from scored rows: one table type, and a module for each kind of table."""
