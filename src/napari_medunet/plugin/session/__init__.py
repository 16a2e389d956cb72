"""What the widgets of one viewer share: jobs, segmenters, and what is asked when it closes."""
