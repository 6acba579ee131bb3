"""Rival explanations why a disruption budget declined every eviction, from the budget's own counts."""

from chaos.evaluation.evictions import Asked
from chaos.evaluation.hypotheses import Case


def cases(asked: Asked) -> list[Case]:
    """Each explanation with what speaks for it and against it."""
    return [_allows_none(asked), _short_of_pods(asked)]


def _allows_none(asked: Asked) -> Case:
    """Even with every pod healthy there would be none to spare."""
    case, seen = Case("pdb-allows-none"), asked.last
    if not seen.expected:
        return case
    if seen.needed >= seen.expected:
        spare = f"disruption budget {seen.budget} insists on {seen.needed} healthy pods of {seen.expected} that there should be"
        case.speaks(0.9, f"{spare}: with every pod healthy none may leave")
    else:
        spared = seen.expected - seen.needed
        case.objects(0.5, f"with all {seen.expected} pods healthy disruption budget {seen.budget} would let {spared} leave")
    return case


def _short_of_pods(asked: Asked) -> Case:
    """It would spare some, but too few were healthy."""
    case, seen = Case("pdb-short-of-pods"), asked.last
    if not seen.expected:
        return case
    if seen.healthy < seen.expected and seen.healthy <= seen.needed < seen.expected:
        words = f"{seen.healthy} of {seen.expected} pods were healthy, and disruption budget {seen.budget} insists on"
        case.speaks(0.9, f"{words} {seen.needed}")
    elif seen.healthy >= seen.expected:
        case.objects(0.5, f"{seen.healthy} of {seen.expected} pods were healthy")
    return case
