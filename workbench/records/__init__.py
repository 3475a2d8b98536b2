"""Records: what a run says of itself, and the tidy table of results."""
