"""What a network holds, in words and as a map."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from paraformer.core.files import atomic_path
from paraformer.core.physics import M2_PER_KM2, SECONDS_PER_HOUR
from paraformer.routing.gauges import TOLERANCE
from paraformer.routing.network import Network, upstream_area
from paraformer.routing.router import travel_times


def network_text(network: Network) -> str:
    """Cells, ends of rivers and, for each gauge, both drainage areas and how long water is under way."""
    ends = int((network.downstream < 0).sum())
    lines = [
        f"{network.source}: {network.n_cell} cells, {network.area.sum() / M2_PER_KM2:.6g} km2, {ends} "
        f"{'end' if ends == 1 else 'ends'} of rivers, {len(network.pairs.source)} pairs of cell and gauge",
    ]
    if not len(network.gauges):
        return "\n".join([*lines, "no gauges"])
    times = travel_times(network, "runoff")
    hours = (times.mean + times.shape * times.scale) / SECONDS_PER_HOUR
    share = network.fraction * network.area[network.pairs.source]
    lines.append(
        f"{'gauge':<20} {'cell':>8} {'cells':>6} {'km2':>10} {'reported':>10} {'differ':>7} {'mean h':>8} "
        f"{'longest h':>9}"
    )
    for gauge, name in enumerate(network.gauges.names):
        own = slice(network.pairs.first[gauge], network.pairs.first[gauge + 1])
        area, reported = share[own].sum(), network.gauges.reported_area[gauge]
        mean = float((share[own] * hours[own]).sum() / area) if area > 0 else float("nan")
        gap = "" if np.isnan(reported) else f"{100 * (area / reported - 1):+.1f} %"
        told = "" if np.isnan(reported) else f"{reported / M2_PER_KM2:.5g}"
        mark = "" if np.isnan(reported) or abs(area / reported - 1) <= TOLERANCE else "  <- areas differ"
        lines.append(
            f"{name[:20]:<20} {network.cells[network.gauges.cell[gauge]]:>8} {own.stop - own.start:>6} "
            f"{area / M2_PER_KM2:>10.5g} {told:>10} {gap:>7} {mean:>8.3g} {hours[own].max():>9.3g}{mark}"
        )
    return "\n".join(lines)


def draw_network(network: Network, path: Path) -> None:
    """Draw rivers, as wide as what drains through them, and gauges.

    Raises:
        RunError: if the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 7), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    drained = upstream_area(network.downstream, network.area)
    runs = np.flatnonzero(network.downstream >= 0)
    below = network.downstream[runs]
    lines = np.stack(
        [np.stack([network.lon[c], network.lat[c]], axis=-1) for c in (runs, below)], axis=1
    )  # [cell, end, place]
    lines = lines[np.abs(lines[:, 0, 0] - lines[:, 1, 0]) < 180]
    wide = 0.4 + 3.0 * np.sqrt(drained[runs] / drained.max())
    axes.add_collection(LineCollection(list(lines), linewidths=wide[: len(lines)], colors="#2166ac"))
    axes.scatter(network.lon, network.lat, s=2, color="#888888", zorder=1)
    ends = np.flatnonzero(network.downstream < 0)
    axes.scatter(network.lon[ends], network.lat[ends], s=18, marker="s", color="#444444", label="end of a river")
    if len(network.gauges):
        at = network.gauges.cell
        axes.scatter(network.lon[at], network.lat[at], s=30, color="#b2182b", zorder=3, label="gauge's cell")
        axes.scatter(
            network.gauges.lon, network.gauges.lat, s=30, marker="+", color="#000000", zorder=3, label="as reported"
        )
        for name, cell in zip(network.gauges.names, at, strict=True):
            axes.annotate(
                name, (network.lon[cell], network.lat[cell]), xytext=(4, 4), textcoords="offset points", fontsize=7
            )
    axes.legend(loc="best", fontsize=8)
    axes.set_xlabel("longitude [degrees east]")
    axes.set_ylabel("latitude [degrees north]")
    with np.errstate(invalid="ignore"):
        axes.set_aspect(1 / max(np.cos(np.deg2rad(float(np.nanmean(network.lat)))), 0.1))
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lstrip(".") or "png", dpi=150)
