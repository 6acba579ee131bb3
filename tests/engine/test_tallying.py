"""After recovery: what the service kept, against what customers were told and what they had asked for."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from chaos.clock import RealClock
from chaos.engine.tallying import tally
from chaos.scenario import TransactionLedger

LEDGER = TransactionLedger(url="/orders", ids="id", within="0s")


@pytest.fixture
def shop():
    """A service that tells what it has kept; set `.kept` and `.status`."""

    class Shop(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"items": server.kept}).encode()
            self.send_response(server.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Shop)
    server.kept, server.status = [], 200
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def told(folder, name, *lines):
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def count(shop, folder):
    return tally(LEDGER, base_url=shop.url, folder=folder, clock=RealClock())


def test_kept_although_the_customer_was_told_no_is_wrong(shop, tmp_path):
    told(tmp_path, "acknowledged", {"id": "1"})
    told(tmp_path, "attempted", {"id": "1"}, {"id": "2"}, {"id": "2", "outcome": "refused"})
    shop.kept = [{"id": "1"}, {"id": "2"}]
    found = count(shop, tmp_path)
    assert (found.acknowledged, found.stored, found.lost, found.wrong) == (1, 2, 0, 1)
    assert found.examples == ["kept although refused: 2"]


def test_kept_after_an_attempt_without_an_answer_is_in_doubt(shop, tmp_path):
    told(tmp_path, "acknowledged")
    told(tmp_path, "attempted", {"id": "3"}, {"id": "3", "outcome": "unanswered"})
    shop.kept = [{"id": "3"}]
    found = count(shop, tmp_path)
    assert (found.wrong, found.unacknowledged) == (0, 1)


def test_lost_is_lost_and_a_torn_last_line_is_left_out(shop, tmp_path):
    (tmp_path / "acknowledged.jsonl").write_text('{"id": "1"}\n{"id": "2')
    found = count(shop, tmp_path)
    assert (found.acknowledged, found.lost) == (1, 1)


def test_what_cannot_be_read_is_said_and_not_guessed(shop, tmp_path):
    told(tmp_path, "acknowledged", {"id": "1"})
    shop.status = 500
    found = count(shop, tmp_path)
    assert "status 500" in found.unreadable
    assert found.lost == 0
