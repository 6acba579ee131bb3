"""`python -m chaos.sandbox.toxiproxy -host HOST -port PORT [-proxy-metrics] [-config FILE]`: the flags of the real server."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from chaos.sandbox.toxiproxy.http import serve
from chaos.sandbox.toxiproxy.proxies import POD_IP, ApiError
from chaos.sandbox.toxiproxy.server import VERSION, Api


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="toxiproxy-server", allow_abbrev=False)
    parser.add_argument("-host", "--host", default="localhost")
    parser.add_argument("-port", "--port", type=int, default=8474)
    parser.add_argument("-config", "--config", default=os.environ.get("GAMEDAY_PROXIES", ""))
    parser.add_argument("-seed", "--seed", type=int, help="taken, not used")
    parser.add_argument("-proxy-metrics", "--proxy-metrics", action="store_true")
    parser.add_argument("-runtime-metrics", "--runtime-metrics", action="store_true", help="taken; there are none")
    parser.add_argument("-version", "--version", action="version", version=f"toxiproxy-server version {VERSION}")
    return parser.parse_args(argv)


async def run(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    # A pod of the sandbox has one address of its own, and mounts below a folder of its own.
    any_address = options.host in ("", "0.0.0.0", "::")  # noqa: S104 - read, not bound
    host = POD_IP if POD_IP and any_address else options.host
    api = Api(proxy_metrics=options.proxy_metrics)
    if options.config:  # its proxies stand before the first request is answered
        await api.populate(Path(os.environ.get("POD_ROOT", "") + options.config).read_bytes())
    server = await serve(api.answer, host, options.port)
    await over.wait()
    server.close()


def main() -> int:
    try:
        asyncio.run(run(arguments()))
    except (OSError, ApiError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a program of its own
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
