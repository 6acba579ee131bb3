"""Whatever an API server answers, or fails to answer, is a ClusterError: nobody above has to know about HTTP."""

import http.server
import json
import threading

import pytest

from chaos.clients.kube import connect
from chaos.errors import ClusterError, Forbidden, NotFound


@pytest.fixture
def answering(tmp_path):
    """A cluster whose server always gives this answer."""
    servers = []

    def start(status, body):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        place = {"server": f"http://127.0.0.1:{server.server_port}"}
        config = {
            "current-context": "a",
            "clusters": [{"name": "a", "cluster": place}],
            "users": [{"name": "a", "user": {}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        }
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(config))
        return connect(path)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("body", [b'{"metadata": {"na', b"", b"<html>", b"[]", b"\xff\xfe"])
def test_an_answer_that_is_no_object_is_the_cluster_failing(answering, body):
    with pytest.raises(ClusterError, match=r"could not read service/web: .* no object"):
        answering(200, body).get("Service", "web", "shop")


@pytest.mark.parametrize(("status", "error"), [(401, Forbidden), (403, Forbidden), (404, NotFound), (500, ClusterError)])
def test_a_refusal_is_told_by_its_status(answering, status, error):
    with pytest.raises(error) as told:
        answering(status, b"not even JSON").get("Service", "web", "shop")
    assert told.value.status == status
    assert "not even JSON" in str(told.value)
