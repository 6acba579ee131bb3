"""`gameday schema`: the JSON Schema of each file format, so that editors complete and check while people type."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

import chaos
from chaos.cli.shared import write as save

KINDS = ("scenario", "experiment", "service")
FOLDER = Path(chaos.__file__).parent / "schema"


@click.command()
@click.argument("kind", type=click.Choice(KINDS), default="scenario")
@click.option("--write", type=click.Path(file_okay=False, path_type=Path), help="Write all schemas into this folder instead.")
def command(kind: str, write: Path | None) -> None:
    """Print the JSON Schema of a file format.

    Put this line at the top of a file, and editors with a YAML language server complete and check it:

    \b
      # yaml-language-server: $schema=PATH/scenario.json

    \b
    Examples:
      gameday schema experiment
      gameday schema --write .schema
    """
    if write is None:
        click.echo((FOLDER / f"{kind}.json").read_text(), nl=False)
        return
    for each in KINDS:
        save(write / f"{each}.json", (FOLDER / f"{each}.json").read_text(encoding="utf-8"))
    click.echo(f"wrote {', '.join(f'{each}.json' for each in KINDS)} to {write}")


def generate() -> dict[str, str]:
    """File name -> schema, from the models: what `chaos/schema` must hold."""
    os.environ["GAMEDAY_DESCRIBED"] = "yes"  # before any model is imported
    from chaos.catalogue.library import MODELS

    files = {}
    for format_, model in MODELS.items():
        kind, _, number = format_.partition("/")
        body: dict[str, Any] = model.model_json_schema(by_alias=True, mode="validation")
        head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:gameday:{kind}:{number}"}
        files[f"{kind}.json"] = json.dumps({**head, **body}, indent=1, ensure_ascii=False) + "\n"
    return files


def main(folder: Path) -> None:
    """Write the schemas anew: `python -m chaos.cli.schema`, or `make schema`."""
    folder.mkdir(exist_ok=True)
    for name, text in generate().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else FOLDER)
