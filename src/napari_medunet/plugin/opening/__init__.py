"""From a file to a layer, and back."""
