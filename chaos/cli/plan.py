"""`gameday plan`: what a run would do, without doing any of it."""

from pathlib import Path

import click

from chaos.cli.shared import connect, guard_options, story_paths, where_options, write


@click.command()
@click.argument("file")
@where_options
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed chooses the same targets.")
@guard_options
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Also write the plan as JSON here.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def command(
    *,
    file: str,
    on: str,
    url: str,
    kubeconfig: Path | None,
    seed: int,
    guard: bool,
    ttl: float,
    output: Path | None,
    as_json: bool,
) -> None:
    """Show what a run would touch, how it is put back, and which rights that needs. Changes nothing.

    FILE is a scenario or experiment: a path, or the id of one from `gameday list`. A plan that is written with -o can be
    looked at, kept, and run: `gameday run --plan` refuses to do anything else.

    \b
    Examples:
      gameday plan scenarios/payment-provider-dark.yaml
      gameday plan payments-slow-not-dead --on kind-gameday -o plan.json
      gameday run --plan plan.json
    """
    from chaos import api
    from chaos.catalogue import load_stories

    (story,) = load_stories(story_paths([file])[:1])
    place = connect(on, url, kubeconfig)
    planned = api.plan(story, place, seed=seed, guard=guard, ttl=ttl)
    planned = planned.model_copy(update={"asked": file})
    text = planned.model_dump_json(indent=2, exclude_none=True) + "\n"
    if output is not None:
        write(output, text)
    if as_json:
        click.echo(text, nl=False)
        return
    from rich.console import Console

    from chaos.render import terminal

    terminal.plan(planned, Console())
    if place.world is not None:
        from chaos.engine import lever

        click.echo(f"safety lever of {place.environment.name}: {lever.engaged(place.world.cluster) or 'not engaged'}")
    if output is not None:
        click.echo(f"plan written to {output}")
