"""What a selector resolves to; frozen by UID, so that an undo can never aim at another object of the same name."""

from chaos.model.base import Record


class Target(Record):
    """One object that a fault will touch."""

    kind: str
    namespace: str = ""
    name: str
    uid: str = ""
    node: str = ""

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}" + (f" ({self.namespace})" if self.namespace else "")
