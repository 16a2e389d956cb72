"""Rules by subject: one function for each decision of a plan, which returns its choice and why.

Their numbers stand at the top of each module. What the user has set goes before every rule. The body of a
rule's docstring says the rule to users, too: `docs/rules.py` copies it into the table of
`docs/training.md`, with the values of the constants in place of their names.
"""
