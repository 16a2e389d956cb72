"""Predictions against the truth: metrics of a case, summaries of many, comparisons, a report."""
