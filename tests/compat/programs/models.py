"""Pydantic models."""
# ruff: noqa: I001

import datetime
import enum
from typing import Optional

import flyte
from pydantic import BaseModel, Field

env = flyte.TaskEnvironment(name="models")


class Kind(enum.Enum):
    A = "first"
    B = "second"


class Part(BaseModel):
    size: int = Field(gt=0, description="how large")
    kind: Kind = Kind.A


class Whole(BaseModel):
    """A whole of parts."""

    name: str
    parts: list[Part]
    main: Optional[Part] = None
    made: Optional[datetime.date] = None


@env.task
async def main(whole: Whole, default: Part = Part(size=2, kind=Kind.B)) -> list[Whole]:
    return [whole]
