"""Which types are the same, and which a split holds by value."""
