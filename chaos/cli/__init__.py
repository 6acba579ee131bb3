"""One file a command; `main.py` turns what happens into an exit code. Commands import late: `--help` must be fast."""
