"""Brings the agents into the pods and gives them orders, through the API server alone: no exec, no volume, no rights of theirs.

Orders go through `pods/proxy` to a port of the agent, with a key that only this run's ledger and the pod know.
"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from chaos.clients.world import Obj, World
from chaos.clock import RealClock, wait_until
from chaos.errors import ClusterError, NotFound, NotReady
from chaos.injectors.helpers import POD_IP
from chaos.injectors.net_admin import NetState
from chaos.model.target import Target

READY_WITHIN = 60.0  # an image may have to be pulled first
_TOGETHER = 16
_FILES = ("netlink", "rules", "queue", "sockets", "agent")
_START = (
    "import json, os, sys, types\n"
    "for name, text in json.loads(os.environ['GAMEDAY_FILES']):\n"
    "    module = sys.modules[name] = types.ModuleType(name)\n"
    "    exec(compile(text, name, 'exec'), module.__dict__)\n"
    "module.main()\n"
)
_HOPELESS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError")


def arm(state: NetState, world: World) -> None:
    """An idle agent in every pod, each sure that it can do what will be asked; NotReady with its words where one cannot."""
    _everywhere(state, lambda target: _bring(state, target, world))
    _everywhere(state, lambda target: _order(state, target, world, "ready"))


def start(state: NetState, world: World) -> None:
    _everywhere(state, lambda target: _order(state, target, world, "strike"))


def stop(state: NetState, world: World) -> None:
    _everywhere(state, lambda target: _order_if_there(state, target, world, "calm"))


def disarm(state: NetState, world: World) -> None:
    _everywhere(state, lambda target: _order_if_there(state, target, world, "end"))


def verify(state: NetState, world: World) -> list[str]:
    """What the agents wrote down at their end, after reading the kernel's tables anew, as the API server gives it back."""
    return [words for target in state.targets if (words := _left_in(state, target, world))]


def _everywhere(state: NetState, act: Callable[[Target], None]) -> None:
    """In all pods together; the first trouble is raised when all are through."""
    with ThreadPoolExecutor(min(_TOGETHER, len(state.targets))) as pool:
        for done in [pool.submit(act, target) for target in state.targets]:
            done.result()


# -- the container -----------------------------------------------------------------------------------------------------


def _container(state: NetState) -> Obj:
    folder = Path(__file__).parent / "net_agent"
    files = [(f"chaos.injectors.net_agent.{name}", (folder / f"{name}.py").read_text()) for name in _FILES]
    return {
        "name": state.container,
        "image": state.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-u", "-c", _START],
        "env": [
            POD_IP,
            {"name": "GAMEDAY_RUN", "value": f"{state.run}/{state.step}"},
            {"name": "GAMEDAY_AGENT", "value": json.dumps(state.orders)},
            {"name": "GAMEDAY_FILES", "value": json.dumps(files)},
        ],
        "securityContext": {
            "runAsUser": 0,  # a capability that is added reaches no other user
            "runAsNonRoot": False,
            "privileged": False,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]},
        },
    }


def _bring(state: NetState, target: Target, world: World) -> None:
    pod = _pod(target, world)
    if pod is None:
        raise NotFound(f"pod/{target.name} is another one than planned, or gone: it is not struck")
    if _status(state, pod) is None:
        patch = {"metadata": {"uid": target.uid}, "spec": {"ephemeralContainers": [_container(state)]}}
        world.cluster.patch("Pod", target.name, target.namespace, patch, how="strategic", subresource="ephemeralcontainers")
    seen: dict[str, Any] = {}

    def decided() -> bool:
        nonlocal seen
        seen = _status(state, _pod(target, world) or {}) or {}
        waiting = seen.get("waiting", {}).get("reason", "")
        return "running" in seen or "terminated" in seen or waiting in _HOPELESS

    wait_until(decided, clock=RealClock(), within=READY_WITHIN, every=0.2)
    if "running" not in seen:
        raise NotReady(f"the agent in pod/{target.name} does not run: {_words(seen)}")
    if not wait_until(lambda: _answers(state, target, world), clock=RealClock(), within=READY_WITHIN / 2, every=0.2):
        raise NotReady(f"the agent in pod/{target.name} takes no orders on port {state.orders['admin_port']}")


