"""`python -m chaos` is the `gameday` command."""

from chaos.cli.main import main

if __name__ == "__main__":
    main()
