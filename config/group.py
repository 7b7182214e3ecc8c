"""What groups of settings are made of: frozen, with every key described, and types that several of them have."""

import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0, le=86_400)]


Port = Annotated[int, Field(ge=1, le=65_535)]


def _split(given: Any) -> Any:
    """Return a list from the environment: JSON when it begins with a bracket, else separated by commas."""
    if not isinstance(given, str):
        return given
    if not given.lstrip().startswith("["):
        return [name for part in given.split(",") if (name := part.strip())]
    try:
        return json.loads(given)
    except ValueError as error:
        raise ValueError(f"a list is allowed, as JSON or separated by commas; as JSON it fails: {error}") from None


Names = Annotated[tuple[str, ...], BeforeValidator(_split), Field(min_length=1)]


class Group(BaseModel):
    """A group of settings: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
