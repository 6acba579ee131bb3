"""The closed table of what the sandbox's API serves; discovery, routing and access reviews all answer from it."""

from dataclasses import dataclass

READ = ("get", "list", "watch")
ALL = ("create", "delete", "deletecollection", *READ, "patch", "update")


@dataclass(frozen=True)
class Resource:
    """One kind: where it lives in the API, what it may be called, and which verbs and subresources it has."""

    kind: str
    plural: str
    api_version: str = "v1"
    short: tuple[str, ...] = ()
    namespaced: bool = True
    verbs: tuple[str, ...] = ALL
    subresources: tuple[str, ...] = ()
    in_all: bool = False  # part of `kubectl get all`
    must_name_version: bool = False  # a replace without resourceVersion is refused

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def full_name(self) -> str:
        """`deployments.apps`, as error messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def full_kind(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def has_status(self) -> bool:
        return "status" in self.subresources


RBAC = "rbac.authorization.k8s.io/v1"

RESOURCES = (
    Resource("Namespace", "namespaces", short=("ns",), namespaced=False, subresources=("status",)),
    Resource("Node", "nodes", short=("no",), namespaced=False, verbs=(*READ, "patch", "update")),
    Resource("Pod", "pods", short=("po",), subresources=("status", "log", "proxy", "eviction", "resize"), in_all=True),
    Resource("Service", "services", short=("svc",), subresources=("status", "proxy"), in_all=True),
    Resource("ConfigMap", "configmaps", short=("cm",)),
    Resource("Secret", "secrets"),
    Resource("Event", "events", short=("ev",)),
    Resource("ServiceAccount", "serviceaccounts", short=("sa",)),
    Resource("ResourceQuota", "resourcequotas", short=("quota",), subresources=("status",)),
    Resource("Deployment", "deployments", "apps/v1", ("deploy",), subresources=("status", "scale"), in_all=True),
    Resource("ReplicaSet", "replicasets", "apps/v1", ("rs",), subresources=("status", "scale"), in_all=True),
    Resource("Job", "jobs", "batch/v1", subresources=("status",), in_all=True),
    Resource("EndpointSlice", "endpointslices", "discovery.k8s.io/v1"),
    Resource("Lease", "leases", "coordination.k8s.io/v1", must_name_version=True),
    Resource("NetworkPolicy", "networkpolicies", "networking.k8s.io/v1", ("netpol",)),
    Resource(
        "PodDisruptionBudget", "poddisruptionbudgets", "policy/v1", ("pdb",), subresources=("status",), must_name_version=True
    ),
    Resource("HorizontalPodAutoscaler", "horizontalpodautoscalers", "autoscaling/v2", ("hpa",), verbs=READ),
    Resource("StatefulSet", "statefulsets", "apps/v1", ("sts",), verbs=READ),  # of these there are none, which is an answer
    Resource("DaemonSet", "daemonsets", "apps/v1", ("ds",), verbs=READ),
    Resource("PersistentVolumeClaim", "persistentvolumeclaims", short=("pvc",), verbs=READ),
    Resource("Role", "roles", RBAC),
    Resource("RoleBinding", "rolebindings", RBAC),
    Resource("ClusterRole", "clusterroles", RBAC, namespaced=False),
    Resource("ClusterRoleBinding", "clusterrolebindings", RBAC, namespaced=False),
)
REVIEWS = (
    Resource(
        "SelfSubjectAccessReview", "selfsubjectaccessreviews", "authorization.k8s.io/v1", namespaced=False, verbs=("create",)
    ),
)

KINDS = {resource.kind: resource for resource in RESOURCES}
BY_PATH = {(resource.api_version, resource.plural): resource for resource in (*RESOURCES, *REVIEWS)}

SUBRESOURCES: dict[str, tuple[str, str, tuple[str, ...]]] = {  # name -> kind, api version of that kind, verbs
    "status": ("", "", ("get", "patch", "update")),
    "scale": ("Scale", "autoscaling/v1", ("get", "patch", "update")),
    "resize": ("", "", ("get", "patch", "update")),
    "log": ("", "", ("get",)),
    "eviction": ("Eviction", "policy/v1", ("create",)),
    "proxy": ("", "", ("create", "delete", "get", "patch", "update")),
}


def groups() -> dict[str, list[Resource]]:
    """API version -> its resources, core first."""
    found: dict[str, list[Resource]] = {}
    for resource in (*RESOURCES, *REVIEWS):
        found.setdefault(resource.api_version, []).append(resource)
    return found
