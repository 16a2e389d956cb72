"""Forms, tables and plots that several widgets are built from."""
