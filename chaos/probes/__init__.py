"""One module a probe: one reading of the world -> one sample. `table.py` lists them by hand."""
