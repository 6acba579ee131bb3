"""The API as raw HTTP: who gets in, what is discovered, how it refuses."""

import http.client
import json
import socket
from urllib.parse import urlsplit

import pytest


def test_it_says_that_it_is_a_sandbox(raw):
    assert raw("GET", "/version")[1]["gitVersion"] == "v1.36.0+gameday-sandbox"


@pytest.mark.parametrize("headers", [{"Origin": "http://example.com"}, {"Host": "example.com"}, {"Host": "127.0.0.1:1"}])
def test_web_pages_do_not_get_in(raw, headers):
    status, answer = raw("GET", "/version", headers=headers)
    assert (status, answer["kind"], answer["reason"]) == (403, "Status", "Forbidden")


def test_nobody_gets_in_without_the_secret(sandbox, raw):
    secret = sandbox.server.rpartition("/")[2]
    assert len(secret) == 32
    where = urlsplit(sandbox.server)
    for path in ("/version", "/" + "0" * 32 + "/version", "/"):
        connection = http.client.HTTPConnection(where.hostname, where.port, timeout=5)
        connection.request("GET", path)
        assert connection.getresponse().status == 403
        connection.close()
    assert sandbox.kubeconfig.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/nosuch",
        "/apis/apps/v1/namespaces/default/nosuch",
        "/apis/nosuch/v1/things",
        "/api/v1/namespaces/default/nodes",
        "/x",
    ],
)
def test_unknown_kinds_are_not_found(raw, path):
    status, answer = raw("GET", path)
    assert (status, answer["reason"], answer["status"]) == (404, "NotFound", "Failure")


def test_a_missing_object_is_named(raw):
    status, answer = raw("GET", "/apis/apps/v1/namespaces/default/deployments/nosuch")
    assert (status, answer["message"]) == (404, 'deployments.apps "nosuch" not found')
    assert answer["details"] == {"name": "nosuch", "group": "apps", "kind": "deployments"}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "json parse error"),
        (b"[]", 400, "not a JSON object"),
        ({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "x"}}, 400, "cannot be handled as a ConfigMap"),
        ({"metadata": {"name": "x", "namespace": "other"}}, 400, "does not match the namespace"),
        ({"metadata": {"name": "A_b"}}, 422, "RFC 1123"),
        ({"metadata": {}}, 422, "name or generateName is required"),
        ({"metadata": {"name": "x", "labels": {"a": "b c"}}}, 422, "metadata.labels"),
        ({"metadata": {"name": "x", "resourceVersion": "1"}}, 500, "resourceVersion should not be set"),
    ],
)
def test_bad_bodies_are_refused_with_a_status(raw, namespace, body, status, words):
    code, answer = raw("POST", f"/api/v1/namespaces/{namespace}/configmaps", body)
    assert (code, answer["kind"], answer["code"]) == (status, "Status", status)
    assert words in answer["message"]


def test_all_causes_are_told_at_once(raw, namespace):
    body = {"metadata": {"name": "x"}, "spec": {}}
    status, answer = raw("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", body)
    assert status == 422
    fields = [cause["field"] for cause in answer["details"]["causes"]]
    assert fields == ["spec.selector", "spec.template.metadata.labels", "spec.template.spec.containers"]


def test_what_the_sandbox_cannot_do_is_refused_not_ignored(raw, namespace):
    container = {"name": "a", "image": "gameday-echo", "livenessProbe": {"exec": {"command": ["true"]}}}
    body = {"metadata": {"name": "x"}, "spec": {"containers": [container]}}
    assert raw("POST", f"/api/v1/namespaces/{namespace}/pods", body)[0] == 422
    assert raw("POST", f"/apis/apps/v1/namespaces/{namespace}/statefulsets", {"metadata": {"name": "x"}})[0] == 405
    assert raw("GET", f"/apis/apps/v1/namespaces/{namespace}/statefulsets")[1]["items"] == []
    assert (
        raw("POST", f"/api/v1/namespaces/{namespace}/configmaps", b"k8s\0", content="application/vnd.kubernetes.protobuf")[0]
        == 415
    )


