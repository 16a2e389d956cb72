"""Examples on the network's grid, cut into patches, augmented, in batches."""
