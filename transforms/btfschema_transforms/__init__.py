"""The passes that btfschema ships, as the first plug-in package."""