def test_nothing_is_made_in_a_namespace_that_is_not_there(raw):
    status, answer = raw("POST", "/api/v1/namespaces/nosuch/configmaps", {"metadata": {"name": "x"}})
    assert (status, answer["message"]) == (404, 'namespaces "nosuch" not found')


def test_items_of_a_list_leave_out_their_kind_and_pages_continue(cluster, raw, namespace, make):
    for number in range(5):
        cluster.create(make.config_map(namespace, f"c{number}"))
    path = f"/api/v1/namespaces/{namespace}/configmaps?limit=2"
    seen, token, pages = [], "", 0
    while True:
        _, answer = raw("GET", path + (f"&continue={token}" if token else ""))
        assert all("kind" not in item for item in answer["items"])
        seen += [item["metadata"]["name"] for item in answer["items"]]
        pages += 1
        token = answer["metadata"].get("continue", "")
        if not token:
            break
        assert answer["metadata"]["remainingItemCount"] == 5 - len(seen)
    assert (seen, pages) == ([f"c{number}" for number in range(5)], 3)
    assert raw("GET", f"{path}&continue=x")[0] == 400


def test_access_reviews_answer_from_what_there_is(raw):
    def may(**attributes):
        body = {"spec": {"resourceAttributes": attributes}}
        return raw("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)[1]["status"]["allowed"]

    assert may(verb="delete", resource="pods", namespace="x")
    assert may(verb="patch", resource="deployments", group="apps", subresource="scale")
    assert may(verb="create", resource="pods", subresource="eviction")
    for asked in (
        {"verb": "*", "resource": "*"},
        {"verb": "get", "resource": "deployments"},  # the group is missing
        {"verb": "dance", "resource": "pods"},
        {"verb": "create", "resource": "pods", "subresource": "exec"},
        {"verb": "delete", "resource": "nodes"},
        {"verb": "create", "resource": "statefulsets", "group": "apps"},
        {},
    ):
        assert not may(**asked), asked


def test_every_discovered_resource_can_be_listed(raw):
    versions = ["/api/v1"]
    for group in raw("GET", "/apis")[1]["groups"]:
        versions += [f"/apis/{each['groupVersion']}" for each in group["versions"]]
    listed = 0
    for version in versions:
        for resource in raw("GET", version)[1]["resources"]:
            if "list" in resource["verbs"]:
                status, answer = raw("GET", f"{version}/{resource['name']}")
                assert (status, answer["kind"]) == (200, f"{resource['kind']}List")
                headers = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
                table = raw("GET", f"{version}/{resource['name']}", headers=headers)[1]
                assert table["kind"] == "Table"
                assert all(len(row["cells"]) == len(table["columnDefinitions"]) for row in table["rows"])
                listed += 1
    assert listed >= 18


def test_a_pods_answer_comes_through_the_proxy_as_it_is(cluster, raw, namespace, make, ready):
    cluster.create(make.deployment(namespace))
    pod = ready(namespace)[0]["metadata"]["name"]
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}:8080/proxy/some/path?a=b%20c"
    status, answer = raw("PUT", path, b'{"x": 1}')
    assert status == 200
    assert (answer["method"], answer["path"], answer["body"]) == ("PUT", "/some/path?a=b%20c", '{"x": 1}')
    raw("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}:http/proxy/sick")
    assert raw("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/proxy/healthz")[0] == 500
    status, answer = raw("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}:9/proxy/")
    assert (status, answer["reason"]) == (503, "ServiceUnavailable")
    assert "connection refused" in answer["message"]


def test_a_broken_request_does_not_end_the_server(sandbox, raw):
    where = urlsplit(sandbox.server)
    for junk in (
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
    ):
        with socket.create_connection((where.hostname, where.port), timeout=5) as connection:
            connection.sendall(junk)
            answer = connection.makefile("rb").read()
        assert answer.startswith((b"HTTP/1.1 4",)), answer
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["kind"] == "Status"
    assert raw("GET", "/readyz")[0] == 200
