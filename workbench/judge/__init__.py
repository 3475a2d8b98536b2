"""Whether data can still be learnt from: originals and the copies that any tool made of them, in two folders."""
