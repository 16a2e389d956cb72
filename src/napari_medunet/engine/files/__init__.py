"""Volumes and tables of label names, from disk and back."""
