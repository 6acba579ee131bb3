"""The guard inside the cluster: a pod that puts everything back when the run has given no sign of life. A fitting.

It runs one stdlib-only program on a public Python image, with an account of its own that may do what the undo calls of this
run's changes need, by the names of the objects, and nothing else.
"""

import json
from pathlib import Path
from typing import Any, Literal

from chaos.clients.kinds import KINDS
from chaos.clients.world import Obj, World
from chaos.clock import RealClock, wait_until
from chaos.errors import Conflict, NotReady
from chaos.injectors import helpers
from chaos.injectors.base import LABEL_RUN, LABEL_STEP, Aim, FaultSpec, FaultState, Privilege, own_labels
from chaos.injectors.guard_rights import Rule, elsewhere, rules_for
from chaos.injectors.undoing import delete_own, put_back, still_changed
from chaos.model.dose import Dose
from chaos.model.run import Permission
from chaos.model.undo import Call
from chaos.probes.pods_ready import is_hopeless, is_ready, why_unready

PRIVILEGE: Privilege = "api"
PORT = 8472
_NOBODY = 65534
_FILES = {"program.py": "guard_program.py", "putting_back.py": "putting_back.py"}


class GuardSpec(FaultSpec):
    """What to guard, and for how long the run may be silent."""

    kind: Literal["guard"] = "guard"
    ttl: float
    ledger: str
    lease: str
    owner: str
    calls: list[Call] = []
    avoid: list[str] = []
    """Nodes that are struck: it must not be on one of them."""


class State(FaultState):
    """All that making it and taking it away needs."""

    name: str
    image: str
    ttl: float
    ledger: str
    lease: str
    owner: str
    rules: list[Rule]
    kinds: list[str]
    avoid: list[str] = []


Spec = GuardSpec


def prepare(spec: GuardSpec, aim: Aim) -> State:
    name = helpers.name_for("guard", aim.run)
    return State(
        namespace=aim.namespace,
        run=aim.run,
        step=aim.step,
        name=name,
        image=aim.images["python"],
        ttl=spec.ttl,
        ledger=spec.ledger,
        lease=spec.lease,
        owner=spec.owner,
        rules=rules_for(spec, aim.namespace, name),
        avoid=spec.avoid,
        kinds=sorted({"Lease", "ConfigMap", "Job", "Secret", "Role", "ClusterRole"} | {call.kind for call in spec.calls}),
    )


def permissions(state: State) -> list[Permission]:
    """To make it and to take it away. What it may do itself, the run may do: nobody can give away rights that he lacks."""
    space = state.namespace
    made = [("serviceaccounts", ""), ("configmaps", ""), ("deployments", "apps")]
    wanted = [_right("create", *kind, space, "inject") for kind in made]
    wanted += [_right(verb, *kind, space, "undo") for kind in made for verb in ("get", "delete")]
    wanted.append(_right("list", "pods", "", space, "observe"))
    for at in [space, *elsewhere(state.rules, space)]:
        for resource in ("roles", "rolebindings") if at else ("clusterroles", "clusterrolebindings"):
            group = "rbac.authorization.k8s.io"
            wanted.append(_right("create", resource, group, at, "inject"))
            wanted += [_right(verb, resource, group, at, "undo") for verb in ("get", "delete")]
    return wanted


def _right(verb: str, resource: str, group: str, namespace: str, use: Literal["inject", "undo", "observe"]) -> Permission:
    return Permission(verb=verb, resource=resource, group=group, namespace=namespace, use=use)


def undo_words(state: State) -> str:
    return f"delete our own deployment/{state.name} with its account, rights and program"


def undo_calls(state: State) -> list[Call]:
    """None: the guard goes with its owner when it has done its work, and must not begin with itself."""
    return []


