import ssl
import time

import pytest

from chaos.shop import certificates
from chaos.shop.calls import Client, Peer
from chaos.shop.defences import Unavailable
from chaos.shop.settings import TLS_DIR


def test_a_warming_service_is_alive_not_ready_and_of_no_use(shop):
    server = shop.start("inventory").servers["inventory"]
    server.ready_at = time.monotonic() + 60
    customer = shop.peer("inventory")
    assert customer.request("GET", "/healthz").status == 200
    assert customer.request("GET", "/healthz/ready").status == 503
    assert customer.request("GET", "/stock/sku-01").status == 503
    server.ready_at = time.monotonic()
    assert customer.request("GET", "/healthz/ready").status == 200
    assert customer.request("GET", "/stock/sku-01").status == 200


def test_a_draining_service_answers_asks_for_no_more_and_ends(shop):
    server = shop.start("inventory").servers["inventory"]
    server.drain(60)
    customer = shop.peer("inventory")
    answer = customer.request("GET", "/stock/sku-01")
    assert (answer.status, answer.headers["Connection"]) == (200, "close")
    assert customer.request("GET", "/healthz/ready").status == 503


def test_a_client_that_wants_its_connection_closed_is_told_that_it_will_be(shop):
    customer = shop.start("inventory").peer("inventory")
    assert "Connection" not in customer.request("GET", "/healthz").headers
    assert customer.request("GET", "/healthz", headers={"Connection": "close"}).headers["Connection"] == "close"


def test_a_mistake_of_ours_is_500_and_not_a_broken_connection(shop):
    def broken(request):
        raise RuntimeError("a mistake")

    shop.start("inventory").servers["inventory"].routes = {"GET /catalogue": broken}
    assert shop.peer("inventory").request("GET", "/catalogue").status == 500


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/stock/nothing", 404)])
def test_what_is_not_there_is_404(shop, path, status):
    assert shop.start("inventory").peer("inventory").request("GET", path).status == status


def test_a_body_that_is_no_order_is_400(shop):
    assert shop.start("orders").peer("orders").request("PUT", "/orders/x", value=["no order"]).status == 400


def test_a_new_certificate_is_used_without_a_restart(shop, tmp_path):
    shop.start("payments")
    folder = tmp_path / TLS_DIR.lstrip("/")
    assert talk_tls(shop, folder) == 200
    made = certificates.make(["payments"])
    for name, text in (("ca.crt", made.authority), ("tls.crt", made.certificate), ("tls.key", made.key)):
        (folder / name).write_text(text)
    assert talk_tls(shop, folder) == 200


def talk_tls(shop, folder):
    """The status of a call that trusts the authority which is mounted at this moment, and nobody else."""
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    peer = Peer(shop.url("payments"), Client(tls=context, tls_name="payments"))
    status = peer.request("GET", "/healthz", timeout=5.0).status
    peer.close()
    return status


def test_a_vendor_with_another_name_is_not_talked_to(shop, tmp_path):
    context = ssl.create_default_context(cafile=str(tmp_path / TLS_DIR.lstrip("/") / "ca.crt"))
    peer = Peer(shop.start("payments").url("payments"), Client(tls=context, tls_name="somebody-else"))
    with pytest.raises(Unavailable, match="tls"):
        peer.request("GET", "/healthz", timeout=5.0)
