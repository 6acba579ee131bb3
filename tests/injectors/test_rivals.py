"""Who would fight the undo is named from what objects say of themselves, and only over what the undo changes."""

import os
import uuid
from pathlib import Path

import pytest

from chaos.clients.kube import connect
from chaos.errors import Forbidden, NotFound
from chaos.injectors.rivals import owners, rivals
from chaos.model.undo import DeleteOwn, PatchBack, RestoreData

SCALE = PatchBack(
    kind="Deployment", name="web", namespace="shop", patch=[{"op": "replace", "path": "/spec/replicas", "value": 2}]
)
IMAGE = SCALE.model_copy(update={"patch": [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "x"}]})


def obj(kind="Deployment", name="web", **metadata):
    return {"kind": kind, "metadata": {"name": name, **metadata}}


def scaler(name, kind, target):
    return {"metadata": {"name": name}, "spec": {"scaleTargetRef": {"kind": kind, "name": target}}}


class Objects:
    """A cluster that holds these objects and autoscalers."""

    def __init__(self, *objects, scalers=()):
        self.objects = {(each["kind"], each["metadata"]["name"]): each for each in objects}
        self.scalers = scalers

    def get(self, kind, name, namespace=""):
        if (kind, name) not in self.objects:
            raise NotFound(name)
        return self.objects[kind, name]

    def find(self, kind, namespace=""):
        if isinstance(self.scalers, Exception):
            raise self.scalers
        return list(self.scalers)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}}, "Argo CD application shop,"),
        ({"labels": {"argocd.argoproj.io/instance": "shop"}}, "Argo CD application shop,"),
        (
            {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}},
            "flux suspend kustomization apps -n flux-system",
        ),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "shop"}}, "flux suspend helmrelease shop"),
        ({"annotations": {"meta.helm.sh/release-name": "shop"}, "labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm release shop"),
        ({"annotations": {"cert-manager.io/certificate-name": "web-tls"}}, "cert-manager for certificate web-tls"),
        (
            {"ownerReferences": [{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web", "controller": True}]},
            "owned by rollout.argoproj.io/web",
        ),
        ({"managedFields": [{"manager": "kubectl"}, {"manager": "argocd-controller"}]}, "that Argo CD set"),
        ({"labels": {"app.kubernetes.io/managed-by": "puppet"}}, "managed by puppet"),
    ],
)  # fmt: skip
def test_an_object_says_who_else_writes_it(metadata, words):
    (line,) = owners(obj(**metadata))
    assert line.startswith("deployment/web ")
    assert words in line


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"labels": {"app.kubernetes.io/managed-by": "gameday"}},
        {"ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "controller": True}]},
        {"ownerReferences": [{"apiVersion": "acme.io/v1", "kind": "Shop", "name": "s"}]},
        {"managedFields": [{"manager": "kubectl-client-side-apply"}]},
    ],
)
def test_who_does_not_write_it_is_no_rival(metadata):
    assert owners(obj(**metadata)) == []


def test_helm_by_flux_is_one_rival_not_two():
    both = {"annotations": {"meta.helm.sh/release-name": "shop"}, "labels": {"helm.toolkit.fluxcd.io/name": "shop"}}
    assert len(owners(obj(**both))) == 1


def test_an_autoscaler_is_a_rival_over_the_number_of_replicas_alone():
    cluster = Objects(obj(), scalers=[scaler("grows", "Deployment", "web"), scaler("other", "StatefulSet", "web")])
    assert rivals(cluster, [SCALE]) == ["horizontalpodautoscaler/grows also sets the replicas of deployment/web and may fight the undo"]  # fmt: skip
    assert rivals(cluster, [SCALE.model_copy(update={"subresource": "scale", "patch": []})])
    assert rivals(cluster, [IMAGE]) == []


def test_what_may_not_be_read_is_said_not_guessed():
    assert "may not be read" in rivals(Objects(obj(), scalers=Forbidden("no")), [SCALE])[0]


def test_config_and_secrets_have_rivals_too_and_our_own_objects_have_none():
    mine = obj("ConfigMap", "ours", labels={"app.kubernetes.io/managed-by": "puppet"})
    theirs = obj("Secret", "tls", annotations={"cert-manager.io/certificate-name": "tls"})
    restore = RestoreData(kind="Secret", name="tls", namespace="shop", uid="u", undo_secret="s")
    delete = DeleteOwn(kind="ConfigMap", name="ours", namespace="shop", labels={})
    assert len(rivals(Objects(mine, theirs), [delete, restore, restore])) == 1


def test_an_object_that_is_gone_has_no_rivals():
    assert rivals(Objects(), [SCALE]) == []


@pytest.mark.cluster
def test_a_real_autoscaler_is_seen():
    cluster = connect(Path(os.environ["KUBECONFIG"]))
    name = f"rivals-{uuid.uuid4().hex[:6]}"
    cluster.create({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}})
    try:
        pods = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "python:3.13-slim"}]}}
        spec = {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": pods}
        labels = {"app.kubernetes.io/managed-by": "puppet"}
        deployment = {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "web", "namespace": name, "labels": labels}, "spec": spec}  # fmt: skip
        cluster.create(deployment)
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
        scaled = {"maxReplicas": 3, "scaleTargetRef": target}
        cluster.create({"kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v2", "metadata": {"name": "grows", "namespace": name}, "spec": scaled})  # fmt: skip
        said = rivals(cluster, [SCALE.model_copy(update={"namespace": name})])
        assert len(said) == 2
        assert "puppet" in said[0]
        assert "horizontalpodautoscaler/grows" in said[1]
    finally:
        cluster.delete("Namespace", name)
