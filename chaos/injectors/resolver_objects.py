"""The objects of our resolver: its program in a ConfigMap, and a StatefulSet of one, so that its pod's name is known.

Deleted, the pod goes on answering for a while: whoever is still on the way back to the cluster's own nameserver needs it.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from chaos.clients.world import Obj
from chaos.injectors import helpers
from chaos.injectors.base import own_labels

if TYPE_CHECKING:
    from chaos.injectors.dns_failure import State

MARK = "gameday.dev/resolver"
"""Label of a template whose pods ask our resolver."""
DNS_PORT, ADMIN_PORT = 53, 8472
_FILES = {"program.py": "resolver_program.py", "witness_wire.py": "witness_wire.py"}
_ENDS_WITHIN = 60  # seconds; a little more than it lingers


def config(state: "State") -> Obj:
    here = Path(__file__).parent
    meta = {"name": state.resolver, "namespace": state.namespace, "labels": own_labels(state)}
    data = {key: (here / name).read_text(encoding="utf-8") for key, name in _FILES.items()}
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": data}


def stateful_set(state: "State") -> Obj:
    """One pod without any rights in the cluster, which may open port 53 although it is nobody special."""
    pod = helpers.program_pod(
        state,
        state.resolver,
        image=state.image,
        program="resolver",
        port=ADMIN_PORT,
        env={"NAMESPACE": state.namespace},
    )
    spec = {key: value for key, value in pod["spec"].items() if key not in ("activeDeadlineSeconds", "restartPolicy")}
    sysctls = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    spec |= {
        "terminationGracePeriodSeconds": _ENDS_WITHIN,
        "securityContext": {**spec["securityContext"], "sysctls": sysctls},
        "dnsPolicy": "ClusterFirst",
    }
    labels = {**pod["metadata"]["labels"], "gameday.dev/program": state.resolver}
    return {
        "kind": "StatefulSet",
        "apiVersion": "apps/v1",
        "metadata": {"name": state.resolver, "namespace": state.namespace, "labels": own_labels(state)},
        "spec": {
            "replicas": 1,
            "serviceName": state.resolver,
            "selector": {"matchLabels": {"gameday.dev/program": state.resolver}},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
