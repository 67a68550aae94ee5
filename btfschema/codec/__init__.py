"""Bytes to tables and back: the header, where records start, and the two engines."""
