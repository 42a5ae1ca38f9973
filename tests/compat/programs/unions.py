"""Optional and other unions."""

import datetime
from dataclasses import dataclass
from typing import Dict, List, Optional, Union

import flyte

env = flyte.TaskEnvironment(name="unions")


@dataclass
class Box:
    x: int


@env.task
async def main(
    a: Optional[int],
    b: Union[int, str],
    c: float | None = None,
    d: Optional[List[str]] = None,
    e: Optional[Box] = None,
    f: Union[List[int], Dict[str, int], None] = None,
    g: Optional[datetime.timedelta] = datetime.timedelta(seconds=90),
    h: Optional[str] = "text",
    i: Optional[bool] = True,
) -> Optional[Union[int, str]]:
    return a
