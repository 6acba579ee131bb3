"""The safety lever of a cluster: while the ConfigMap `gameday-safety-lever` exists in `kube-public`, no run strikes there.

New runs refuse, running ones put everything back, from whatever machine they were started. That it exists is all it
says, so that anybody can pull it with kubectl alone. `kube-public` is there on every cluster, outlives every namespace
that is struck, and is meant for what everybody may read.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from chaos.clients.world import Cluster
from chaos.engine.place import Place
from chaos.engine.stopping import StopFlag
from chaos.errors import Conflict, Forbidden, NotFound, NotReady
from chaos.model.run import Permission

NAME, NAMESPACE = "gameday-safety-lever", "kube-public"
PERMISSION = Permission(verb="get", resource="configmaps", namespace=NAMESPACE, name=NAME, use="observe")
LOOK_EVERY = 0.5
"""Seconds between two looks of a running run."""


def engaged(cluster: Cluster) -> str:
    """Who engaged the lever and why, in words; "" while it is not."""
    try:
        data = cluster.get("ConfigMap", NAME, NAMESPACE).get("data") or {}
    except NotFound:
        return ""
    except Forbidden as error:
        raise NotReady(
            f"we may not read configmap {NAME} in {NAMESPACE}, so nobody could stop a run by it; nothing was touched ({error})"
        ) from error
    told = [f"by {data['by']}" if data.get("by") else "", f"at {data['since']}" if data.get("since") else ""]
    words = " ".join(["engaged", *filter(None, told)])
    return f"{words}: {data['because']}" if data.get("because") else words


def refuse(place: Place) -> None:
    """NotReady while the lever is engaged. Reads only."""
    if place.world is not None and (words := engaged(place.world.cluster)):
        raise NotReady(
            f"the safety lever of {place.environment.name} is {words}; nothing was touched. "
            f"Whoever may: gameday stop --lever off --on {place.environment.name}"
        )


@contextmanager
def obeyed(place: Place, stop: StopFlag) -> Iterator[None]:
    """Within, engaging the lever sets the flag in at most a second."""
    if place.world is None:
        yield
        return
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(place.world.cluster, stop, over), name="safety lever", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _watch(cluster: Cluster, stop: StopFlag, over: threading.Event) -> None:
    while not over.wait(LOOK_EVERY):
        try:
            words = engaged(cluster)
        except NotReady:
            continue  # the API server fails just now: the lease, not the lever, says for how long that may be
        if words:
            stop.request("kill-switch", f"the safety lever is {words}")
            return


def engage(cluster: Cluster, *, by: str, since: str, because: str) -> bool:
    """Engage it; false when it was engaged already (then it says what it said before)."""
    meta = {"name": NAME, "namespace": NAMESPACE, "labels": {"app.kubernetes.io/managed-by": "gameday"}}
    data = {"by": by, "since": since, "because": because}
    try:
        cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
    except Conflict:
        return False
    return True


def release(cluster: Cluster) -> bool:
    """Release it; false when it was not engaged."""
    try:
        cluster.delete("ConfigMap", NAME, NAMESPACE)
    except NotFound:
        return False
    return True
