"""Files that may be foreign or half-written: read with care, written whole."""
