"""`gameday cluster up|down|status|load`: a real cluster on this machine, made of kind nodes, with the sample shop on it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaos.cli.shared import connect, print_json, table
from chaos.errors import BadInput, NotReady

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_NAME = click.option("--name", default="gameday", show_default=True, metavar="NAME", help="The kind cluster.")
_ON = click.option("--on", default="", metavar="CONTEXT", help="A cluster that is not kind, by its kubeconfig context.")
_KUBECONFIG = click.option(
    "--kubeconfig", type=click.Path(dir_okay=False, path_type=Path), help="Default: as kubectl finds it."
)


@click.group()
def command() -> None:
    """Make a real cluster on this machine (kind: nodes are containers), with the sample shop on it. Needs docker and kind.

    \b
    Examples:
      gameday cluster up                       one control plane, three workers in three zones, the shop
      gameday cluster up --weak no-timeout     the shop with a weakness, for a scenario to find
      gameday cluster up --name mine           on a kind cluster that is there already
      gameday cluster up --on staging --shop-image registry.example/shop:1
      gameday run payments-dark-on-the-busiest-day --on kind-gameday
    """


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _up_options(up: "Callable[..., Any]") -> "Callable[..., Any]":
    for option in (
        _KUBECONFIG,
        click.option(
            "--shop-image", default="", metavar="IMAGE", help="An image that the nodes can pull, instead of building one."
        ),
        click.option(
            "--node-port", default=30080, show_default=True, help="Where customers enter; kind-config.yaml publishes it."
        ),
        click.option("--empty", is_flag=True, help="Deploy nothing."),
        click.option("--weak", multiple=True, metavar="WEAKNESS", help="Deploy the shop with it (repeatable)."),
        click.option("--config", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="Your own kind config."),
        click.option(
            "--image", default="", envvar="GAMEDAY_NODE_IMAGE", metavar="IMAGE", help="Node image; default: kind's own."
        ),
        click.option(
            "--on", default="", metavar="CONTEXT", help="A cluster that is not kind: deploy the shop there, make nothing."
        ),
        _NAME,
    ):
        up = option(up)
    return up


@command.command()
@_up_options
def up(  # noqa: PLR0917 - one an option
    name: str,
    on: str,
    image: str,
    config: Path | None,
    weak: tuple[str, ...],
    empty: bool,
    node_port: int,
    shop_image: str,
    kubeconfig: Path | None,
) -> None:
    """Make the cluster if it is not there, build and load images, deploy the shop, and wait until all is ready."""
    from chaos.cli import kind_shop
    from chaos.cli.sandbox import weaknesses

    wanted, weak_ones = kind_shop.Wanted(name=name, node_image=image, config=config, kubeconfig=kubeconfig), weaknesses(weak)
    if empty and weak:
        raise BadInput("--empty deploys nothing, so it cannot be weak")
    place = _elsewhere(on, shop_image, kubeconfig) if on else kind_shop.ensure(wanted, _tell)
    assert place.world is not None, "only --on none has no world"
    if not empty:
        shop = shop_image or kind_shop.bring_images(name, place.world.cluster, _tell)
        kind_shop.deploy_shop(place.world.cluster, shop, weak_ones, node_port=node_port, tell=_tell)
    weakly = f" ({', '.join(sorted(weak_ones))})" if weak_ones else ""
    click.echo(f"{place.environment.name} is up" + ("" if empty else f" with the sample shop{weakly}"))
    if not empty and place.environment.kind == "kind":
        _say_entrance(place.environment.name, node_port)


def _elsewhere(context: str, shop_image: str, kubeconfig: Path | None) -> "Any":
    """A cluster that we neither make nor can load images onto: it must be trusted, like one that is to be struck."""
    if not shop_image:
        raise BadInput("--on needs --shop-image: we can load images onto kind nodes only, others must pull them")
    return _trusted(context, kubeconfig)


def _trusted(context: str, kubeconfig: Path | None) -> "Any":
    from chaos import trust

    place = connect(context, "", kubeconfig)
    trust.require(place.environment)
    return place


def _say_entrance(context: str, node_port: int) -> None:
    from chaos.cli.kind_shop import entrance

    if url := entrance(node_port):
        click.echo(f"customers enter at {url}")
        click.echo(f"next: gameday run payments-dark-on-the-busiest-day --on {context}")
    else:
        click.echo(
            f"customers cannot get in from here: 127.0.0.1:{node_port} does not answer, so the cluster was made without that "
            "port in its config; give --url to run, or make the cluster with kind-config.yaml"
        )


@command.command()
@_NAME
@_ON
@_KUBECONFIG
def down(name: str, on: str, kubeconfig: Path | None) -> None:
    """Delete the cluster if `up` made it; from a cluster of somebody else only the shop is taken away."""
    from chaos import trust
    from chaos.cli import kind_shop
    from chaos.clients.kind import Kind

    if on:
        _take_shop_away(_trusted(on, kubeconfig))
        return
    wanted = kind_shop.Wanted(name=name, kubeconfig=kubeconfig)
    if name not in Kind().clusters():
        trust.remove(wanted.context)
        click.echo(f"there is no kind cluster {name}")
    elif kind_shop.is_made_by_us(wanted):
        Kind().delete(name, kubeconfig=str(kubeconfig or ""), tell=_tell)
        trust.remove(wanted.context)
        click.echo(f"kind cluster {name} is deleted")
    else:
        _take_shop_away(kind_shop.reach(wanted))
        click.echo(
            f"kind cluster {name} stays, since it was not made by `gameday cluster up`: kind delete cluster --name {name}"
        )


def _take_shop_away(place: "Any") -> None:
    from chaos.cli import kind_shop

    click.echo("the shop is deleted" if kind_shop.remove_shop(place.world.cluster) else "there was no shop")


@command.command()
@_NAME
@_ON
@_KUBECONFIG
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def status(name: str, on: str, kubeconfig: Path | None, as_json: bool) -> int:
    """Tell whether it runs, and what is on it. Exit code 5 when it does not run."""
    from chaos import trust
    from chaos.cli import kind_shop
    from chaos.clients.kind import Kind

    if not on and name not in Kind().clusters():
        if as_json:
            print_json({"up": False})
        else:
            click.echo(f"there is no kind cluster {name}; make one: gameday cluster up")
        return NotReady.exit_code
    place = connect(on, "", kubeconfig) if on else kind_shop.reach(kind_shop.Wanted(name=name, kubeconfig=kubeconfig))
    assert place.world is not None
    trusted, seen = trust.is_trusted(place.environment), kind_shop.describe(place.world.cluster)
    if as_json:
        print_json(
            {"up": True, "context": place.environment.name, "version": place.environment.version, "trusted": trusted, **seen}
        )
        return 0
    click.echo(f"{place.environment.name} {place.environment.version}, " + ("trusted" if trusted else "not trusted"))
    click.echo(
        table(
            [[str(n["name"]), str(n["zone"]), "ready" if n["ready"] else "not ready"] for n in seen["nodes"]],
            ["NODE", "ZONE", ""],
        )
    )
    if seen["shop"]:
        click.echo(table([[str(d["name"]), f"{d['ready']} of {d['wanted']} ready"] for d in seen["shop"]], ["SHOP", ""]))
    return 0


@command.command()
@click.argument("images", nargs=-1, metavar="[IMAGE]...")
@_NAME
@_KUBECONFIG
def load(images: tuple[str, ...], name: str, kubeconfig: Path | None) -> None:
    """Bring images from this machine's Docker onto the nodes; without IMAGE: ours, the shop's built from its sources."""
    from chaos.cli import kind_shop
    from chaos.clients.kind import Kind

    if images:
        Kind().load(name, images, tell=_tell)
        click.echo(f"loaded: {', '.join(images)}")
        return
    world = kind_shop.reach(kind_shop.Wanted(name=name, kubeconfig=kubeconfig)).world
    assert world is not None
    click.echo(f"loaded: {kind_shop.bring_images(name, world.cluster, _tell)}")
