"""Types that are seldom met, with defaults, so that their values go on the wire too."""
# ruff: noqa: I001

import dataclasses
import datetime
import enum
from typing import (
    Annotated,
    Any,
    Dict,
    Generic,
    List,
    Literal,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
    TypeVar,
    Union,
)

import flyte
from pydantic import BaseModel
from typing_extensions import TypedDict

env = flyte.TaskEnvironment(name="odd")
T = TypeVar("T")


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"
    CRIMSON = "r"  # noqa: PIE796  an alias


class Spot(NamedTuple):
    x: int
    color: Color = Color.RED


class Label(TypedDict):
    color: Color
    text: str


@dataclasses.dataclass
class Node:
    value: int
    color: Color = Color.BLUE
    children: List["Node"] = dataclasses.field(default_factory=list)


class Leaf(BaseModel):
    color: Color = Color.RED


class Tree(BaseModel):
    """Enums in every place that a model has for them."""

    plain: Color = Color.RED
    maybe: Optional[Color] = Color.RED
    listed: List[List[Color]] = [[Color.RED]]
    mapped: Dict[Color, Color] = {Color.RED: Color.BLUE}
    leaf: Optional[Leaf] = Leaf()
    leaves: Dict[str, List[Leaf]] = {"a": [Leaf()]}
    pair: Tuple[Color, int] = (Color.RED, 1)
    many: Tuple[Leaf, ...] = (Leaf(),)
    either: Union[Color, int] = Color.RED
    one_of: Union[int, Leaf] = Leaf()
    distinct: Set[Color] = {Color.RED}
    sequence: Sequence[Color] = [Color.RED]
    spot: Spot = Spot(1)
    label: Label = {"color": Color.RED, "text": "a"}
    node: Node = Node(1, children=[Node(2)])
    anything: Any = Color.RED
    noted: Annotated[Color, "a note"] = Color.RED
    below: Dict[str, "Tree"] = {}


class Box(BaseModel, Generic[T]):
    value: T
    values: List[T] = []


class ColorBox(Box[Color]):
    pass


@env.task
async def unhinted(x, y=1, *, z: list = [1]) -> int:
    return 1


@env.task
async def choices(
    a: Literal["x", "y"] = "x",
    b: Optional[Literal["x", "y"]] = None,
    c: List[Literal["x", "y"]] = ["x"],
    d: Literal[1, 2] = 2,
    e: Literal["x", 1] = "x",
    f: Union[Literal["q"], int] = "q",
    g: Dict[str, Literal["x"]] = {"a": "x"},
    h: Optional[Literal["x", "y"]] = "y",
) -> List[Literal["x", "y"]]:
    return c


@env.task
async def enums(
    color: Color = Color.CRIMSON,
    tree: Tree = Tree(below={"a": Tree()}),
    box: Box[Color] = Box[Color](value=Color.RED, values=[Color.BLUE]),
    color_box: ColorBox = ColorBox(value=Color.RED),
    spot: Spot = Spot(1, Color.BLUE),
    label: Label = {"color": Color.BLUE, "text": ""},
    row: Tuple[Spot, Color, List[Color]] = (Spot(1), Color.RED, [Color.BLUE]),
    node: Node = Node(1, Color.RED, [Node(2)]),
) -> Optional[Tree]:
    return tree


@env.task
async def annotated(
    a: List[Annotated[List[int], "inner"]] = [[1], []],
    b: Optional[Annotated[List[int], "inner"]] = [1],
    c: Dict[str, Annotated[Color, "inner"]] = {"a": Color.RED},
    d: Annotated[Optional[Annotated[Node, "inner"]], "outer"] = None,
) -> Annotated[int, "a note"]:
    return 1


@env.task
async def loose(
    a: Dict = {"a": 1},
    b: Dict[float, datetime.datetime] = {1.5: datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone.utc)},
    c: Optional[object] = None,
    d: Dict[str, Any] = {},
    e: Dict[int, Node] = {1: Node(1)},
    f: float = float("inf"),
    g: dict = {"n": 2**64 - 1, "f": float("nan"), "b": b"\xff"},
    h: Optional[Union[int, str]] = "é😀",
    i: Tuple[int, ...] = (1, 2),
    j: int = -(2**63),
) -> None:
    pass
