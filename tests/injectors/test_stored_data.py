"""Faults on ConfigMaps and Secrets: only the struck keys are touched and put back, and prior bytes are in the undo Secret alone."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from chaos.errors import BadInput, Conflict, NotFound
from chaos.injectors import config_map, expired_certificate, secret
from chaos.shop import certificates

CANARY = "hunter2-canary"
_ENV = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "web", "key": "token", "optional": True}}}]


@pytest.fixture
def keep(cluster, namespace):
    """A ConfigMap or Secret `web`."""

    def make(kind="ConfigMap", texts=None, **more):
        meta = {"name": "web", "namespace": namespace, **more.pop("metadata", {})}
        data = {"stringData" if kind == "Secret" else "data": texts or {"token": "prior", "other": "kept"}}
        return cluster.create({"kind": kind, "apiVersion": "v1", "metadata": meta, **data, **more})

    return make


@pytest.fixture
def consumed(deploy):
    """A Deployment that mounts the ConfigMap `web`."""
    return deploy(volumeMounts=[{"name": "files", "mountPath": "/etc/web", "from": {"configMap": {"name": "web"}}}])


def data(cluster, namespace, kind="ConfigMap"):
    found = cluster.get(kind, "web", namespace).get("data") or {}
    return {key: base64.b64decode(value).decode() for key, value in found.items()} if kind == "Secret" else found


def undo_secrets(cluster, namespace):
    return [each["metadata"]["name"] for each in cluster.find("Secret", namespace, labels={"gameday.dev/undo": "true"})]


# -- strike and undo ---------------------------------------------------------------------------------------------------


def test_garbled_text_tells_nothing_of_what_was_there_and_the_rest_is_untouched(
    cluster, namespace, keep, consumed, prepared, struck_world
):
    keep()
    state = prepared(kind="config-map", config_map="web", mode="corrupt", keys=["token"])
    config_map.start(state, struck_world)
    now = data(cluster, namespace)
    assert now["token"].startswith("garbled-")
    assert now["other"] == "kept"
    config_map.stop(state, struck_world)
    assert data(cluster, namespace) == {"token": "prior", "other": "kept"}
    assert (config_map.verify(state, struck_world), undo_secrets(cluster, namespace)) == ([], [])


def test_what_others_do_to_other_keys_meanwhile_stays(cluster, namespace, keep, consumed, prepared, struck_world):
    keep()
    state = prepared(kind="config-map", config_map="web", mode="lose", keys=["token"])
    config_map.start(state, struck_world)
    cluster.patch("ConfigMap", "web", namespace, {"data": {"other": "theirs", "new": "theirs"}})
    config_map.stop(state, struck_world)
    assert data(cluster, namespace) == {"token": "prior", "other": "theirs", "new": "theirs"}
    assert config_map.verify(state, struck_world) == []


def test_a_struck_key_that_somebody_else_changed_stays_and_what_it_was_is_kept(
    cluster, namespace, keep, consumed, prepared, struck_world
):
    keep()
    state = prepared(kind="config-map", config_map="web", mode="corrupt", values={"token": "wrong"})
    config_map.start(state, struck_world)
    cluster.patch("ConfigMap", "web", namespace, {"data": {"token": "theirs"}})
    config_map.stop(state, struck_world)
    assert data(cluster, namespace)["token"] == "theirs"
    assert "somebody else" in config_map.verify(state, struck_world)[0]
    assert undo_secrets(cluster, namespace) == [state.undo_secret]


def test_a_change_since_the_plan_is_not_overwritten(cluster, namespace, keep, consumed, prepared, struck_world):
    keep()
    state = prepared(kind="config-map", config_map="web", mode="corrupt", keys=["token"])
    cluster.patch("ConfigMap", "web", namespace, {"data": {"token": "theirs"}})
    with pytest.raises(Conflict, match="since the plan"):
        config_map.start(state, struck_world)
    config_map.stop(state, struck_world)
    assert (data(cluster, namespace)["token"], config_map.verify(state, struck_world)) == ("theirs", [])


def test_an_undo_secret_that_was_taken_away_is_told_as_long_as_our_data_is_there(
    cluster, namespace, keep, consumed, prepared, struck_world
):
    keep()
    for raw in ({"mode": "corrupt", "keys": ["token"]}, {"mode": "lose"}):
        state = prepared(kind="config-map", config_map="web", **raw)
        config_map.start(state, struck_world)
        cluster.delete("Secret", state.undo_secret, namespace)
        config_map.stop(state, struck_world)
        assert "which kept what it was" in config_map.verify(state, struck_world)[0]


def test_a_lost_object_comes_back_with_its_labels_and_type(cluster, namespace, keep, deploy, prepared, struck_world):
    before = keep("Secret", {"token": CANARY}, metadata={"labels": {"team": "a"}}, type="team/own")
    deploy(env=_ENV)
    state = prepared(kind="secret", secret="web", mode="lose")
    secret.start(state, struck_world)
    with pytest.raises(NotFound):
        cluster.get("Secret", "web", namespace)
    secret.stop(state, struck_world)
    now = cluster.get("Secret", "web", namespace)
    assert [now["metadata"]["labels"], now["type"], now["data"]] == [{"team": "a"}, "team/own", before["data"]]
    assert secret.verify(state, struck_world) == []


def test_prior_bytes_of_a_secret_are_in_the_undo_secret_and_nowhere_else(
    cluster, namespace, keep, deploy, prepared, struck_world
):
    keep("Secret", {"token": CANARY, "other": CANARY + "2"})
    deploy(env=_ENV)
    coded = base64.b64encode(CANARY.encode()).decode()
    for raw in ({"mode": "corrupt", "keys": ["token"]}, {"mode": "lose", "keys": ["token"]}, {"mode": "lose"}):
        state = prepared(kind="secret", secret="web", **raw)
        secret.start(state, struck_world)
        kept = cluster.get("Secret", state.undo_secret, namespace)["data"]["object"]
        assert json.loads(base64.b64decode(kept))["data"]["token"] == coded
        told = [state.model_dump_json(), secret.undo_words(state), repr(secret.undo_calls(state)), repr(secret.dose(state))]
        assert not [text for text in told if CANARY in text or coded in text]
        secret.stop(state, struck_world)
        assert data(cluster, namespace, "Secret")["token"] == CANARY


def test_the_hash_of_before_is_keyed_anew_each_time(keep, consumed, prepared):
    keep()
    states = [prepared(kind="config-map", config_map="web", mode="corrupt", keys=["token"]) for _ in range(2)]
    assert states[0].prior != states[1].prior


def test_a_restart_rolls_the_consumers_and_rolls_back_to_the_very_template(
    cluster, namespace, keep, consumed, prepared, struck_world
):
    keep()
    state = prepared(kind="config-map", config_map="web", mode="corrupt", keys=["token"], restart=True)
    template = cluster.get("Deployment", "web", namespace)["spec"]["template"]
    config_map.start(state, struck_world)
    assert cluster.get("Deployment", "web", namespace)["spec"]["template"] != template
    config_map.stop(state, struck_world)
    assert cluster.get("Deployment", "web", namespace)["spec"]["template"] == template
    assert config_map.verify(state, struck_world) == []


def test_a_template_that_somebody_else_released_meanwhile_keeps_their_release(
    cluster, namespace, keep, consumed, prepared, struck_world
):
    keep()
    state = prepared(kind="config-map", config_map="web", mode="corrupt", keys=["token"], restart=True)
    config_map.start(state, struck_world)
    theirs = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "gameday-next"}]}}}}
    cluster.patch("Deployment", "web", namespace, theirs, how="strategic")
    config_map.stop(state, struck_world)
    template = cluster.get("Deployment", "web", namespace)["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == "gameday-next"
    assert "annotations" not in template["metadata"]


# -- what is refused, and what is told ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"mode": "corrupt", "keys": ["tokn"]}, "no key tokn; it has token, other"),
        ({"mode": "corrupt", "values": {"token": "prior"}}, "these values already"),
        ({"mode": "lose", "keys": ["blob"]}, "only in its binaryData"),
        ({"mode": "lose", "service": "nope"}, "no service nope"),
    ],
)
def test_what_would_strike_nothing_is_refused(raw, words, keep, consumed, prepared):
    keep(binaryData={"blob": "AAEC"})
    with pytest.raises(BadInput, match=words):
        prepared(kind="config-map", config_map="web", **raw)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"mode": "corrupt"}, "needs keys"),
        ({"mode": "corrupt", "keys": []}, "at least 1 item"),
        ({"mode": "lose", "values": {"token": "x"}}, "corrupt only"),
        ({"mode": "corrupt", "keys": ["a"], "values": {"a": "x"}}, "either in keys or in values"),
        ({"mode": "lose", "path": "/x"}, "those of service"),
    ],
)
def test_what_makes_no_sense_is_no_spec(raw, words):
    with pytest.raises(ValueError, match=words):
        config_map.Spec.model_validate({"kind": "config-map", "config_map": "web", **raw})


def test_an_immutable_object_can_only_be_lost_as_a_whole(keep, consumed, prepared):
    keep(immutable=True)
    with pytest.raises(BadInput, match="immutable"):
        prepared(kind="config-map", config_map="web", mode="corrupt", keys=["token"])
    assert prepared(kind="config-map", config_map="web", mode="lose").whole


@pytest.mark.parametrize(
    ("type_", "texts", "raw", "words"),
    [
        ("kubernetes.io/service-account-token", {"token": "x"}, {"mode": "lose"}, "its controller keeps"),
        ("helm.sh/release.v1", {"release": "x"}, {"mode": "lose"}, "memory of a Helm release"),
        ("kubernetes.io/tls", {"tls.crt": "x", "tls.key": "x"}, {"mode": "lose", "keys": ["tls.key"]}, "must have tls.key"),
        (
            "kubernetes.io/dockerconfigjson",
            {".dockerconfigjson": "{}"},
            {"mode": "corrupt", "keys": [".dockerconfigjson"]},
            "valid JSON",
        ),
    ],
)
def test_secrets_of_some_types_are_not_for_striking(type_, texts, raw, words, keep, prepared):
    keep("Secret", texts, type=type_)
    with pytest.raises(BadInput, match=words):
        prepared(kind="secret", secret="web", **raw)


def test_objects_of_the_cluster_and_of_ours_are_never_struck(cluster, namespace, prepared, keep):
    cluster.create({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "kube-root-ca.crt", "namespace": namespace}})
    with pytest.raises(BadInput, match="kept by the cluster"):
        prepared(kind="config-map", config_map="kube-root-ca.crt", mode="lose")
    keep(metadata={"labels": {"app.kubernetes.io/managed-by": "gameday"}})
    with pytest.raises(BadInput, match="of ours"):
        prepared(kind="config-map", config_map="web", mode="lose")
    with pytest.raises(BadInput, match="no configmap gone"):
        prepared(kind="config-map", config_map="gone", mode="lose")


def test_what_no_undo_secret_could_keep_is_refused(keep, prepared):
    keep("Secret", {"token": "x" * 800_000})
    with pytest.raises(BadInput, match="too large"):
        prepared(kind="secret", secret="web", mode="lose")


def test_what_nobody_consumes_is_refused(keep, prepared):
    keep()
    with pytest.raises(BadInput, match="consumes configmap web; if it is felt by another way, say service"):
        prepared(kind="config-map", config_map="web", mode="lose")
    with pytest.raises(BadInput, match="nothing to restart"):
        prepared(kind="config-map", config_map="web", mode="lose", restart=True, service="web")


def test_two_consumers_and_no_place_where_it_is_felt(keep, deploy, prepared):
    keep()
    for name in ("a", "b"):
        deploy(name, env=[{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "web", "key": "token"}}}])
    with pytest.raises(BadInput, match="deployment/a, deployment/b consume"):
        prepared(kind="config-map", config_map="web", mode="lose")
    assert len(config_map.dose(prepared(kind="config-map", config_map="web", mode="lose", restart=True)).expect) == 2


def test_notes_tell_when_it_is_felt(keep, consumed, prepared):
    keep()
    notes = prepared(kind="config-map", config_map="web", mode="corrupt", keys=["token"]).notes
    assert "60 to 90 s" in notes[0]
    assert "inconclusive" in notes[1]


def test_notes_tell_that_files_take_longer_than_it_holds(cluster, namespace, keep, consumed, prepared):
    keep()
    spec = {"ports": [{"port": 8080}], "selector": {"app": "web"}}
    cluster.create({"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web", "namespace": namespace}, "spec": spec})
    raw = {"kind": "config-map", "config_map": "web", "mode": "lose", "service": "web"}
    assert "too short" in " ".join(prepared(**raw, duration="30s").notes)
    assert "too short" not in " ".join(prepared(**raw, duration="2m").notes)


def test_notes_tell_that_what_was_read_at_a_start_stays(keep, deploy, prepared):
    keep("Secret")
    deploy(env=_ENV)
    assert "after the undo as well" in prepared(kind="secret", secret="web", mode="lose").notes[-1]
    assert "after the undo" not in " ".join(prepared(kind="secret", secret="web", mode="lose", restart=True).notes)


def test_a_restart_keeps_the_caps_by_the_deployments_own_strategy(keep, deploy, prepared, all_caps):
    keep()
    deploy(
        spec={"strategy": {"type": "Recreate"}},
        env=[{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "web", "key": "token"}}}],
    )
    capped = all_caps.model_copy(update={"last_replica": None})
    with pytest.raises(BadInput, match="last ready replica"):
        prepared(capped, kind="config-map", config_map="web", mode="lose", restart=True)


# -- certificates --------------------------------------------------------------------------------------------------------


@pytest.fixture
def served(keep, deploy, cluster, namespace):
    """A TLS Secret `web`, a Deployment that serves with it, and its Service."""

    def make(**more):
        made = certificates.make(["web", "web.example"], **more)
        keep("Secret", {"tls.crt": made.certificate, "tls.key": made.key}, type="kubernetes.io/tls")
        deploy(volumeMounts=[{"name": "tls", "mountPath": "/tls", "from": {"secret": {"secretName": "web"}}}])
        spec = {"selector": {"app": "web"}, "ports": [{"port": 8443}]}
        meta = {"name": "front", "namespace": namespace}
        cluster.create({"kind": "Service", "apiVersion": "v1", "metadata": meta, "spec": spec})
        return made

    return make


def test_the_stand_in_has_the_same_names_and_ran_out_yesterday(cluster, namespace, served, prepared, struck_world):
    before = served()
    state = prepared(kind="expired-certificate", secret="web")
    expired_certificate.start(state, struck_world)
    now = data(cluster, namespace, "Secret")
    shown = x509.load_pem_x509_certificate(now["tls.crt"].encode())
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    assert names == ["web", "web.example"]
    assert timedelta(hours=23) < datetime.now(UTC) - shown.not_valid_after_utc < timedelta(hours=25)
    assert now["tls.key"] != before.key
    expired_certificate.stop(state, struck_world)
    assert data(cluster, namespace, "Secret") == {"tls.crt": before.certificate, "tls.key": before.key}


def test_the_service_that_shows_it_is_found(served, prepared):
    served()
    route = expired_certificate.dose(prepared(kind="expired-certificate", secret="web")).expect[0].route
    assert (route.host, route.port, route.scheme, route.certificate) == ("front", 8443, "https", "valid")


def test_a_certificate_that_ran_out_already_cannot_expire(served, prepared):
    served(now=datetime.now(UTC) - timedelta(days=60))
    with pytest.raises(BadInput, match=r"ran out on \S+ already"):
        prepared(kind="expired-certificate", secret="web")


@pytest.mark.parametrize(
    ("texts", "words"),
    [({"tls.crt": "x", "tls.key": "y"}, "holds no certificate"), ({"token": "x"}, "no tls.crt and no tls.key")],
)
def test_what_holds_no_certificate_is_refused(texts, words, keep, prepared):
    keep("Secret", texts)
    with pytest.raises(BadInput, match=words):
        prepared(kind="expired-certificate", secret="web")


def test_a_certificate_that_nobody_shows_is_refused(keep, prepared):
    made = certificates.make(["web"])
    keep("Secret", {"tls.crt": made.certificate, "tls.key": made.key})
    with pytest.raises(BadInput, match="say which service"):
        prepared(kind="expired-certificate", secret="web")
    with pytest.raises(BadInput, match="nothing to restart"):
        prepared(kind="expired-certificate", secret="web", restart=True)
