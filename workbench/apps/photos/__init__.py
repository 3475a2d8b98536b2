"""People's own files: read, protected, written and looked at."""
