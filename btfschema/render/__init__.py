"""Turn containers into text for people and programs."""
