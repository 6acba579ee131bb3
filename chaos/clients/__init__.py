"""The only importers of kubernetes, docker, toxiproxy and httpx: each call has a timeout, each error is one of ours."""
