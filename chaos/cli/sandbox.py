"""`gameday sandbox up|down|status`: the embedded stand-in cluster."""

import sys
from typing import TYPE_CHECKING

import click

from chaos.cli.shared import connect, print_json, table
from chaos.errors import BadInput, NotReady

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
def command() -> None:
    """Start or stop the embedded stand-in cluster: local processes that answer like Kubernetes. Needs nothing but Python.

    \b
    Examples:
      gameday sandbox up                      the sample shop, as it should be
      gameday sandbox up --weak no-timeout    the shop with a weakness, for a scenario to find
      kubectl --kubeconfig $(gameday sandbox status --kubeconfig) get pods -n shop
    """


def _folder() -> "Path":
    from chaos.engine.reaching import sandbox_folder

    if not sys.platform.startswith("linux"):
        raise NotReady(
            "the sandbox needs Linux (or WSL): its pods have loopback addresses of their own; here, use a kind cluster"
        )
    return sandbox_folder()


@command.command()
@click.option("--weak", multiple=True, metavar="WEAKNESS", help="Deploy the shop with it (repeatable; `list` names them).")
@click.option("--empty", is_flag=True, help="Deploy nothing.")
def up(weak: tuple[str, ...], empty: bool) -> None:
    """Start it and deploy the sample shop; on a running one, only deploy."""
    if "list" in weak:
        from chaos.shop.deploy import WEAKNESSES

        click.echo("\n".join(f"{code}: {words}" for code, words in WEAKNESSES.items()))
        return
    if empty and weak:
        raise BadInput("--empty deploys nothing, so it cannot be weak")
    wanted = weaknesses(weak)
    folder = _folder()
    start(folder)
    if not empty:
        deploy_shop(wanted)
    shop = "" if empty else " with the sample shop"
    weakly = f" ({', '.join(sorted(wanted))})" if wanted else ""
    click.echo(f"sandbox is up{shop}{weakly}")
    click.echo(f"KUBECONFIG={folder / 'kubeconfig'}")


def weaknesses(codes: tuple[str, ...]) -> frozenset[str]:
    """The codes, if the shop knows them all."""
    from chaos.shop.deploy import WEAKNESSES
    from chaos.source import nearest

    if unknown := [code for code in codes if code not in WEAKNESSES]:
        raise BadInput(
            *(
                f"the shop knows no weakness {code}; {nearest(code, WEAKNESSES) or 'known: ' + ', '.join(WEAKNESSES)}"
                for code in unknown
            )
        )
    return frozenset(codes)


def start(folder: "Path") -> None:
    """Start the sandbox if it does not run yet."""
    from chaos.sandbox import control

    control.up(folder)


def deploy_shop(weak: frozenset[str]) -> None:
    """Bring the shop onto the sandbox, and wait until all of it is ready."""
    from chaos.cli.deploying import deploy, wait_ready
    from chaos.shop.deploy import manifests

    world = connect("sandbox", "", None).world
    assert world is not None, "only --on none has no world"
    deploy(world.cluster, manifests(weak=weak))
    wait_ready(world.cluster, "shop", tell=lambda line: click.echo(line, err=True))


@command.command()
def down() -> None:
    """Stop it: the cluster, its pods, and all that was in it."""
    from chaos.sandbox import control

    click.echo("sandbox is down" if control.down(_folder()) else "there was no sandbox")


@command.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.option("--kubeconfig", "only_path", is_flag=True, help="Only the path of its kubeconfig.")
def status(as_json: bool, only_path: bool) -> int:
    """Tell whether it runs, where, and what is on it. Exit code 5 when it does not run."""
    from chaos.sandbox import control

    folder = _folder()
    found = control.status(folder)
    if only_path:
        click.echo(str(folder / "kubeconfig"))
    elif as_json:
        print_json(
            {
                "up": found is not None,
                **({"pid": found.pid, "kubeconfig": str(found.kubeconfig), "log": str(found.log)} if found else {}),
            }
        )
    elif found is None:
        click.echo("there is no sandbox; start one: gameday sandbox up")
    else:
        click.echo(f"sandbox is up: process {found.pid}, network {found.network}, log {found.log}")
        click.echo(f"KUBECONFIG={found.kubeconfig}")
        click.echo(_deployments())
    return 0 if found else NotReady.exit_code


def _deployments() -> str:
    world = connect("sandbox", "", None).world
    assert world is not None, "only --on none has no world"
    rows = [
        [
            each["metadata"]["namespace"],
            each["metadata"]["name"],
            f"{each.get('status', {}).get('availableReplicas', 0)}/{each['spec'].get('replicas', 1)}",
        ]
        for each in world.cluster.find("Deployment")
    ]
    return table(sorted(rows), ["NAMESPACE", "DEPLOYMENT", "READY"]) if rows else "nothing is deployed"
