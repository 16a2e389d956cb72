"""What training takes: an image, its labels, and which voxels count."""
