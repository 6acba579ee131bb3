"""One module a fault: spec, prepare, start, dose, stop, verify. `table.py` lists them by hand."""
