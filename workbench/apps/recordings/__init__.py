"""People's own recordings: copies with noise, and whether voices can still be learnt from them."""
