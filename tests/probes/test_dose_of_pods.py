"""What kubelets and the API server say of pods is judged as it is said: held up, resized, declined."""

import pytest

from chaos.errors import Forbidden
from chaos.model.dose import Expectation
from chaos.probes.dose_of_pods import new_pods, pod_refused, pods_resized


class Seen:
    """A cluster with these pods and events, which declines pods for this reason."""

    def __init__(self, *pods, events=(), declines=""):
        self._found = {"Pod": list(pods), "Event": list(events)}
        self._declines = declines
        self.dry = []

    def find(self, kind, namespace, *, labels=None, fields=""):
        return self._found[kind]

    def create(self, obj, *, dry=False):
        self.dry.append(dry)
        if self._declines:
            raise Forbidden(self._declines, status=403)
        return obj


def pod(uid, state=None, **status):
    own = {"name": "main", "state": state or {}, **status}
    return {"metadata": {"uid": uid}, "status": {"containerStatuses": [own]}}


def waiting(reason):
    return {"waiting": {"reason": reason}}


PULL = Expectation(what="new-pods", uids=["old"], reasons=["ErrImagePull", "ImagePullBackOff"])
ANY = Expectation(what="new-pods", uids=["old"], selector={"app": "web"})


@pytest.mark.parametrize(
    ("expected", "pods", "shown"),
    [
        (PULL, [pod("new", waiting("ImagePullBackOff"))], True),
        (PULL, [pod("old", waiting("ImagePullBackOff"))], False),  # it could not pull before the strike either
        (PULL, [pod("new", waiting("ContainerCreating"))], False),
        (PULL, [pod("new", waiting("CreateContainerConfigError"))], False),
        (PULL, [pod("new", {"running": {}})], False),
        (ANY, [pod("new", {"running": {}})], True),
        (ANY, [pod("new", {"terminated": {}})], True),
        (ANY, [pod("new", waiting("CrashLoopBackOff"), restartCount=1)], True),
        (ANY, [pod("new", waiting("CreateContainerConfigError"))], True),
        (ANY, [pod("new", waiting("PodInitializing"))], False),
        (ANY, [{"metadata": {"uid": "new"}, "status": {}}], False),
        (ANY, [pod("old", {"running": {}})], False),
        (ANY.model_copy(update={"at_least": 2}), [pod("new", {"running": {}})], False),
    ],
)
def test_new_pods_that_a_kubelet_took_up(expected, pods, shown):
    assert new_pods(expected, Seen(*pods)).shown is shown


def test_a_pod_without_its_volume_is_held_up_though_it_only_says_that_it_is_being_created():
    event = {"involvedObject": {"uid": "new"}}
    creating = pod("new", waiting("ContainerCreating"))
    assert new_pods(ANY, Seen(creating, events=[event])).words == "1 new pod of app=web (FailedMount 1)"
    assert not new_pods(ANY, Seen(creating, events=[{"involvedObject": {"uid": "other"}}])).shown


RESIZED = Expectation(what="pods-resized", uids=["a", "b"], name="main", field="cpu", value="50m")


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        ("50m", "50m", True),
        ("0.05", "50m", True),
        ("50m", "200m", False),
        ("50m", None, False),
    ],
)
def test_all_kubelets_must_say_that_they_resized(first, second, shown):
    pods = [pod(uid, resources={"limits": {"cpu": cpu} if cpu else {}}) for uid, cpu in (("a", first), ("b", second))]
    assert pods_resized(RESIZED, Seen(*pods)).shown is shown


def test_a_pod_that_is_gone_is_not_resized():
    assert not pods_resized(RESIZED, Seen(pod("a", resources={"limits": {"cpu": "50m"}}))).shown
    assert not pods_resized(RESIZED.model_copy(update={"uids": []}), Seen()).shown


@pytest.mark.parametrize(
    ("declines", "shown"),
    [("exceeded quota: ours, used: pods=2", True), ("exceeded quota: theirs", False), ("no rights", False), ("", False)],
)
def test_a_pod_is_declined_in_the_name_of_our_quota(declines, shown):
    seen = Seen(declines=declines)
    assert pod_refused(Expectation(what="pod-refused", name="ours"), seen).shown is shown
    assert seen.dry == [True]
