"""Scored rows to statistics, tables, figures and the HTML report."""
