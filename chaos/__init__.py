"""A chaos engineering and game-day runner: scenarios in, verdicts and roadmap items out."""

__version__ = "0.1.0"