def _pod(target: Target, world: World) -> Obj | None:
    """That very pod; None when it is gone, and with it its network and all that was in there."""
    try:
        pod = world.cluster.get("Pod", target.name, target.namespace)
    except NotFound:
        return None
    return pod if pod["metadata"]["uid"] == target.uid else None


def _status(state: NetState, pod: Obj) -> dict[str, Any] | None:
    """The state of our container (waiting, running or terminated); None when the pod has no such container."""
    if not any(each["name"] == state.container for each in pod.get("spec", {}).get("ephemeralContainers") or []):
        return None
    all_ = pod.get("status", {}).get("ephemeralContainerStatuses") or []
    found: dict[str, Any] = next((each.get("state") or {} for each in all_ if each["name"] == state.container), {})
    return found or {"waiting": {}}


def _words(status: dict[str, Any]) -> str:
    said = status.get("waiting") or status.get("terminated") or {}
    return f"{said.get('reason', '')} {said.get('message', '')}".strip() or "it was not started yet"


# -- orders ------------------------------------------------------------------------------------------------------------


def _answers(state: NetState, target: Target, world: World) -> bool:
    try:
        return _ask(state, target, world, "GET", "status")[0] == 200
    except ClusterError:
        return False


def _order(state: NetState, target: Target, world: World, order: str) -> None:
    status, answer = _ask(state, target, world, "POST", order)
    if status != 200:
        raise NotReady(f"pod/{target.name}: {answer}")


def _order_if_there(state: NetState, target: Target, world: World, order: str) -> None:
    """For undoing: no pod, no agent, or one that has ended or never began has nothing to undo."""
    pod = _pod(target, world)
    status = (_status(state, pod) if pod is not None else None) or {}
    if "running" in status:
        _order(state, target, world, order)
    elif order == "end" and "waiting" in status and status["waiting"].get("reason") not in _HOPELESS:
        raise NotReady(f"the agent in pod/{target.name} is only starting: it can be told to end once it runs")


def _ask(state: NetState, target: Target, world: World, method: str, order: str) -> tuple[int, str]:
    port, path = state.orders["admin_port"], f"{state.orders['key']}/{order}"
    status, body = world.cluster.pod_request(target.namespace, target.name, port, method, path)
    try:
        return status, str(json.loads(body).get("error", ""))
    except (ValueError, AttributeError):
        return status, body[:200].decode(errors="replace")


def _left_in(state: NetState, target: Target, world: World) -> str:
    try:
        pod = _pod(target, world)
    except ClusterError as error:
        return f"unknown: {error}"
    status = _status(state, pod) if pod is not None else None
    if status is None:
        return ""
    if "terminated" not in status:
        if status.get("waiting", {}).get("reason") in _HOPELESS:
            return ""  # it never began; should it ever, it waits idle for orders that nobody gives, and ends by itself
        return f"the agent in pod/{target.name} has not ended yet; it does so by itself, {_own_end(state)}"
    try:
        left = json.loads(status["terminated"].get("message") or "")["left"]
    except (ValueError, KeyError, TypeError):  # it was killed: its rules went with it, but nobody has looked after a queue
        left = ["perhaps our idle queue before the network device"] if state.orders["act"] == "delay" else []
    if left:
        with_it = f"kubectl delete pod -n {target.namespace} {target.name}"
        return f"in pod/{target.name}: {', '.join(left)}; it goes with the pod: {with_it}"
    return ""


def _own_end(state: NetState) -> str:
    return f"{state.orders['hold']:.0f} s after a strike, {state.orders['life'] / 3600:.0f} h after its start without one"
