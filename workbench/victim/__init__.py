"""Victims: networks that learn from what is published, and what they try against the noise."""
