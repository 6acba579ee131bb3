"""Which clusters may be struck: by fingerprint (certificate authority and UID of kube-system), never by the name of a context.

A name can point anywhere tomorrow; the fingerprint is the cluster itself. The sandbox is trusted by itself. CI may name
fingerprints in `GAMEDAY_TRUST`, separated by commas. Undoing never asks for trust.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from chaos.errors import BadInput, NotReady
from chaos.ledger import state_folder
from chaos.model.base import Record
from chaos.model.run import Environment

ENVIRONMENT = "GAMEDAY_TRUST"
_PRODUCTION = re.compile(r"(^|[^a-z])(prod|production|prd|live)([^a-z]|$)", re.IGNORECASE)


class Trusted(Record):
    """One cluster that may be struck, and why."""

    fingerprint: str
    name: str
    how: Literal["made", "asked", "environment"]
    """made: we created this kind cluster. asked: somebody ran `gameday trust`. environment: named in GAMEDAY_TRUST."""
    when: str = ""


def trusted(*, environ: Mapping[str, str] | None = None) -> list[Trusted]:
    """All clusters that may be struck, by name."""
    told = (os.environ if environ is None else environ).get(ENVIRONMENT, "")
    named = [each.strip() for each in told.split(",") if each.strip()]
    found = {each: Trusted(fingerprint=each, name=f"named in {ENVIRONMENT}", how="environment") for each in named}
    found.update({each.fingerprint: each for each in _read()})
    return sorted(found.values(), key=lambda each: each.name)


def is_trusted(environment: Environment) -> bool:
    """Whether this cluster may be struck."""
    if environment.kind in ("sandbox", "none"):
        return True
    return bool(environment.fingerprint) and any(each.fingerprint == environment.fingerprint for each in trusted())


def require(environment: Environment) -> None:
    """BadInput, before anything is touched, unless the cluster may be struck."""
    if not is_trusted(environment):
        raise BadInput(
            f"cluster {environment.name} (fingerprint {environment.fingerprint or 'unknown'}) is not trusted, so it is "
            f"not struck; if it is meant to be: gameday trust --on {environment.name}"
        )


def looks_like_production(name: str) -> bool:
    """Whether a name says so; then trust needs a second yes."""
    return bool(_PRODUCTION.search(name))


def add(environment: Environment, *, how: Literal["made", "asked"], when: str = "") -> Trusted:
    """Trust this cluster from now on; the same one again changes nothing but its name."""
    if not environment.fingerprint:
        raise BadInput(f"cluster {environment.name} has no fingerprint to trust it by")
    known = {each.fingerprint: each for each in _read()}
    old = known.get(environment.fingerprint)
    new = Trusted(
        fingerprint=environment.fingerprint, name=environment.name, how=old.how if old else how, when=old.when if old else when
    )
    known[new.fingerprint] = new
    _write(list(known.values()))
    return new


def remove(what: str) -> list[Trusted]:
    """Trust no longer what bears this name or fingerprint; returns what was removed."""
    known = _read()
    gone = [each for each in known if what in (each.name, each.fingerprint)]
    if gone:
        _write([each for each in known if each not in gone])
    return gone


def made_by_us(fingerprint: str) -> bool:
    """Whether we created this cluster, and so may delete it."""
    return any(each.fingerprint == fingerprint and each.how == "made" for each in _read())


def _file() -> Path:
    return state_folder() / "trust.json"


def _read() -> list[Trusted]:
    path = _file()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise NotReady(f"cannot read {path}: {error.strerror}") from error
    try:
        return [Trusted.model_validate(each) for each in json.loads(text)["trusted"]]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{path} is not readable as a list of trusted clusters ({error}); nothing is trusted until it is put right"
        ) from None


def _write(entries: list[Trusted]) -> None:
    """Whole or not at all, and for the owner only."""
    path = _file()
    text = json.dumps({"format": "trust/v1", "trusted": [each.as_json() for each in entries]}, indent=2) + "\n"
    fresh = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise NotReady(f"cannot write {path}: {error.strerror}") from error
