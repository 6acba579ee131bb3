"""How much several faults strike together: caps hold for all that is struck at the same time, not for each fault alone."""

from collections.abc import Iterator, Mapping, Sequence

from chaos.engine.prepared import Prepared
from chaos.engine.timeline import Scheduled
from chaos.errors import Problem
from chaos.model.caps import Caps
from chaos.story import Story


def too_many_nodes(timeline: Sequence[Scheduled], faults: Mapping[str, Prepared], story: Story) -> list[Problem | str]:
    """A problem for each step whose strike makes it more nodes at once than the caps allow, at its place in the file."""
    struck = [(each, nodes) for each in timeline if (nodes := _nodes(faults.get(each.step.id)))]
    found = []
    for each, own in struck:
        together = list(_holding(each, struck))
        nodes = own.union(*(others for _, others in together))
        if len(nodes) > story.caps.max_nodes:
            found.append(
                story.problem(each.step.id, _words(nodes, together, story.caps), _hint(len(nodes), apart=bool(together)))
            )
    return found


def _nodes(fault: Prepared | None) -> set[str]:
    return {target.name for target in fault.state.targets if target.kind == "Node"} if fault else set()


def _holding(each: Scheduled, struck: Sequence[tuple[Scheduled, set[str]]]) -> Iterator[tuple[str, set[str]]]:
    """The other steps that hold nodes when this one strikes; of those that strike at the same moment, the ones before it."""
    for other, nodes in struck:
        if other is each:
            return
        if other.start == each.start or each.start < other.end:
            yield other.step.id, nodes


def _words(nodes: set[str], together: Sequence[tuple[str, set[str]]], caps: Caps) -> str:
    others = ", ".join(step for step, _ in together)
    beside = f"together with step {others} " if others else ""
    return f"{beside}this would strike {len(nodes)} nodes at once ({', '.join(sorted(nodes))}), the cap is {caps.max_nodes}"


def _hint(nodes: int, *, apart: bool) -> str:
    raised = f"where that is meant: caps: {{nodes: {{value: {nodes}, because: ...}}}}"
    return f"let one end before the other begins; {raised}" if apart else raised
