"""A table of faults whose modules are imported when a file names them: checking one file must not cost the whole catalogue."""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from chaos.injectors.base import FaultSpec, Injector


class Table(Mapping[str, Injector]):
    """Kind -> injector; knows all its names, and imports a module of `chaos.injectors` only when it is asked for."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._modules = dict(modules)

    def __getitem__(self, kind: str) -> Injector:
        injector: Injector = importlib.import_module(f"chaos.injectors.{self._modules[kind]}")
        return injector

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


class ByKind:
    """Makes a field take the Spec of the injector that its `kind` names; a closed union, like any other with a tag."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def chosen(self, value: object) -> type[FaultSpec] | None:
        """The model for a value out of a file; None where its kind is missing or unknown."""
        kind = value.get("kind") if isinstance(value, dict) else None
        return self._table[kind].Spec if isinstance(kind, str) and kind in self._table else None

    def _validate(self, value: Any) -> FaultSpec:
        if isinstance(value, FaultSpec):
            return value
        if not isinstance(value, dict):
            raise PydanticKnownError("model_type", {"class_name": "fault"})
        if (model := self.chosen(value)) is not None:
            return model.model_validate(value)  # its errors keep their places: pydantic puts ours before them
        if "kind" not in value:
            raise PydanticKnownError("union_tag_not_found", {"discriminator": "'kind'"})
        known = ", ".join(f"'{kind}'" for kind in self._table)
        told = {"discriminator": "'kind'", "tag": str(value["kind"]), "expected_tags": known}
        raise PydanticKnownError("union_tag_invalid", told)

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """For editors the union is written out: there, every kind is wanted."""
        specs = {kind: injector.Spec.__pydantic_core_schema__ for kind, injector in self._table.items()}
        return handler(core_schema.tagged_union_schema(specs, discriminator="kind"))
