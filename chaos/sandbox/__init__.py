"""The embedded stand-in cluster: a process of its own that speaks enough of the Kubernetes API over loopback.

Nothing imports it but the command line and tests, and it imports nothing of the rest but `chaos.errors`.
"""
