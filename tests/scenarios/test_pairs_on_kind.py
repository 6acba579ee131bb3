"""The same pairs on a real cluster: what the sandbox shows must be true there as well."""

import pytest

from chaos.shop.pairs import PAIRS

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.scenario}-{pair.weakness}")
def test_weak_it_breaches_for_this_weakness_and_fixed_it_holds(arena_on_kind, pair):
    arena_on_kind.make(pair.weakness)
    ran = arena_on_kind.run(pair.scenario)
    assert ran.exit_code == 1, str(ran)
    assert pair.tolerance in ran.breached, str(ran)
    assert pair.weakness in ran.causes, str(ran)
    assert ran.causes <= {pair.weakness, "unknown"}, str(ran)
    arena_on_kind.make()
    ran = arena_on_kind.run(pair.scenario)
    assert (ran.exit_code, ran.verdict["outcome"]) == (0, "held"), str(ran)
