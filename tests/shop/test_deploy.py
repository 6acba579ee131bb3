import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cryptography import x509

import chaos
from chaos.shop import certificates, deploy, service, settings

ROLES = {"storefront", "checkout", "inventory", "sessions", "payments", "orders"}


def of_kind(objects, kind):
    return {obj["metadata"]["name"]: obj for obj in objects if obj["kind"] == kind}


def pod_of(deployment):
    return deployment["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def fixed():
    return deploy.manifests()


def weakened(*weak):
    return deploy.manifests(weak=frozenset(weak))


def test_every_role_is_deployed_and_reachable(fixed):
    assert set(of_kind(fixed, "Deployment")) == set(of_kind(fixed, "Service")) == set(service.ROLES) == ROLES


def test_services_select_the_pods_of_their_deployment_on_a_port_they_listen_on(fixed):
    deployments = of_kind(fixed, "Deployment")
    for name, obj in of_kind(fixed, "Service").items():
        template = deployments[name]["spec"]["template"]
        assert obj["spec"]["selector"].items() <= template["metadata"]["labels"].items()
        [container] = template["spec"]["containers"]
        env = {each["name"]: each.get("value") for each in container["env"]}
        assert {port["targetPort"] for port in obj["spec"]["ports"]} == {int(env["PORT"])}
        assert env["SHOP_ROLE"] == name


def test_urls_of_dependencies_are_services_that_exist(fixed):
    ports = {name: obj["spec"]["ports"][0]["port"] for name, obj in of_kind(fixed, "Service").items()}
    for obj in of_kind(fixed, "Deployment").values():
        for each in pod_of(obj)["containers"][0]["env"]:
            if each["name"].endswith("_URL"):
                host, _, port = each["value"].partition("://")[2].partition(":")
                assert ports[host] == int(port)


def test_the_namespace_may_be_struck(fixed):
    [namespace] = of_kind(fixed, "Namespace").values()
    assert namespace["metadata"]["labels"]["gameday.dev/opt-in"] == "true"
    assert all(obj["metadata"].get("namespace", "shop") == "shop" for obj in fixed)


def test_pods_run_without_privileges_and_with_probes_and_limits(fixed):
    for obj in of_kind(fixed, "Deployment").values():
        spec = pod_of(obj)
        [container] = spec["containers"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert not spec["automountServiceAccountToken"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
        assert {"readinessProbe", "livenessProbe"} <= set(container)
        assert all(toleration["tolerationSeconds"] <= 10 for toleration in spec["tolerations"])


def test_the_vendor_has_a_certificate_that_its_clients_trust(fixed):
    data = {key: base64.b64decode(value) for key, value in of_kind(fixed, "Secret")["payments-tls"]["data"].items()}
    authority, certificate = (x509.load_pem_x509_certificate(data[name]) for name in ("ca.crt", "tls.crt"))
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    [name] = [
        each["value"]
        for each in pod_of(of_kind(fixed, "Deployment")["checkout"])["containers"][0]["env"]
        if each["name"] == "PAYMENTS_TLS_NAME"
    ]
    assert name in names


def test_only_the_vendor_has_its_key(fixed):
    for name, obj in of_kind(fixed, "Deployment").items():
        for volume in pod_of(obj)["volumes"]:
            if volume.get("secret", {}).get("secretName") == "payments-tls" and name != "payments":
                assert volume["secret"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]


def test_every_deployment_is_other_pods():
    """Services read configuration and certificates at their start; so a new one needs new pods."""
    digests = {
        pod["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
        for objects in (weakened(), weakened("no-timeout"))
        for pod in of_kind(objects, "Deployment").values()
    }
    assert len(digests) == 2


@pytest.mark.parametrize("code", settings.SWITCHES)
def test_a_switch_reaches_the_services(code, tmp_path):
    config = of_kind(weakened(code), "ConfigMap")["shop-config"]["data"]
    folder = tmp_path / settings.CONFIG_DIR.lstrip("/")
    folder.mkdir(parents=True)
    for name, word in config.items():
        (folder / name).write_text(word)
    assert settings.read({"POD_ROOT": str(tmp_path)}).weak == {code}


def test_a_wrong_word_in_the_configuration_is_an_error(tmp_path):
    folder = tmp_path / settings.CONFIG_DIR.lstrip("/")
    folder.mkdir(parents=True)
    (folder / "no-timeout").write_text("yes")
    with pytest.raises(ValueError, match="no-timeout in the configuration is 'yes'"):
        settings.read({"POD_ROOT": str(tmp_path)})


def test_single_replica(fixed):
    before = {name: obj["spec"]["replicas"] for name, obj in of_kind(fixed, "Deployment").items()}
    after = {name: obj["spec"]["replicas"] for name, obj in of_kind(weakened("single-replica"), "Deployment").items()}
    assert (before["storefront"], before["checkout"], set(after.values())) == (2, 2, {1})


def homes(deployment):
    """Zones by how much the pods of a Deployment would like to stand in them, the best first."""
    wishes = pod_of(deployment)["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    wishes.sort(key=lambda wish: -wish["weight"])
    return [wish["preference"]["matchExpressions"][0]["values"][0] for wish in wishes]


@pytest.mark.parametrize("weak", [(), ("single-replica",)])
def test_a_zone_with_checkout_may_go_dark_and_spare_the_front_door_and_what_is_in_memory(weak):
    wished = {name: homes(obj)[: obj["spec"]["replicas"]] for name, obj in of_kind(weakened(*weak), "Deployment").items()}
    spared = {zone for name in ("storefront", "orders", "payments", "sessions") for zone in wished[name]}
    assert set(wished["checkout"]) - spared


def test_what_has_replicas_is_spread_over_zones_without_regard_to_the_release_before(fixed):
    for name, obj in of_kind(fixed, "Deployment").items():
        spread = pod_of(obj).get("topologySpreadConstraints", [])
        assert len(spread) == (obj["spec"]["replicas"] > 1), name
        assert all(each["topologyKey"].endswith("/zone") and each["matchLabelKeys"] for each in spread)


def test_no_readiness_probe():
    containers = [pod_of(obj)["containers"][0] for obj in of_kind(weakened("no-readiness-probe"), "Deployment").values()]
    assert not any("readinessProbe" in container for container in containers)
    assert all("livenessProbe" in container for container in containers)


def test_no_pdb(fixed):
    assert {"storefront", "checkout"} <= set(of_kind(fixed, "PodDisruptionBudget"))
    assert not of_kind(weakened("no-pdb"), "PodDisruptionBudget")


def test_an_unknown_weakness_is_refused():
    with pytest.raises(ValueError, match="no such weakness: no-money"):
        weakened("no-money")


def test_the_storefront_can_be_published_on_a_port_of_the_node():
    services = of_kind(deploy.manifests(node_port=30080), "Service")
    assert services["storefront"]["spec"]["ports"][0]["nodePort"] == 30080
    assert [name for name, obj in services.items() if obj["spec"].get("type") == "NodePort"] == ["storefront"]


def test_the_yaml_is_the_same_objects(capsys):
    deploy.main(["manifests", "--weak", "no-pdb", "--namespace", "other"])
    text = capsys.readouterr().out
    assert "&id" not in text, "no anchors: people read this"
    kinds = [obj["kind"] for obj in yaml.safe_load_all(text)]
    assert kinds == [obj["kind"] for obj in deploy.manifests(weak=frozenset({"no-pdb"}), namespace="other")]


def test_objects_are_plain_json(fixed):
    assert json.loads(json.dumps(fixed)) == fixed


def test_every_weakness_is_explained():
    assert set(settings.SWITCHES) <= set(deploy.WEAKNESSES)
    assert all(text.endswith(".") for text in deploy.WEAKNESSES.values())


def test_services_need_nothing_but_python():
    """The image holds `chaos/__init__.py` and `chaos/shop` and no package beside."""
    script = (
        "import sys, chaos.shop.service, chaos.shop.__main__;"
        "ours = {name for name in sys.modules if name.startswith('chaos.') and not name.startswith('chaos.shop')};"
        "foreign = {'cryptography', 'yaml', 'pydantic', 'httpx', 'kubernetes'} & set(sys.modules);"
        "print(ours | foreign)"
    )
    root = str(Path(chaos.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "set()"


def test_certificates_expire_and_start_an_hour_ago():
    made = x509.load_pem_x509_certificate(certificates.make(["payments"]).certificate.encode())
    life = made.not_valid_after_utc - made.not_valid_before_utc
    assert life.days == 30
