"""`python -m chaos.shop` runs the role that SHOP_ROLE names; `python -m chaos.shop manifests` prints the manifests."""

import logging
import os
import signal
import sys

from chaos.shop import service, settings


def main() -> None:
    if sys.argv[1:]:
        from chaos.shop.deploy import main as deploy  # noqa: PLC0415 needs `cryptography`, which services do without

        deploy(sys.argv[1:])
        return
    logging.basicConfig(stream=sys.stderr, level=os.environ.get("LOG_LEVEL", "WARNING"), format="%(asctime)s %(message)s")
    told = settings.read()
    server = service.make(told)
    signal.signal(signal.SIGTERM, lambda *_: server.drain(service.DRAIN))
    signal.signal(signal.SIGINT, lambda *_: server.drain(0.0))
    server.serve_forever(poll_interval=0.2)
    server.server_close()


if __name__ == "__main__":
    main()
