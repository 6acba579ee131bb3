"""`gameday version`: ours, and those of the packages that do the work."""

import json
from importlib.metadata import PackageNotFoundError, version

import click

import chaos

PACKAGES = ("kubernetes", "docker", "httpx", "locust", "pydantic", "pytest", "toxiproxy-python")


def versions() -> dict[str, str]:
    found = {"gameday": chaos.__version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def lines() -> list[str]:
    return [f"{name} {number}" for name, number in versions().items()]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def command(as_json: bool) -> None:
    """Show versions: ours, and those of the packages beneath. Paste it into reports of trouble."""
    click.echo(json.dumps(versions()) if as_json else "\n".join(lines()))
