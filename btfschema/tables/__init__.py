"""Columns: a container's records and strings as arrays, and what is done to them at once."""
