"""The only importer of kubernetes: a narrow port over its ApiClient, with deadlines, plain JSON, and our own errors.

The generated API classes cost 800 ms to import and return models; the port needs neither. Authentication, TLS and
kubeconfig stay the library's. No retries: what may be repeated is the caller's to know.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlencode

import urllib3
from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config import kube_config as _kube_config
from kubernetes.config.config_exception import ConfigException

from chaos.clients.kinds import KINDS
from chaos.clients.world import Obj, PatchType
from chaos.errors import ClusterError, Conflict, Forbidden, NotFound, NotReady, Refused
from chaos.model.run import Environment, Permission

_TIMEOUT = (1.0, 2.0)  # seconds: connect, read
_CONNECTIONS = 64  # kept open: each fault of a large story is undone over its own
_AT_ONCE = 16
_PATCH_TYPES: dict[PatchType, str] = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}
_BY_STATUS: dict[int, type[ClusterError]] = {401: Forbidden, 403: Forbidden, 404: NotFound, 409: Conflict, 429: Refused}
SANDBOX_MARK = "gameday-sandbox"
kube_config: Any = _kube_config  # the library ships this module without types


class Kube:
    """A cluster, as one kubeconfig context names it. Safe from any thread."""

    def __init__(self, configuration: Configuration, *, name: str) -> None:
        configuration.retries = False
        configuration.connection_pool_maxsize = _CONNECTIONS
        self._name = name
        self._configuration = configuration
        self._api = ApiClient(configuration)

    # -- who is there ------------------------------------------------------------------------------------------------

    @cached_property
    def environment(self) -> Environment:
        """What kind of cluster this is, and the fingerprint by which it is trusted: CA and UID of kube-system."""
        version = str(self._json("GET", "/version").get("gitVersion", ""))
        uid = self.get("Namespace", "kube-system")["metadata"]["uid"]
        return Environment(kind=self._kind(version), name=self._name, fingerprint=self._fingerprint(uid), version=version)

    def _kind(self, version: str) -> Literal["sandbox", "kind", "cluster"]:
        if SANDBOX_MARK in version:
            return "sandbox"
        nodes = self.find("Node", fields="")
        return (
            "kind" if nodes and all(n.get("spec", {}).get("providerID", "").startswith("kind://") for n in nodes) else "cluster"
        )

    def _fingerprint(self, uid: str) -> str:
        authority = self._configuration.ssl_ca_cert
        digest = hashlib.sha256(Path(authority).read_bytes() if authority else b"")
        digest.update(uid.encode())
        return digest.hexdigest()[:32]

    # -- reading -----------------------------------------------------------------------------------------------------

    def get(self, kind: str, name: str, namespace: str = "") -> Obj:
        return self._json("GET", KINDS[kind].path(namespace, name), doing=f"read {kind.lower()}/{name}")

    def find(
        self, kind: str, namespace: str = "", *, labels: Mapping[str, str] | str | None = None, fields: str = ""
    ) -> list[Obj]:
        selector = labels if isinstance(labels, str) else ",".join(f"{key}={value}" for key, value in (labels or {}).items())
        query = {"labelSelector": selector, "fieldSelector": fields}
        answer = self._json("GET", KINDS[kind].path(namespace), query=query, doing=f"list {KINDS[kind].plural}")
        items: list[Obj] = answer.get("items") or []
        for item in items:  # a list leaves out what all its items share
            item.setdefault("kind", kind)
            item.setdefault("apiVersion", KINDS[kind].api_version)
        return items

    def pod_log(self, namespace: str, pod: str, *, container: str = "", tail: int = 50) -> str:
        query = {"container": container, "tailLines": str(tail)}
        return self._call("GET", KINDS["Pod"].path(namespace, pod, "log"), query=query, doing=f"read the log of {pod}")[
            1
        ].decode(errors="replace")

    # -- writing -----------------------------------------------------------------------------------------------------

    def create(self, obj: Obj, *, dry: bool = False) -> Obj:
        kind, meta = obj["kind"], obj["metadata"]
        path, query = KINDS[kind].path(meta.get("namespace", "")), {"dryRun": "All" if dry else ""}
        return self._json("POST", path, query=query, body=obj, doing=f"create {kind.lower()}/{meta.get('name', '')}")

    def patch(
        self,
        kind: str,
        name: str,
        namespace: str,
        patch: Obj | Sequence[Obj],
        *,
        how: PatchType = "merge",
        subresource: str = "",
    ) -> Obj:
        path = KINDS[kind].path(namespace, name, subresource)
        try:
            return self._json("PATCH", path, body=patch, content=_PATCH_TYPES[how], doing=f"patch {kind.lower()}/{name}")
        except ClusterError as error:
            if (
                error.status == 422
                and how == "json"
                and any(each.get("op") == "test" for each in patch if isinstance(each, dict))
            ):
                raise Conflict(f"{kind.lower()}/{name} is not as it was, so it was not patched: {error}", status=422) from error
            raise

    def replace(self, obj: Obj) -> Obj:
        kind, meta = obj["kind"], obj["metadata"]
        path = KINDS[kind].path(meta.get("namespace", ""), meta["name"])
        return self._json("PUT", path, body=obj, doing=f"replace {kind.lower()}/{meta['name']}")

    def delete(
        self, kind: str, name: str, namespace: str = "", *, uid: str = "", grace: int | None = None, propagation: str = ""
    ) -> None:
        options: Obj = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        if propagation:
            options["propagationPolicy"] = propagation
        try:
            self._call("DELETE", KINDS[kind].path(namespace, name), body=options, doing=f"delete {kind.lower()}/{name}")
        except Conflict as error:
            if uid and "uid" in str(error).lower():
                raise NotFound(f"{kind.lower()}/{name} is another object than before", status=409) from error
            raise

    def evict(self, pod: str, namespace: str, *, uid: str = "", grace: int | None = None, dry: bool = False) -> None:
        options: Obj = {}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": namespace},
            "deleteOptions": options,
        }
        path, query = KINDS["Pod"].path(namespace, pod, "eviction"), {"dryRun": "All" if dry else ""}
        self._call("POST", path, query=query, body=body, doing=f"evict pod/{pod}")

    # -- asking ------------------------------------------------------------------------------------------------------

    def may(self, wanted: Sequence[Permission]) -> list[Permission]:
        with ThreadPoolExecutor(_AT_ONCE) as pool:  # which also opens the connections that a strike will need
            answers = list(pool.map(self._allowed, wanted))
        return [each.model_copy(update={"allowed": allowed}) for each, allowed in zip(wanted, answers, strict=True)]

    def _allowed(self, permission: Permission) -> bool:
        attributes = {
            "verb": permission.verb,
            "resource": permission.resource,
            "group": permission.group,
            "namespace": permission.namespace,
            "name": permission.name,
            "subresource": permission.subresource,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = self._json("POST", path, body=review, doing="ask what we may do")
        return bool(answer.get("status", {}).get("allowed"))

    def pod_request(
        self, namespace: str, pod: str, port: int, method: str, path: str, body: object | None = None
    ) -> tuple[int, bytes]:
        url = f"{KINDS['Pod'].path(namespace, f'{pod}:{port}')}/proxy/{path.lstrip('/')}"
        return self._call(method, url, body=body, doing=f"ask pod/{pod}", accept_any=True)

    # -- the wire ----------------------------------------------------------------------------------------------------

    def _json(self, method: str, path: str, **options: Any) -> Obj:
        _, data = self._call(method, path, **options)
        try:
            answer = json.loads(data)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):  # cut off on its way, or by something that is no API server
            raise ClusterError(f"could not {options.get('doing') or method}: {self._name} gave an answer that is no object")
        return answer

    def _call(  # noqa: PLR0913 - one private seam for every request
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object | None = None,
        content: str = "application/json",
        doing: str = "",
        accept_any: bool = False,
    ) -> tuple[int, bytes]:
        url = self._configuration.host.rstrip("/") + quote(path, safe="/:?=&,%")
        if filled := {key: value for key, value in (query or {}).items() if value}:
            url += "?" + urlencode(filled)
        headers = {"Accept": "*/*" if accept_any else "application/json", "Content-Type": content}
        self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        payload = None if body is None else json.dumps(body).encode()
        status, data = self._send(method, url, headers, payload, doing or method)
        if status >= 400 and not accept_any:
            raise _error(status, data, doing or f"{method} {path}")
        return status, data

    def _send(self, method: str, url: str, headers: dict[str, str], body: bytes | None, doing: str) -> tuple[int, bytes]:
        timeout = urllib3.Timeout(connect=_TIMEOUT[0], read=_TIMEOUT[1])
        try:
            response = self._api.rest_client.pool_manager.request(
                method, url, headers=headers, body=body, timeout=timeout, retries=False, redirect=False
            )
        except (urllib3.exceptions.HTTPError, ApiException) as error:
            raise ClusterError(f"could not {doing}: {self._name} does not answer ({_reason(error)})") from error
        return response.status, response.data


def _reason(error: Exception) -> str:
    return str(error).split(":")[-1].strip() or type(error).__name__


def _error(status: int, body: bytes, doing: str) -> ClusterError:
    try:
        message = str(json.loads(body).get("message", ""))
    except (ValueError, AttributeError):
        message = body[:200].decode(errors="replace")
    return _BY_STATUS.get(status, ClusterError)(f"could not {doing}: {message or f'HTTP {status}'}", status=status)


def connect(kubeconfig: Path | None = None, context: str = "") -> Kube:
    """The cluster that a kubeconfig context names (default: the current one); NotReady when there is none.

    Certificate checks stay on: a kubeconfig that turns them off is refused.
    """
    configuration = Configuration()
    try:
        contexts, current = kube_config.list_kube_config_contexts(config_file=str(kubeconfig) if kubeconfig else None)
        name = context or current["name"]
        if name not in [each["name"] for each in contexts]:
            known = ", ".join(sorted(each["name"] for each in contexts))
            raise NotReady(f"there is no context {name} in the kubeconfig; it has {known}")
        kube_config.load_kube_config(
            config_file=str(kubeconfig) if kubeconfig else None, context=name, client_configuration=configuration
        )
    except (ConfigException, OSError, KeyError, TypeError) as error:
        raise NotReady(f"no usable kubeconfig: {error}") from error
    if configuration.host.startswith("https:") and not configuration.verify_ssl:
        raise NotReady(f"context {name} turns certificate checks off; add the cluster's certificate-authority instead")
    return Kube(configuration, name=name)


def secret_data(obj: Obj) -> dict[str, bytes]:
    """The decoded data of a Secret."""
    return {key: base64.b64decode(value) for key, value in (obj.get("data") or {}).items()}
