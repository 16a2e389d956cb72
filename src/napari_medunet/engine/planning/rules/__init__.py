"""Rules by subject: one function for each decision of a plan, which returns its choice and why.

Their numbers stand at the top of each module. What the user has set goes before every rule.
"""
