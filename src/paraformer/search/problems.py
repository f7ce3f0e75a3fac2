"""Functions with known optima, on which searches are judged. Points are in unit coordinates, as in every search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Problem:
    """A function to be minimised in a box; callable as ``search.state.Evaluate``, the same function in every cell.

    Attributes:
        function: points [*point, parameter] -> values [*point].
        lower, upper: bounds.
        optima: all global minima inside the bounds [optimum, parameter].
        minimum: their value.
    """

    function: Function
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    optima: tuple[tuple[float, ...], ...]
    minimum: float

    @property
    def size(self) -> int:
        """Number of parameters."""
        return len(self.lower)

    def value(self, points: Float[np.ndarray, "*point parameter"]) -> Float[np.ndarray, "*point"]:
        """Value at points in unit coordinates."""
        low, high = np.array(self.lower), np.array(self.upper)
        return self.function(low + (high - low) * points)

    def __call__(
        self,
        cells: Int[np.ndarray, " cell"],
        points: Float[np.ndarray, "cell candidate parameter"],
        wanted: Bool[np.ndarray, "cell candidate"],
    ) -> Float[np.ndarray, "cell candidate"]:
        """Value of the wanted points, infinity of the others."""
        return np.where(wanted, self.value(points), np.inf)


def shifted(problem: Problem, by: tuple[float, ...]) -> Problem:
    """The same landscape moved within its bounds, so that no optimum is in the middle."""
    move = np.array(by)
    return replace(
        problem,
        function=lambda x: problem.function(x - move),
        optima=tuple(tuple((np.array(optimum) + move).tolist()) for optimum in problem.optima),
    )


def rosenbrock(x: Float[np.ndarray, "*point parameter"]) -> Float[np.ndarray, "*point"]:
    """Curved valley, Σ 100 (x_{i+1} - x_i²)² + (1 - x_i)² (Rosenbrock 1960, doi 10.1093/comjnl/3.3.175)."""
    return (100.0 * (x[..., 1:] - x[..., :-1] ** 2) ** 2 + (1.0 - x[..., :-1]) ** 2).sum(axis=-1)


def ackley(x: Float[np.ndarray, "*point parameter"]) -> Float[np.ndarray, "*point"]:
    """Many small pits around one funnel (Ackley 1987, doi 10.1007/978-1-4613-1997-9)."""
    slope = -20.0 * np.exp(-0.2 * np.sqrt((x**2).mean(axis=-1)))
    return slope - np.exp(np.cos(2.0 * np.pi * x).mean(axis=-1)) + 20.0 + np.e


def griewank(x: Float[np.ndarray, "*point parameter"]) -> Float[np.ndarray, "*point"]:
    """Thousands of optima, 1 + Σ x²/d - Π cos(x_i/√i), with d = 4000 (Griewank 1981, doi 10.1007/BF00933356)."""
    index = np.sqrt(np.arange(1, x.shape[-1] + 1))
    return 1.0 + (x**2).sum(axis=-1) / 4000.0 - np.cos(x / index).prod(axis=-1)


def goldstein_price(x: Float[np.ndarray, "*point parameter"]) -> Float[np.ndarray, "*point"]:
    """Four local minima of very different depth (Goldstein & Price 1971, doi 10.1090/S0025-5718-1971-0312365-X)."""
    a, b = x[..., 0], x[..., 1]
    first = 1.0 + (a + b + 1.0) ** 2 * (19.0 - 14.0 * a + 3.0 * a**2 - 14.0 * b + 6.0 * a * b + 3.0 * b**2)
    second = 30.0 + (2.0 * a - 3.0 * b) ** 2 * (18.0 - 32.0 * a + 12.0 * a**2 + 48.0 * b - 36.0 * a * b + 27.0 * b**2)
    return first * second


def six_hump_camel(x: Float[np.ndarray, "*point parameter"]) -> Float[np.ndarray, "*point"]:
    """Six minima, two of them global (Dixon & Szegö 1978, Towards Global Optimisation 2)."""
    a, b = x[..., 0], x[..., 1]
    return (4.0 - 2.1 * a**2 + a**4 / 3.0) * a**2 + a * b + 4.0 * (b**2 - 1.0) * b**2


_CAMEL = (0.08984201368301331, -0.7126564032704135)
_GRIEWANK = Problem(griewank, (-600.0,) * 5, (600.0,) * 5, ((0.0,) * 5,), 0.0)
_ACKLEY = Problem(ackley, (-32.0,) * 4, (32.0,) * 4, ((0.0,) * 4,), 0.0)

PROBLEMS: dict[str, Problem] = {
    "rosenbrock_2": Problem(rosenbrock, (-5.0, -5.0), (5.0, 5.0), ((1.0, 1.0),), 0.0),
    "rosenbrock_5": Problem(rosenbrock, (-5.0,) * 5, (5.0,) * 5, ((1.0,) * 5,), 0.0),
    "ackley": _ACKLEY,
    "ackley_shifted": shifted(_ACKLEY, (7.0, -11.0, 13.0, -17.0)),
    "griewank": _GRIEWANK,
    "griewank_shifted": shifted(_GRIEWANK, (100.0, -200.0, 150.0, -50.0, 250.0)),
    "goldstein_price": Problem(goldstein_price, (-2.0, -2.0), (2.0, 2.0), ((0.0, -1.0),), 3.0),
    "six_hump_camel": Problem(
        six_hump_camel, (-5.0, -5.0), (5.0, 5.0), (_CAMEL, (-_CAMEL[0], -_CAMEL[1])), -1.0316284534898774
    ),
    "ackley_on_the_bounds": Problem(ackley, (0.0,) * 4, (32.0,) * 4, ((0.0,) * 4,), 0.0),
    "rosenbrock_in_a_corner": Problem(rosenbrock, (-5.0, -5.0), (1.0, 1.0), ((1.0, 1.0),), 0.0),
}
"""Problems by name."""
