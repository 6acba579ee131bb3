"""One role of the shop, from its settings to a server that answers."""

from chaos.shop.checkout import Checkout
from chaos.shop.inventory import Inventory
from chaos.shop.orders import Orders
from chaos.shop.payments import Payments
from chaos.shop.role import Role
from chaos.shop.sessions import Sessions
from chaos.shop.settings import TLS_DIR, Settings
from chaos.shop.storefront import Storefront
from chaos.shop.web import Server, Tls

DRAIN = 1.0
"""Seconds that a service goes on serving after SIGTERM, until nobody sends it anything new."""


ROLES: dict[str, type[Role]] = {
    "storefront": Storefront,
    "checkout": Checkout,
    "inventory": Inventory,
    "sessions": Sessions,
    "payments": Payments,
    "orders": Orders,
}


def make(settings: Settings) -> Server:
    """A server that listens already; `serve_forever` makes it answer."""
    if settings.role not in ROLES:
        raise SystemExit(f"SHOP_ROLE is {settings.role!r}, expected one of {', '.join(ROLES)}")
    role = ROLES[settings.role](settings)
    certificate = settings.path(TLS_DIR) / "tls.crt"
    tls = Tls(certificate, certificate.with_name("tls.key")) if settings.role == "payments" and certificate.is_file() else None
    server = Server((settings.host, settings.port), role.routes, start_delay=settings.start_delay, tls=tls)
    server.at_close = role.close
    role.start()
    return server
