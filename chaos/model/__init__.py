"""Frozen data without effects: what the rest of the package passes around, writes down and reads back."""
