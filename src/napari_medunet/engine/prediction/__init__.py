"""A segmenter, its card and its file; a volume in, labels out, one by one, in folders, on a cluster."""