def announce(state: State, world: World) -> None:
    """All of its objects are there, before anything that it guards is changed; the pod may still be starting."""
    cluster = world.cluster
    helpers.make(cluster, {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": _meta(state)})
    for space in [state.namespace, *elsewhere(state.rules, state.namespace)]:
        _make_rights(state, world, space)
    data = {name: Path(__file__).with_name(file).read_text(encoding="utf-8") for name, file in _FILES.items()}
    helpers.make(cluster, {"kind": "ConfigMap", "apiVersion": "v1", "metadata": _meta(state), "data": data})
    helpers.make(cluster, _deployment(state))


def start(state: State, world: World) -> None:
    """It is there, has read its ledger, and watches."""
    announce(state, world)
    pods: list[Obj] = []

    def watches() -> bool:
        pods[:] = world.cluster.find("Pod", state.namespace, labels={LABEL_RUN: state.run, LABEL_STEP: state.step})
        return any(map(is_ready, pods)) or any(map(is_hopeless, pods))

    wait_until(watches, clock=RealClock(), within=helpers.READY_WITHIN)
    if not any(map(is_ready, pods)):
        why = why_unready(pods[0]) if pods else "it has no pod"
        raise NotReady(f"the guard deployment/{state.name} does not watch: {why}; without one: --no-guard")


def _make_rights(state: State, world: World, space: str) -> None:
    """A role and its binding; where the guard's owner cannot reach, the binding goes with its role."""
    prefix = "" if space else "Cluster"
    meta: Obj = {"name": state.name, "labels": own_labels(state), **({"namespace": space} if space else {})}
    version = KINDS["Role"].api_version
    rules: list[dict[str, Any]] = [
        {"apiGroups": [rule.group], "resources": [rule.resource], "verbs": rule.verbs}
        | ({"resourceNames": rule.names} if rule.names else {})
        for rule in state.rules
        if rule.namespace == space
    ]
    role = {"kind": f"{prefix}Role", "apiVersion": version, "metadata": meta, "rules": rules}
    try:
        made = world.cluster.create(role)
    except Conflict:
        made = world.cluster.get(f"{prefix}Role", state.name, space)
    owner = {"apiVersion": version, "kind": f"{prefix}Role", "name": state.name, "uid": made["metadata"]["uid"]}
    binding = {
        "kind": f"{prefix}RoleBinding",
        "apiVersion": version,
        "metadata": {**meta, "ownerReferences": [owner]},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": f"{prefix}Role", "name": state.name},
        "subjects": [{"kind": "ServiceAccount", "name": state.name, "namespace": state.namespace}],
    }
    helpers.make(world.cluster, binding)


def stop(state: State, world: World) -> None:
    put_back(_own(state), world)


def verify(state: State, world: World) -> list[str]:
    return still_changed(_own(state), world)


def dose(state: State) -> Dose:
    return Dose(expect=[], words="nothing: the guard only watches")


def _own(state: State) -> list[Call]:
    """The pod first, so that it cannot act with half of its rights."""
    kinds = ("Deployment", "RoleBinding", "Role", "ServiceAccount", "ConfigMap")
    return [delete_own(state, kind, state.name) for kind in kinds] + _own_elsewhere(state)


def _own_elsewhere(state: State) -> list[Call]:
    return [
        delete_own(state, "Role" if space else "ClusterRole", state.name).model_copy(update={"namespace": space})
        for space in elsewhere(state.rules, state.namespace)
    ]


def _meta(state: State) -> Obj:
    return {"name": state.name, "namespace": state.namespace, "labels": own_labels(state)}


def _deployment(state: State) -> Obj:
    labels = own_labels(state)
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": _meta(state),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {LABEL_RUN: state.run, LABEL_STEP: state.step}},
            "template": {"metadata": {"labels": labels}, "spec": _pod_spec(state)},
        },
    }


def _pod_spec(state: State) -> Obj:
    gone = [
        {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
        for what in ("not-ready", "unreachable")
    ]
    return {
        "serviceAccountName": state.name,
        "terminationGracePeriodSeconds": 1,
        "enableServiceLinks": False,
        "tolerations": gone,
        **({"affinity": helpers.off_nodes(state.avoid)} if state.avoid else {}),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _NOBODY,
            "runAsGroup": _NOBODY,
            "fsGroup": _NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(state)],
        "volumes": [{"name": "program", "configMap": {"name": state.name}}],
    }


def _container(state: State) -> Obj:
    kinds = {kind: [KINDS[kind].api_version, KINDS[kind].plural, KINDS[kind].namespaced] for kind in state.kinds}
    env = {
        "GAMEDAY_PROGRAM": "guard",
        "RUN": state.run,
        "NAMESPACE": state.namespace,
        "LEDGER": state.ledger,
        "LEASE": state.lease,
        "OWNER": state.owner,
        "TTL": str(state.ttl),
        "PORT": str(PORT),
        "KINDS": json.dumps(kinds),
        "OWN": json.dumps([call.as_json() for call in _own_elsewhere(state)]),
    }
    return {
        "name": "guard",
        "image": state.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-u", "/gameday/program.py"],
        "env": [
            helpers.POD_IP,
            *({"name": name, "value": value} for name, value in env.items()),
        ],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "program", "mountPath": "/gameday", "readOnly": True}],
    }
