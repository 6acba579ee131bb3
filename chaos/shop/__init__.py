"""The sample: a small shop whose weaknesses can be switched on one by one; it imports nothing of the rest of `chaos`."""
