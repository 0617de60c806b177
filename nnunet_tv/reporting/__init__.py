"""Statistics, tables, figures and the HTML report, from scored rows."""
