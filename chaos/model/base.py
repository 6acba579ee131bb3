"""The base of every model: frozen, strict, and closed to keys that nobody reads."""

import os
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

DESCRIBED = "GAMEDAY_DESCRIBED" in os.environ
"""Whether models carry the docstrings of their fields, for the JSON Schema. Reading them takes a third of the import."""


class Model(BaseModel):
    """Refuses unknown keys and wrong types (no "5" for 5, no yes for true) and cannot be changed afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=DESCRIBED)

    def as_json(self) -> dict[str, Any]:
        """The JSON value of this model, keys that were not set left out."""
        return self.model_dump(mode="json", exclude_none=True)


class Record(Model):
    """What we write ourselves and must be able to read in later versions: unknown keys are kept, never fatal."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=False, defer_build=True, use_attribute_docstrings=DESCRIBED)


def complete(model: type[BaseModel] = Model) -> None:
    """Build the validators of all models known by now. They are deferred, since most commands need few of them; building
    is not safe from several threads at once, so whoever starts threads does it first.
    """
    for each in model.__subclasses__():
        if not each.__pydantic_complete__:
            each.model_rebuild()
        complete(each)


Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""A stable name: lower-case letters, digits and dashes, at most 63 characters."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
"""The name of a Kubernetes object."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=4000, strip_whitespace=True)]
"""Words for people."""

Labels = Annotated[dict[str, str], Field(min_length=1, max_length=20)]
"""A label selector by equality; an empty one would match everything and is refused."""
