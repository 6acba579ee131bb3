"""What a disruption budget keeps is told the same on the sandbox and on a real cluster: by its own counts, and by asking again."""

import threading

import pytest

from chaos.clock import RealClock, wait_until
from chaos.engine import rights
from chaos.injectors import eviction
from chaos.probes import evictions
from chaos.probes.dose import prove


@pytest.fixture
def budget(world, app):
    """A disruption budget over `web` that spares so many pods; counted."""
    made = []

    def put(spared):
        spec = {"maxUnavailable": spared, "selector": {"matchLabels": {"app": "web"}}}
        meta = {"name": "web", "namespace": app}
        world.cluster.create({"kind": "PodDisruptionBudget", "apiVersion": "policy/v1", "metadata": meta, "spec": spec})
        made.append("web")

        def counted():
            status = world.cluster.get("PodDisruptionBudget", "web", app).get("status", {})
            return (status.get("expectedPods"), status.get("disruptionsAllowed")) == (2, spared)

        assert wait_until(counted, clock=RealClock(), within=20.0)

    yield put
    for name in made:
        world.cluster.delete("PodDisruptionBudget", name, app)


@pytest.mark.parametrize("spared", [0, 1])
def test_what_a_budget_keeps_is_told_with_its_counts(world, app, aim, budget, spared):
    budget(spared)
    raw = {"kind": "eviction", "selector": {"app": "web"}, "percent": "100%", "patience": "0s"}
    state = eviction.prepare(eviction.Spec.model_validate(raw), aim)
    dose = eviction.dose(state)
    aim.world.cluster.given += rights.of_change(eviction, state, dose)
    eviction.start(state, aim.world)
    common = {"cluster": aim.world.cluster, "witness": None, "before": [], "clock": RealClock(), "stop": threading.Event()}
    (told,) = evictions.look(dose, aim.world.cluster, step="step", fault="eviction")
    assert spared or prove(dose, step="step", fault="eviction", **common).proved
    assert (told.budget, told.workloads, told.asked) == ("web", ["deployment/web"], 2)
    assert (told.stayed, told.refused) == (2, True) if spared == 0 else told.stayed <= 1  # the second may have had its turn
    assert (told.expected, told.needed) == (2, 2 - spared)
    kept = {pod["metadata"]["uid"] for pod in world.cluster.find("Pod", app) if "deletionTimestamp" not in pod["metadata"]}
    assert len(kept & {target.uid for target in state.targets}) == told.stayed, "asking again moves nobody"
