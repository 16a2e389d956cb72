"""From examples to a plan, and the reason of each decision."""
