"""Water retention curves of van Genuchten as Rosetta gives them, and the Brooks-Corey curves that VIC runs on.

``Se = (1 + (alpha h)^n)^-m`` with ``m = 1 - 1/n`` becomes ``Se = (h_b / h)^lambda``. Lenhard et al. choose lambda so
that both curves fall alike at half saturation (the same ``d ln Se / d ln h``), and h_b so that they meet where soils
are measured. The conductivity goes with Burdine's exponent, ``K = Ks Se^(3 + 2 / lambda)``, which is VIC's.

Sources: van Genuchten, M. T. (1980), Soil Sci. Soc. Am. J. 44, 892-898, eqs. 3 and 21; Lenhard, R. J., Parker, J. C.
and Mishra, S. (1989), J. Irrig. Drain. Eng. 115, 744-751, doi:10.1061/(ASCE)0733-9437(1989)115:4(744); Zhang, Y. and
Schaap, M. G. (2017), J. Hydrol. 547, 39-53, doi:10.1016/j.jhydrol.2017.01.004 (Rosetta 3).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from paraformer.core.errors import DataError, SettingsError

ROSETTA = 3
"""Version of Rosetta: the recalibration of Zhang and Schaap (2017)."""

SOILS_TOGETHER = 2000
"""Soils that Rosetta is asked for at a time; it holds a thousand bootstrap estimates of each."""

Soil = Float[np.ndarray, "*soil"]


class VanGenuchten(NamedTuple):
    """Parameters of the retention curve and the saturated conductivity."""

    residual: Soil  # water content that no suction takes [m3 m-3]
    saturated: Soil  # [m3 m-3]
    alpha: Soil  # [cm-1]
    n: Soil  # above 1 [1]
    conductivity: Soil  # at saturation [mm day-1]

    def water_content(self, suction: float) -> Soil:
        """[m3 m-3] at a suction [cm of water] (van Genuchten 1980, eqs. 3 and 21)."""
        share = (1 + (self.alpha * suction) ** self.n) ** -(1 - 1 / self.n)
        return self.residual + (self.saturated - self.residual) * share


class BrooksCorey(NamedTuple):
    """``Se = (entry / h)^slope`` above the air entry, 1 below it."""

    entry: Soil  # suction of air entry [cm of water]
    slope: Soil  # pore size distribution index, lambda [1]


def brooks_corey(curve: VanGenuchten) -> BrooksCorey:
    """The Brooks-Corey curve that stands for one of van Genuchten (Lenhard et al. 1989).

    ``lambda = m / (1 - m) (1 - 0.5^(1/m))``; ``Sx = 0.72 - 0.35 exp(-n^4)``;
    ``h_b = Sx^(1/lambda) / alpha (Sx^(-1/m) - 1)^(1 - m)``.
    """
    m = 1 - 1 / curve.n
    index = m / (1 - m) * (1 - 0.5 ** (1 / m))
    meet = 0.72 - 0.35 * np.exp(-(curve.n**4))
    return BrooksCorey(meet ** (1 / index) / curve.alpha * (meet ** (-1 / m) - 1) ** (1 - m), index)


def require_rosetta() -> None:
    """Raise SettingsError unless the extra ``rosetta`` is installed."""
    try:
        import rosetta  # noqa: F401
    except ImportError as error:
        raise SettingsError("pedotransfer 'rosetta' needs rosetta-soil: pip install 'paraformer[rosetta]'") from error


def rosetta_curves(sand: Soil, clay: Soil, bulk: Soil) -> VanGenuchten:
    """Rosetta 3's estimates from texture [%] and bulk density [g cm-3]: medians of its networks (geometric means).

    Raises:
        SettingsError: rosetta-soil is not installed.
        DataError: a soil that Rosetta gives no answer for, naming it.
    """
    require_rosetta()
    from rosetta import rosetta

    silt = np.maximum(100 - sand - clay, 0.0)
    soils = np.stack([np.ravel(part) for part in np.broadcast_arrays(sand, silt, clay, bulk)], axis=1)
    found = np.concatenate(
        [
            rosetta(ROSETTA, soils[k : k + SOILS_TOGETHER].tolist(), estimate_type="geo")[0]
            for k in range(0, len(soils), SOILS_TOGETHER)
        ]
    )
    bad = ~np.isfinite(found[:, :5]).all(axis=1)
    if bad.any():
        s, i, c, density = soils[int(np.argmax(bad))]
        raise DataError(
            f"pedotransfer 'rosetta' has no answer for sand {s:g}, silt {i:g}, clay {c:g} %, bulk density {density:g} "
            "g cm-3"
        )
    residual, saturated, alpha, n, conductivity = (found[:, k].reshape(np.shape(sand)) for k in range(5))
    return VanGenuchten(residual, saturated, alpha, n, conductivity * 10.0)
