"""Reads the witness pod's readings, through the API server, so that no port need be open to us."""

import json
from typing import Any

from chaos.clients.world import Cluster
from chaos.errors import NotReady

PORT = 8470


class Witness:
    """The readings of one witness pod. An unreachable witness gives none, and `trouble` says why."""

    def __init__(self, cluster: Cluster, namespace: str, pod: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._pod = pod
        self.trouble = ""

    def readings(self, since: int) -> list[dict[str, Any]]:
        """All kept readings with a number above `since`, oldest first."""
        try:
            status, body = self._cluster.pod_request(self._namespace, self._pod, PORT, "GET", f"/readings?since={since}")
            if status != 200:
                raise NotReady(f"the witness answered {status}")
            found: list[dict[str, Any]] = json.loads(body)
        except (NotReady, ValueError) as error:
            self.trouble = str(error)
            return []
        self.trouble = ""
        return found
