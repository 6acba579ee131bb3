"""What several commands share: where to strike, files by path or id, writing files."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from chaos.errors import BadInput, NotReady, Problem

if TYPE_CHECKING:
    from chaos.engine.place import Place

F = TypeVar("F", bound=Callable[..., Any])


def where_options(command: F) -> F:
    """`--on`, `--url`, `--kubeconfig`: where to strike. Nothing else is ever tried."""
    for option in (
        click.option("--kubeconfig", type=click.Path(dir_okay=False, path_type=Path), help="Default: as kubectl finds it."),
        click.option("--url", default="", metavar="URL", help="Where customers enter, if the cluster cannot tell."),
        click.option(
            "--on",
            default="sandbox",
            show_default=True,
            metavar="WHERE",
            envvar="GAMEDAY_ON",
            help="sandbox, kind-NAME, another kubeconfig context, or none (load and checks against --url only).",
        ),
    ):
        command = option(command)
    return command


def guard_options(command: F) -> F:
    """`--guard` and `--ttl`: who puts everything back when this machine is gone, and after how long."""
    for option in (
        click.option(
            "--ttl",
            default="30s",
            show_default=True,
            metavar="DURATION",
            callback=_ttl,
            help="Silence after which the guard in the cluster puts everything back: from 5s to 10m.",
        ),
        click.option(
            "--guard/--no-guard",
            default=True,
            help="Whether a small pod in the cluster puts everything back when this machine is gone.",
        ),
    ):
        command = option(command)
    return command


def _ttl(_ctx: click.Context, _param: click.Parameter, text: str) -> float:
    from chaos.model.units import parse_duration

    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if not 5.0 <= seconds <= 600.0:
        raise click.BadParameter("from 5s to 10m")
    return seconds


def connect(on: str, url: str, kubeconfig: Path | None) -> "Place":
    from chaos.engine import reaching  # what api.connect does, without the rest of api

    if url and not url.startswith(("http://", "https://")):
        raise BadInput(f"--url {url}: begin with http:// or https://")
    return reaching.place(on, url=url, kubeconfig=kubeconfig)


def story_paths(names: Sequence[str]) -> list[Path]:
    """Paths as given; what is no path is the id of a scenario or experiment that the catalogue knows; a folder is its files."""
    from chaos.catalogue import ids
    from chaos.source import nearest

    known = {**ids("experiments"), **ids("scenarios")}
    paths: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            paths += sorted(path.glob("*.yaml"))
        elif path.exists() or path.suffix or len(path.parts) > 1:
            paths.append(path)
        elif name in known:
            paths.append(known[name])
        else:
            raise BadInput(Problem(name, 0, 0, "is no file, and no scenario or experiment known here", nearest(name, known)))
    if not paths:
        raise BadInput(f"no .yaml file in {', '.join(names)}")
    return list(dict.fromkeys(paths))


def run_folder(run: str, reports: Path) -> Path:
    """The folder of a stored run: a path, an id below `reports`, or `latest`."""
    from chaos.source import nearest

    for folder in (Path(run), reports / run):
        if (folder / "run.json").is_file():
            return folder.resolve()
    known = sorted(path.parent.name for path in reports.glob("*/run.json"))
    hint = nearest(run, known) or (f"the newest is {known[-1]}" if known else f"there are no runs in {reports}")
    raise BadInput(f"{run} is no stored run; {hint}")


def write(path: Path, text: str) -> None:
    """Write a file that the user asked for; NotReady, not a crash, when the disk will not have it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NotReady(f"cannot write {path}: {error.strerror}") from error


def print_json(value: object) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def one_line(text: str, width: int) -> str:
    """At most `width` characters of it."""
    return text if len(text) <= width else text[: width - 1] + "…"


def table(rows: Sequence[Sequence[str]], head: Sequence[str]) -> str:
    """Aligned columns, the last one as it is."""
    widths = [max(len(row[index]) for row in [head, *rows]) for index in range(len(head))]
    padded = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]]
    return "\n".join(padded)
