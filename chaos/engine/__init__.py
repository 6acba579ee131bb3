"""Runs a story: plans it, strikes on cue, proves the dose, puts everything back, and writes down what happened."""
