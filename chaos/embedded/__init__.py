"""The embedded stand-in cluster: a program of its own that speaks enough of the Kubernetes API over loopback.

Pods are local processes on loopback addresses of their own. Where it differs from a real cluster the sandbox is wrong.
"""
