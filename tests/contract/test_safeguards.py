"""What keeps a run safe when its machine is gone works on the sandbox and on a real cluster alike."""

from dataclasses import replace

import pytest

from chaos.clock import RealClock, wait_until
from chaos.engine import cluster_ledger, guarding
from chaos.engine.arming import arm, withdraw
from chaos.engine.change import Change, Tools
from chaos.engine.lease import LeaseLost
from chaos.engine.prepared import Prepared
from chaos.engine.recovery import recover
from chaos.engine.safeguards import Safeguards
from chaos.engine.stopping import StopFlag
from chaos.errors import NotFound, NotReady
from chaos.injectors.base import own_labels
from chaos.injectors.table import FITTINGS, INJECTORS
from chaos.ledger import Ledger, LedgerHeader, ledger_folder

pytestmark = pytest.mark.timeout(150)
CLOCK = RealClock()
TTL = 5.0
SCALE = [{"kind": "scale-to-zero", "deployment": "web", "to": 1}]
LATENCY = [{"kind": "latency", "service": "web", "latency": "200ms"}]


class Deaf:
    """A recorder that keeps nothing."""

    def tell(self, payload, *, source="engine"):
        pass


class Machine:
    """A machine that runs a story: its changes, its safeguards, and the plug that can be pulled."""

    def __init__(self, world, aim, folder, *, ttl=TTL, guard=True, faults=SCALE):
        self.world, self.aim = world, aim
        self.changes = [self._fault(f"{aim.step}-{number}", raw) for number, raw in enumerate(faults)]
        if guard:
            fitting = FITTINGS["guard"]
            spec = fitting.Spec(**guarding.over(self.changes, aim.run, ttl))
            self.changes.append(
                Prepared(
                    step="guard",
                    kind="guard",
                    module=fitting,
                    state=fitting.prepare(spec, replace(aim, step="guard")),
                    fitting=True,
                )
            )
        environment = world.cluster.environment
        self.header = LedgerHeader(
            run=aim.run, scenario="s", environment=environment, started="2026-01-05T09:00:00", namespace=aim.namespace, ttl=ttl
        )
        self.stop = StopFlag()
        self.safe = Safeguards(world, self.header, self.stop)
        self.ledger = Ledger(ledger_folder(folder) / f"{aim.run}.ledger", self.header)
        self.ledger.mirror(self.safe.tell)
        tools = Tools(
            making=self.safe.making,
            undoing=self.safe.undoing,
            recorder=Deaf(),
            ledger=self.ledger,
            clock=CLOCK,
            stop=self.stop,
            patience=self.safe.patience,
        )
        self.made = [Change(each, tools) for each in self.changes]

    def _fault(self, step, raw):
        module = INJECTORS[raw["kind"]]
        state = module.prepare(module.Spec.model_validate(raw), replace(self.aim, step=step))
        return Prepared(step=step, kind=raw["kind"], module=module, state=state)


@pytest.fixture
def machine(world, aim, tmp_path):
    made = []

    def make(**options):
        made.append(Machine(world, aim, tmp_path, **options))
        return made[-1]

    yield make
    for each in made:
        for contents in cluster_ledger.read_all(world.cluster, aim.namespace):
            recover(contents, lambda _: world)
        each.ledger.close(clean=True)


def replicas(world, aim):
    return world.cluster.get("Deployment", "web", aim.namespace)["spec"]["replicas"]


def ours(world, aim):
    """All that a run has made, but what is on its way out."""
    kinds = ("Deployment", "ConfigMap", "Job", "Lease", "ServiceAccount", "Role", "RoleBinding", "Pod", "Secret")
    found = [
        (kind, obj) for kind in kinds for obj in world.cluster.find(kind, aim.namespace, labels={"gameday.dev/run": aim.run})
    ]
    return [f"{kind}/{obj['metadata']['name']}" for kind, obj in found if "deletionTimestamp" not in obj["metadata"]]


def test_a_run_that_ends_well_leaves_nothing(machine, world, aim):
    here = machine()
    with here.safe.over(here.changes):
        assert arm(here.made)
        assert here.made[0].strike()
        assert replicas(world, aim) == 1
        withdraw(here.made)
        assert here.safe.end(clean=True) == ""
    assert [change.left_over for change in here.made] == ["", ""]
    assert replicas(world, aim) == 2
    assert wait_until(lambda: not ours(world, aim), clock=CLOCK, within=15.0), ours(world, aim)


