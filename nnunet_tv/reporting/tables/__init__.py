"""Scored rows to tables: one table type, and a module for each kind of table."""
