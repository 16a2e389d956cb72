"""Examples on the network's grid, cut into patches, varied, in batches."""
