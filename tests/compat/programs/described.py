"""Docstrings in several styles, and descriptions of environments."""

import flyte

env = flyte.TaskEnvironment(name="described", description="Everything is described here.")
plain = flyte.TaskEnvironment(name="described_plain", description="second")


@env.task
async def main(x: int, y: str = "a") -> tuple[int, str]:
    """Do the thing.

    It is a long thing, with two paragraphs
    and several lines.

    And this.

    Args:
        x: How many.
        y: Of what,
            on two lines.

    Returns:
        The number and the text.

    Raises:
        ValueError: never.
    """
    return x, y


@env.task
async def sphinx(x: int, other: str) -> int:
    """Sphinx style.

    :param x: the x
    :param other: the other
    :return: the sum
    """
    return x


@env.task
def numpy_style(x: int) -> float:
    """Numpy style.

    Parameters
    ----------
    x : int
        The x of it.

    Returns
    -------
    float
        The half.
    """
    return x / 2


@env.task
async def undocumented(x: int) -> int:
    return x


@plain.task
async def lengthy(x: int) -> int:
    """short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short short.

    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long
    long long long long long long long long long long long long long long long long long long long long

    Args:
        x: described described described described described described described described described described described described described described described described described described described described described described described described described described described described described described described described described described described described described described described described
    """
    return x
