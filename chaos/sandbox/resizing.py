"""Resources of pods: their quality of service, and what the `resize` subresource lets change of them in place."""

from chaos.sandbox.kinds import KINDS
from chaos.sandbox.status import invalid
from chaos.sandbox.store import Obj

_RESIZABLE = ("cpu", "memory")
_CLASS = "Pod QOS Class may not change as a result of resizing"


def quality_of_service(spec: Obj) -> str:
    """Guaranteed, Burstable or BestEffort."""
    resources = [each.get("resources") or {} for each in spec.get("containers") or ()]
    if not any(part.get(key) for part in resources for key in ("requests", "limits")):
        return "BestEffort"
    equal = all(
        part.get("limits", {}).get(key) and part["limits"][key] == part.get("requests", {}).get(key)
        for part in resources
        for key in _RESIZABLE
    )
    return "Guaranteed" if equal else "Burstable"


def resized(old: Obj, new: Obj) -> Obj:
    """The pod with the CPU and memory of `new` and nothing else of it; 422 for what a real server does not resize."""
    name, wanted = old["metadata"]["name"], {each["name"]: each for each in new["spec"]["containers"]}
    containers = []
    for index, container in enumerate(old["spec"]["containers"]):
        before, after = container.get("resources") or {}, wanted.get(container["name"], {}).get("resources") or {}
        for part in ("limits", "requests"):
            kept, asked = before.get(part) or {}, after.get(part) or {}
            if any(key in kept and key not in asked for key in _RESIZABLE):
                field = f"spec.containers[{index}].resources.{part}"
                raise invalid(KINDS["Pod"], name, (field, f"Forbidden: resource {part} cannot be removed"))
        containers.append(container | {"resources": after})
    spec = old["spec"] | {"containers": containers}
    if (now := quality_of_service(spec)) != quality_of_service(old["spec"]):
        raise invalid(KINDS["Pod"], name, ("spec", f'Invalid value: "{now}": {_CLASS}'))
    return old | {"spec": spec}
