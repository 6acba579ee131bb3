"""The self-test of the tool: each scenario on the shop with one weakness, and on the fixed one.

Weak, it must breach, and the finding must name the weakness from what was measured; fixed, it must hold.
"""

import pytest

from chaos.shop.pairs import PAIRS

pytestmark = [pytest.mark.scenarios, pytest.mark.timeout(400)]


HERE = [pair for pair in PAIRS if not pair.needs]
"""What the sandbox can show; the others are for a cluster."""


@pytest.mark.parametrize("scenario", list(dict.fromkeys(pair.scenario for pair in HERE)))
def test_fixed_it_holds(arena, scenario):
    arena.make()
    ran = arena.run(scenario)
    assert (ran.exit_code, ran.verdict["outcome"]) == (0, "held"), str(ran)


@pytest.mark.parametrize("pair", HERE, ids=lambda pair: f"{pair.scenario}-{pair.weakness}")
def test_weak_it_breaches_and_the_finding_names_the_weakness(arena, pair):
    arena.make(pair.weakness)
    ran = arena.run(pair.scenario)
    assert ran.exit_code == 1, str(ran)
    assert pair.tolerance in ran.breached, str(ran)
    assert pair.weakness in ran.causes, str(ran)
    assert ran.causes <= {pair.weakness, "unknown"}, str(ran)
