"""The locustfile of a scenario, and the modules beside it that it imports: inside its folder, syntactically right, frozen."""

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path

from chaos.errors import BadInput, Problem

_LARGEST = 1024 * 1024


Frozen = tuple[Path, dict[str, bytes]]


def frozen(name: str, folder: Path) -> Frozen:
    """The file's path, and the content of it and of what it imports from beside it, by path below `folder`."""
    path = folder / name
    inside = folder.resolve()
    if Path(name).is_absolute() or not path.resolve().is_relative_to(inside):
        raise BadInput(f"locustfile: {name} lies outside the folder of this file")
    if not path.is_file():
        near = sorted(str(each.relative_to(folder)) for each in path.parent.glob("*.py")) if path.parent.is_dir() else []
        raise BadInput(f"locustfile: there is no {name}" + (f"; there are {', '.join(near[:5])}" if near else ""))
    return path, {str(each.relative_to(folder)): content for each, content in _with_imports(path)}


def _with_imports(path: Path) -> list[tuple[Path, bytes]]:
    found: dict[Path, bytes] = {}
    waiting = [path]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found[each], names = _parsed(each)
            beside = [path.parent / f"{module}.py" for module in names]
            waiting += [each for each in beside if each.is_file() and not each.is_symlink()]
    return list(found.items())


def _parsed(path: Path) -> tuple[bytes, set[str]]:
    if path.stat().st_size > _LARGEST:
        raise BadInput(Problem(str(path), 0, 0, "a locustfile of more than 1 MB"))
    content = path.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(content)
    except SyntaxError as error:
        raise BadInput(Problem(str(path), error.lineno or 0, error.offset or 1, f"is not Python: {error.msg}")) from None
    except ValueError as error:
        raise BadInput(Problem(str(path), 0, 0, f"is not Python: {error}")) from None
    return content, set(_imports(tree))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
