"""`gameday judge`: the verdict of a stored run, from its files alone."""

from pathlib import Path

import click

from chaos.cli.shared import run_folder


@click.command()
@click.argument("run", default="latest")
@click.option("--reports", type=click.Path(path_type=Path), default=Path("reports"), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
def command(run: str, reports: Path, as_json: bool) -> int:
    """Judge a stored run again and write its verdict, findings and reports anew. Needs no cluster.

    RUN is an id from `gameday runs list`, a folder, or `latest`. The exit code is the verdict's, as after the run itself.
    """
    from chaos import api

    result = api.judge(run_folder(run, reports))
    if as_json:
        click.echo(result.verdict.model_dump_json(indent=2))
        return result.exit_code
    from rich.console import Console

    from chaos.render import terminal

    terminal.summary(result.data, Console())
    click.echo(f"\nreport: {result.folder / 'report.html'}")
    return result.exit_code