def test_silence_makes_the_guard_put_everything_back_and_the_stalled_run_writes_nothing_more(machine, world, aim):
    here = machine()
    with here.safe.over(here.changes):
        assert arm(here.made), [change.failed for change in here.made]
        assert here.made[0].strike()
    silent = CLOCK.now()  # the heart has stopped, as with its machine
    assert wait_until(lambda: replicas(world, aim) == 2, clock=CLOCK, within=60.0)
    assert TTL - 3.0 <= CLOCK.now() - silent <= TTL + 5.0
    with pytest.raises(LeaseLost, match="the guard has taken over"):
        here.safe.undoing.cluster.patch("Deployment", "web", aim.namespace, {"spec": {"replicas": 1}})
    here.made[0].withdraw()  # can only look, and sees that it is back
    assert here.made[0].left_over == ""
    told = wait_until(lambda: here.safe.ledger.record().get("entries") == {"step-0": "", "guard": ""}, clock=CLOCK, within=15.0)
    assert told, here.safe.ledger.record()
    left = {f"ConfigMap/{cluster_ledger.ledger_name(aim.run)}", "Lease/gameday-run"}
    assert wait_until(lambda: set(ours(world, aim)) == left, clock=CLOCK, within=30.0), ours(world, aim)
    (contents,) = cluster_ledger.read_all(world.cluster, aim.namespace)
    assert {(result.fault, result.state) for result in recover(contents, lambda _: world)} >= {("scale-to-zero", "clean")}
    assert ours(world, aim) == []


def test_what_stood_in_a_path_goes_after_the_path_leads_past_it(machine, world, aim):
    """The proxy belongs to no deadline: taking it away while the Service still leads to it would be an outage."""
    here = machine(faults=LATENCY)
    before = world.cluster.get("Service", "web", aim.namespace)["spec"]["selector"]
    with here.safe.over(here.changes):
        assert arm(here.made), [change.failed for change in here.made]
        assert here.made[0].strike()
        assert world.cluster.get("Service", "web", aim.namespace)["spec"]["selector"] != before
    proxy = here.changes[0].state.proxy

    def is_back():
        there = [each["metadata"]["name"] for each in world.cluster.find("Deployment", aim.namespace)]
        selects = world.cluster.get("Service", "web", aim.namespace)["spec"]["selector"]
        assert proxy in there or selects == before, "the Service leads to a proxy that is gone"
        return proxy not in there

    assert wait_until(is_back, clock=CLOCK, within=60.0)
    assert wait_until(lambda: here.safe.ledger.record().get("entries", {}).get("step-0") == "", clock=CLOCK, within=15.0)


def test_what_somebody_else_changed_meanwhile_the_guard_leaves_alone_and_says_so(machine, world, aim):
    here = machine()
    with here.safe.over(here.changes):
        assert arm(here.made)
        assert here.made[0].strike()
    world.cluster.patch("Deployment", "web", aim.namespace, {"spec": {"replicas": 3}})
    words = ""

    def told():
        nonlocal words
        words = here.safe.ledger.record().get("entries", {}).get("step-0", "")
        return bool(words)

    assert wait_until(told, clock=CLOCK, within=60.0)
    assert "somebody else" in words
    assert replicas(world, aim) == 3
    (contents,) = cluster_ledger.read_all(world.cluster, aim.namespace)
    assert contents.open
    world.cluster.patch("Deployment", "web", aim.namespace, {"spec": {"replicas": 2}})


def test_without_a_guard_what_is_made_goes_with_its_owner(machine, world, aim):
    here = machine(guard=False, ttl=0.0)
    state = here.changes[0].state
    only_makes = replace(here.changes[0], module=INJECTORS["pod-kill"])
    meta = {"name": "made", "namespace": aim.namespace, "labels": own_labels(state)}
    here.safe._owner._life = TTL
    with here.safe.over(here.changes):
        here.safe.making(only_makes).cluster.create({"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": {}})
        assert world.cluster.get("ConfigMap", "made", aim.namespace)
    silent = CLOCK.now()

    def gone():
        try:
            return "deletionTimestamp" in world.cluster.get("ConfigMap", "made", aim.namespace)["metadata"]
        except NotFound:
            return True

    assert wait_until(gone, clock=CLOCK, within=60.0)
    assert CLOCK.now() - silent <= TTL + 5.0


def test_a_second_run_in_the_namespace_is_refused_with_the_facts(machine, world, aim):
    first = machine(guard=False)
    with first.safe.over(first.changes):
        second = Safeguards(world, first.header.model_copy(update={"run": "another"}), StopFlag())
        with pytest.raises(NotReady, match=f"run {aim.run} is at work"), second.over(first.changes):
            pass
        assert f"ConfigMap/{cluster_ledger.ledger_name(aim.run)}" in ours(world, aim), "the first one's are untouched"
        first.safe.end(clean=True)
