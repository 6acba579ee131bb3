"""`gameday report`: the report of a stored run."""

from pathlib import Path

import click

from chaos.cli.shared import run_folder, write
from chaos.errors import BadInput

FILES = {
    "markdown": "summary.md",
    "html": "report.html",
    "junit": "junit.xml",
    "verdict": "verdict.json",
    "findings": "findings.json",
}


@click.command()
@click.argument("run", default="latest")
@click.option("--reports", type=click.Path(path_type=Path), default=Path("reports"), show_default=True)
@click.option("--format", "form", type=click.Choice([*FILES, "path"]), default="markdown", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it here instead of printing it.")
def command(run: str, reports: Path, form: str, output: Path | None) -> None:
    """Show the report of a stored run. `path` prints where the HTML file is, for your browser.

    \b
    Examples:
      gameday report
      gameday report --format junit -o junit.xml
      xdg-open $(gameday report --format path)
    """
    folder = run_folder(run, reports)
    file = folder / FILES.get(form, "report.html")
    if not file.is_file():
        raise BadInput(f"{folder.name} has no {file.name}: it was never judged; try: gameday judge {folder.name}")
    if form == "path":
        click.echo(str(file))
    elif output is not None:
        write(output, file.read_text(encoding="utf-8"))
        click.echo(f"written to {output}")
    else:
        click.echo(file.read_text(encoding="utf-8"), nl=False)
