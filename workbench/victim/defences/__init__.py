"""Defences, one file per family. Their names, arguments and sources are in the catalogue."""
