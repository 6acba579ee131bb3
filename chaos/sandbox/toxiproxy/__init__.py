"""An embedded Toxiproxy: the HTTP API and the toxics of Toxiproxy 2.12 on asyncio, from the standard library alone.

It stands in for the real `toxiproxy-server` where there is none: in the sandbox's pods, and in tests; contract tests run
the same assertions on both. Known differences: byte counters move as bytes pass (the real ones move when a connection
ends), an upstream that does not answer holds up nobody else, and the texts of JSON errors are Python's.
"""
