"""`report.html`: one file that needs nothing else. No network, no fonts, no images; readable with scripts blocked.

Every name is hostile: Jinja2 escapes all of them, and the page's own policy lets no script run but ours, known by its digest.
"""

import base64
import hashlib
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from chaos.render import facts, words
from chaos.render.charts import Figure, figure
from chaos.render.phases import phase_table
from chaos.render.report_data import ReportData
from chaos.render.sentences import banner
from chaos.render.series import ALL

_MOST_FIGURES = 6


def render(data: ReportData) -> str:
    """The whole page; the same data give the same bytes."""
    figures = _figures(data)
    script = _resource("report.js")
    page = _environment().get_template("report.html.j2")
    return page.render(
        data=data,
        top=banner(data),
        figures=figures,
        readings=[{"id": each.id, "plot": each.plot, "rows": each.readings} for each in figures],
        phases=phase_table(data, data.focus),
        script=Markup(script),  # noqa: S704 - our own file
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        style=Markup(_resource("report.css").replace("DARK", _resource("dark.css"))),  # noqa: S704 - our own file
        kinds=_grouped(data),
    )


def _figures(data: ReportData) -> list[Figure]:
    """First the transaction that the tolerances speak of, then all together, then the others."""
    names = data.series.names
    if not names and not data.phases:
        return []
    wanted = [data.focus, ALL, *names] if len(names) > 1 else [data.focus]
    return [figure(data, name, id=f"f{number}") for number, name in enumerate(list(dict.fromkeys(wanted))[:_MOST_FIGURES])]


def _grouped(data: ReportData) -> list[tuple[str, int]]:
    """How many tolerances ended how: worst first."""
    return [(outcome, len(data.rows(outcome))) for outcome in ("breached", "inconclusive", "held") if data.rows(outcome)]


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=FunctionLoader(_resource)
    )
    helpers: dict[str, Any] = {"words": words, "facts": facts, "targets": facts.targets, "signs": _SIGNS}
    environment.globals.update(helpers)
    return environment


@lru_cache(maxsize=8)
def _resource(name: str) -> str:
    """A file of ours that travels with the package."""
    return (files("chaos.render") / "templates" / name).read_text(encoding="utf-8")


_SIGNS = {
    # drawn, not typed: not every font has them, and a shape tells what a colour may not
    "held": Markup('<path d="M5 12.5l4.5 4.5L19 7.5"/>'),
    "breached": Markup('<path d="M6.5 6.5l11 11m0-11l-11 11"/>'),
    "inconclusive": Markup('<path d="M8.5 9a3.5 3.5 0 1 1 5 3.2c-1 .5-1.5 1.1-1.5 2.3M12 18v.2"/>'),
}
