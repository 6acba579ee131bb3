"""The ledger's copy in the cluster: what the guard acts upon, and any colleague's `recover` from any machine.

One ConfigMap a run in the namespace that it strikes, with every change that the run may make and the calls that undo it; it
is there before the first of them. What does not fit into one goes into parts beside it. It is deleted when all is clean, and
until then owns what must stay while a change leads through it. Prior bytes of Secrets are never in it: undo Secrets keep those.
"""

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from chaos.clients.world import Cluster, Obj
from chaos.engine.owner import reference_to
from chaos.errors import Conflict, NotFound, NotReady
from chaos.injectors.base import LABEL_RUN, LABEL_UNDO, OWN_LABEL
from chaos.injectors.guard_rights import MOST_PARTS
from chaos.injectors.helpers import name_for
from chaos.ledger import Contents, Edge, Entry, LedgerHeader
from chaos.model.base import Record
from chaos.model.undo import Call

LABEL_LEDGER = "gameday.dev/ledger"
"""`part` or `head`: the head is made last and says how many parts there are."""
_PART = 600_000  # bytes of a ConfigMap, which may have 1 MiB


class Mirrored(Record):
    """One change with the calls that undo it."""

    entry: Entry
    calls: list[Call] = []
    nothing_stays: bool = False  # of its own accord, or with its owner: there is nothing to put back


def ledger_name(run: str) -> str:
    return name_for("ledger", run)


class ClusterLedger:
    """Writes one run's copy: all changes at once, then how far each has come."""

    def __init__(self, cluster: Cluster, header: LedgerHeader) -> None:
        self._cluster = cluster
        self._header = header
        self._edges: dict[str, Edge] = {}
        self._written: dict[str, Edge] = {}
        self._lock = threading.Lock()
        self.begun = False
        """Whether something of it may be in the cluster."""
        self.reference: Obj = {}
        self._version = ""  # of the head, as we left it

    def make(self, changes: Sequence[Mirrored]) -> None:
        """Write down all that may be changed. Only when this has returned may anything be."""
        self.begun = True
        text = json.dumps([each.model_dump(mode="json") for each in changes], separators=(",", ":"))
        pieces = [text[at : at + _PART] for at in range(0, len(text), _PART)]  # JSON is ASCII here: characters are bytes
        if len(pieces) - 1 > MOST_PARTS:
            raise NotReady(f"this run may change so much that its ledger would take {len(text) // 2**20} MiB: split it")
        for number, piece in enumerate(pieces[1:], start=1):
            self._create(f"{ledger_name(self._header.run)}-{number}", "part", {"entries": piece})
        public = self._header.model_copy(update={"kubeconfig": "", "context": "", "folder": ""})  # nothing of this machine
        data = {
            "header": public.model_dump_json(),
            "entries": pieces[0],
            "parts": str(len(pieces) - 1),
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "edges": "{}",
        }
        head = self._create(ledger_name(self._header.run), "head", data)
        self.reference, self._version = reference_to(head), head["metadata"]["resourceVersion"]

    def _create(self, name: str, what: str, data: dict[str, str]) -> Obj:
        labels = {**OWN_LABEL, LABEL_RUN: self._header.run, LABEL_LEDGER: what, LABEL_UNDO: "true"}
        meta = {"name": name, "namespace": self._header.namespace, "labels": labels}
        obj = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": data}
        try:
            return self._cluster.create(obj)
        except Conflict:  # a first try whose answer was lost
            return self._cluster.patch("ConfigMap", name, self._header.namespace, {"data": data})

    def tell(self, record: Record) -> None:
        """How far a change has come; `flush` writes it. Whoever reads takes every change for one that may have been made."""
        if isinstance(record, Entry):
            with self._lock:
                self._edges[record.id] = record.edge

    def flush(self) -> None:
        """Write how far things have come, unless the guard has begun to put them back: from then on it is the guard's."""
        with self._lock:
            edges = dict(self._edges)
        if edges == self._written or not self.reference:
            return
        try:
            self._write(edges)
        except Conflict:
            head = self._head()
            if "record" in head["data"]:
                return
            self._version = head["metadata"]["resourceVersion"]  # an answer of ours was lost
            self._write(edges)
        self._written = edges

    def _write(self, edges: Mapping[str, Edge]) -> None:
        """Only if nobody has written since: a request that was held up for long must not come after the guard's."""
        patch = {"metadata": {"resourceVersion": self._version}, "data": {"edges": json.dumps(edges)}}
        written = self._cluster.patch("ConfigMap", ledger_name(self._header.run), self._header.namespace, patch)
        self._version = written["metadata"]["resourceVersion"]

    def _head(self) -> Obj:
        return self._cluster.get("ConfigMap", ledger_name(self._header.run), self._header.namespace)

    def record(self) -> dict[str, Any]:
        """What the guard says that it found and did; {} while it did nothing."""
        return dict(json.loads(self._head()["data"].get("record", "{}")))


def forget(cluster: Cluster, namespace: str, run: str) -> None:
    """Delete it: all is clean. The head goes first: without it the parts mean nothing."""
    for what in ("head", "part"):
        for each in cluster.find("ConfigMap", namespace, labels={LABEL_RUN: run, LABEL_LEDGER: what}):
            try:
                cluster.delete("ConfigMap", each["metadata"]["name"], namespace, uid=each["metadata"]["uid"])
            except NotFound:
                continue


def read_all(cluster: Cluster, namespace: str = "") -> list[Contents]:
    """Every run that left its ledger in the cluster ("" = in any namespace), the newest first."""
    heads = cluster.find("ConfigMap", namespace, labels={LABEL_LEDGER: "head"})
    return sorted((_contents(cluster, head) for head in heads), key=lambda each: each.header.started, reverse=True)


def _contents(cluster: Cluster, head: Obj) -> Contents:
    data, space = head["data"], head["metadata"]["namespace"]
    header = LedgerHeader.model_validate_json(data["header"])
    try:
        names = [f"{head['metadata']['name']}-{number}" for number in range(1, int(data["parts"]) + 1)]
        parts = [cluster.get("ConfigMap", name, space)["data"]["entries"] for name in names]
        text = "".join([data["entries"], *parts])
        if hashlib.sha256(text.encode()).hexdigest() != data["sha256"]:
            raise ValueError("it does not match its checksum")
        edges = {**json.loads(data["edges"]), **_verified_by_guard(data)}
        entries = [Mirrored.model_validate(each).entry for each in json.loads(text)]
    except (KeyError, ValueError, NotFound) as error:
        return Contents(header=header, corrupt=f"configmap/{head['metadata']['name']} in {space}: {error}")
    return Contents(header=header, entries=[each.model_copy(update={"edge": edges.get(each.id, "intent")}) for each in entries])


def _verified_by_guard(data: dict[str, str]) -> dict[str, Edge]:
    told = json.loads(data.get("record", "{}")).get("entries", {})
    return {name: "verified" for name, words in told.items() if words == ""}


__all__ = ["ClusterLedger", "Mirrored", "forget", "ledger_name", "read_all"]
