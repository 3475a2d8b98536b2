"""Applications on top of everything; nothing imports them but the command line."""
