"""Where files are: beside the file that names them, in the project folder, or among those that came with the program.

The file of a service or an experiment bears its id as its name, so that an id is found without reading anything else.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ValidationError

import chaos
from chaos import source
from chaos.catalogue.locustfiles import Frozen, frozen
from chaos.errors import BadInput
from chaos.model.service import Service
from chaos.scenario import Experiment, Scenario
from chaos.source import Document

Kind = Literal["scenarios", "experiments", "services"]
M = TypeVar("M", bound=BaseModel)
Parsed = tuple[Document, M]

MODELS: dict[str, type[BaseModel]] = {"scenario/v1": Scenario, "experiment/v1": Experiment, "service/v1": Service}


@cache
def shipped() -> Path:
    """The folder whose `scenarios/` and `experiments/` came with the program: in a wheel `chaos/files`, else the checkout."""
    package = Path(chaos.__file__).parent
    inside = package / "files"
    return inside if inside.is_dir() else package.parent


def model_of(format_: object) -> type[BaseModel] | None:
    """The model of a file that says it is of this format; None for a format that we do not know."""
    return MODELS.get(format_) if isinstance(format_, str) else None


def home_of(folder: Path) -> Path:
    """The `scenarios` folder that a file in `folder` belongs to, or the folder itself."""
    for each in [folder, *folder.parents][:6]:
        if each.name in ("scenarios", "experiments") or (each / "services").is_dir():
            return each
    return folder


def folders(kind: Kind, home: Path | None = None) -> list[Path]:
    """Where files of a kind are looked for, nearest first; `home` is the `scenarios` folder of the file that asks."""
    project, ours = Path.cwd(), shipped()
    found: list[Path] = []
    if kind == "experiments":
        if home is not None:
            found += [home.parent / "experiments", home / "experiments", home]
        found += [project / "experiments", ours / "experiments"]
    else:
        scenarios = [project / "scenarios", ours / "scenarios"]
        if home is not None:
            scenarios = [home, home.parent / "scenarios", *scenarios]
        found = [each / "services" for each in scenarios] if kind == "services" else scenarios
    return list(dict.fromkeys(found))


def ids(kind: Kind, home: Path | None = None) -> dict[str, Path]:
    """File name without its ending -> path; a nearer file hides a farther one of the same name."""
    found: dict[str, Path] = {}
    for folder in folders(kind, home):
        for path in sorted(folder.glob("*.yaml")):
            found.setdefault(path.stem, path)
    return found


def shown(path: Path) -> str:
    """The path as people write it: below the current folder where it is there."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


@dataclass
class Library:
    """Reads each file once, however many scenarios name it."""

    _parsed: dict[tuple[Path, str], tuple[Document, BaseModel]] = field(default_factory=dict)
    _homes: dict[Path, Path] = field(default_factory=dict)
    _locustfiles: dict[tuple[str, Path], Frozen] = field(default_factory=dict)
    _ids: dict[tuple[Kind, Path | None], dict[str, Path]] = field(default_factory=dict)

    def home(self, folder: Path) -> Path:
        if folder not in self._homes:
            self._homes[folder] = home_of(folder)
        return self._homes[folder]

    def locustfile(self, name: str, folder: Path) -> Frozen:
        """The file and its imports, read once for all scenarios of a folder; BadInput each time."""
        if (name, folder) not in self._locustfiles:
            self._locustfiles[name, folder] = frozen(name, folder)
        return self._locustfiles[name, folder]

    def find(self, kind: Kind, name: str, home: Path | None = None) -> Path | None:
        return self.known(kind, home).get(name)

    def known(self, kind: Kind, home: Path | None = None) -> dict[str, Path]:
        if (kind, home) not in self._ids:
            self._ids[kind, home] = ids(kind, home)
        return self._ids[kind, home]

    def model(self, path: Path, model: type[M]) -> Parsed[M]:
        """The file as this model; BadInput with all its mistakes. Kept for the next one who asks."""
        key = (path, model.__name__)
        if key not in self._parsed:
            document = source.read(path, shown=shown(path))
            self._parsed[key] = (document, validate(document, model))
        document, value = self._parsed[key]
        assert isinstance(value, model)
        return document, value


def validate(document: Document, model: type[M]) -> M:
    """The document as this model; BadInput with all mistakes at once."""
    try:
        value = model.model_validate(document.value)
    except ValidationError as error:
        raise BadInput.of(source.problems(document, error, model)) from None
    if document.flaws:
        raise BadInput.of(document.flaws)
    return value
