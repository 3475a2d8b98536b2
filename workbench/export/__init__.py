"""Export: protected samples as files, and the check of such files."""
