"""Data: labelled samples as integers, and where they come from."""
