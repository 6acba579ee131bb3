"""`gameday rbac`: the least role with which a scenario can be planned, run and put back."""

from pathlib import Path

import click

from chaos.cli.shared import connect, story_paths, where_options


@click.command()
@click.argument("file")
@where_options
@click.option("--account", default="gameday", show_default=True, metavar="NAME", help="The service account to bind it to.")
@click.option(
    "--namespace", default="", metavar="NAMESPACE", help="Where that account lives; default: the scenario's namespace."
)
def command(*, file: str, on: str, url: str, kubeconfig: Path | None, account: str, namespace: str) -> None:
    """Print the least role with which a run can inject, undo, observe and guard, as YAML for kubectl. Changes nothing.

    FILE is a scenario or experiment: a path, or the id of one from `gameday list`. What the role names are the targets that
    are there now. Rights that only a run in trouble uses are told, with their reason, in an annotation of the role.

    \b
    Examples:
      gameday rbac payments-slow-not-dead --on kind-gameday | kubectl apply -f -
      kubectl create token gameday -n shop
    """
    from chaos import api
    from chaos.catalogue import load_stories
    from chaos.render import rbac

    (story,) = load_stories(story_paths([file])[:1])
    planned = api.plan(story, connect(on, url, kubeconfig), seed=1)
    click.echo(rbac.roles(planned, account=account, namespace=namespace or story.namespace), nl=False)
