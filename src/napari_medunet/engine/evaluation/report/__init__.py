"""The scores of many cases as JSON, as tables of a comparison, and as a report in HTML."""
