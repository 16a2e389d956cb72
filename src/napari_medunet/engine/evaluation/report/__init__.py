"""What is said of many cases: JSON, tables of a comparison, and the report in HTML."""
