"""The resources that the sandbox knows, and where the API serves them."""

from dataclasses import dataclass

VERBS = ("create", "delete", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Resource:
    """One kind of object."""

    kind: str
    group: str
    version: str
    plural: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


_ALL = (
    Resource("Namespace", "", "v1", "namespaces", namespaced=False, short=("ns",)),
    Resource("Node", "", "v1", "nodes", namespaced=False, short=("no",)),
    Resource("Pod", "", "v1", "pods", short=("po",), subresources=("log", "status", "eviction", "proxy")),
    Resource("Service", "", "v1", "services", short=("svc",)),
    Resource("ConfigMap", "", "v1", "configmaps", short=("cm",)),
    Resource("Secret", "", "v1", "secrets"),
    Resource("Event", "", "v1", "events", short=("ev",)),
    Resource("ServiceAccount", "", "v1", "serviceaccounts", short=("sa",)),
    Resource("ResourceQuota", "", "v1", "resourcequotas", short=("quota",)),
    Resource("Deployment", "apps", "v1", "deployments", short=("deploy",), subresources=("scale", "status")),
    Resource("ReplicaSet", "apps", "v1", "replicasets", short=("rs",), subresources=("scale", "status")),
    Resource("Job", "batch", "v1", "jobs"),
    Resource("EndpointSlice", "discovery.k8s.io", "v1", "endpointslices"),
    Resource("Lease", "coordination.k8s.io", "v1", "leases"),
    Resource("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies", short=("netpol",)),
    Resource("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets", short=("pdb",)),
    Resource("HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers", short=("hpa",)),
    Resource("Role", "rbac.authorization.k8s.io", "v1", "roles"),
    Resource("RoleBinding", "rbac.authorization.k8s.io", "v1", "rolebindings"),
)
BY_KIND = {resource.kind: resource for resource in _ALL}
BY_PLURAL = {(resource.api_version, resource.plural): resource for resource in _ALL}
GROUP_VERSIONS = sorted({resource.api_version for resource in _ALL if resource.group})
