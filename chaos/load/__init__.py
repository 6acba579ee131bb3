"""Load: Locust in a child process, what it measured second by second, and what became of its transactions."""
