"""The trained cells around a place or like it: where they are, how they differ, how wet they were observed to be.

A cell is never among its own neighbours, in training as in prediction, so that a trained cell and one that was never
observed look alike to a network (leave-one-out). In training neighbours are dropped at random, so that the network
also learns what to do where the next trained cell is far.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from paraformer.core.contracts import CalibrationData
from paraformer.core.errors import DataError, RunError
from paraformer.core.grid import points
from paraformer.learners.config import LearnerConfig, ParaFormerNConfig
from paraformer.learners.inputs import History, Inputs, Scaling, Surroundings, to_tensor
from paraformer.learners.statistics import STATISTICS, history_statistics
from paraformer.training.checkpoint import load_tensors, save_tensors

UNIT = 100.0
"""Unit of the distances a network sees [km]."""

GEOMETRY = 4
"""Features of where a neighbour lies: logarithm of its distance, sine and cosine of its bearing; and whether it was
chosen for its attributes."""

_SAME_PLACE = 1.0
"""A trained cell nearer than this is the cell itself [km]."""

_CANDIDATES = 256
"""Trained cells around a trained cell of which those that are not dropped may become its neighbours."""

_FILE = "places.safetensors"


class Places(NamedTuple):
    """Where cells are [degree]."""

    latitude: Float[np.ndarray, " cell"]
    longitude: Float[np.ndarray, " cell"]

    @classmethod
    def of(cls, data: CalibrationData) -> Places:
        """Places of the cells of ``data``; raises DataError if it does not say where they are."""
        if data.latitude is None or data.longitude is None:
            raise DataError("learner: a network with neighbours needs latitude and longitude of the cells")
        return cls(data.latitude, data.longitude)

    def select(self, cells: np.ndarray) -> Places:
        """The same for a subset of the cells (integer positions)."""
        return Places(self.latitude[cells], self.longitude[cells])


@dataclass(frozen=True)
class TrainedPlaces:
    """What is known of the trained cells; stored with the map, because every prediction reads it.

    Attributes:
        where: latitude and longitude of the trained cells.
        attributes: their normalised attributes, and own statistics if the network reads them [place, attribute].
        statistics: statistics of their observed soil moisture in the training period [place, statistic]; without
            columns if the network does not read them.
    """

    where: Places
    attributes: Float[Tensor, "place attribute"]
    statistics: Float[Tensor, "place statistic"]

    @classmethod
    def fit(cls, data: CalibrationData, scaling: Scaling, config: LearnerConfig) -> TrainedPlaces:
        """The trained cells of ``data``.

        Raises:
            DataError: if ``data`` lacks coordinates, there is one trained cell only, or two lie at one place.
        """
        network = _network(config)
        trained = np.flatnonzero(data.trained)
        where = Places.of(data).select(trained)
        if trained.size < 2:
            raise DataError("learner: a network with neighbours needs two trained cells")
        distance, _ = cKDTree(points(*where)).query(points(*where), k=2)
        if (distance[:, 1] < _SAME_PLACE).any():
            cell = data.cells[trained[int(np.argmax(distance[:, 1] < _SAME_PLACE))]]
            raise DataError(f"learner: trained cell {cell} lies at the place of another one")
        history = History.of(data, config.observations).select(trained)
        complete = Scaling.complete(data)
        daily = complete(data.attributes[trained], history, data.cells[trained])
        own = scaling(data.attributes[trained], history, data.cells[trained])
        assert daily.history is not None
        statistics = history_statistics(daily.history)
        return cls(where, own_inputs(own, config).attributes, statistics[:, : STATISTICS if network.statistics else 0])

    def nearest(self, where: Places, count: int) -> Int[np.ndarray, "cell neighbour"]:
        """Positions of the nearest trained cells but for the cell itself, nearest first; -1 where there is none."""
        n = len(self.where.latitude)
        distance, index = cKDTree(points(*self.where)).query(points(*where), k=min(count + 1, n))
        return _first(index, distance >= _SAME_PLACE, count)

    def alike(
        self, attributes: Float[Tensor, "cell attribute"], where: Places, count: int
    ) -> Int[np.ndarray, "cell neighbour"]:
        """Positions of the trained cells nearest in normalised attributes but for the cell itself; -1 where none is."""
        n = len(self.where.latitude)
        if count == 0:
            return np.empty((len(attributes), 0), dtype=np.int64)
        _, index = cKDTree(self.attributes.numpy()).query(attributes.cpu().numpy(), k=min(count + 1, n))
        away, _ = self._geometry(where, index)
        return _first(index, away * UNIT >= _SAME_PLACE, count)

    def around(
        self,
        attributes: Float[Tensor, "cell attribute"],
        where: Places,
        index: Int[np.ndarray, "cell neighbour"],
        near: int,
    ) -> Surroundings:
        """What a network sees of chosen neighbours of cells with these normalised attributes.

        A token is the difference of the attributes, the neighbour's statistics, and where it lies.

        Args:
            near: how many, the first ones, were chosen for their place; the others for their attributes, and their
                distance is that of the attributes [standard deviations].
        """
        chosen = np.maximum(index, 0)
        away, bearing = self._geometry(where, chosen)
        by_attributes = np.broadcast_to(np.arange(index.shape[1]) >= near, index.shape)
        far = np.log(np.maximum(away, 1e-2))
        geometry = np.stack([far, np.sin(bearing), np.cos(bearing), by_attributes.astype(np.float64)], axis=-1)
        at, device = torch.as_tensor(chosen), attributes.device
        differ = self.attributes[at].to(attributes) - attributes[:, None]
        distance = torch.where(
            torch.as_tensor(by_attributes.copy(), device=device), differ.norm(dim=-1), to_tensor(away).to(attributes)
        )
        seen = torch.cat([differ, self.statistics[at].to(attributes), to_tensor(geometry).to(attributes)], dim=-1)
        there = torch.as_tensor(index >= 0, device=device)
        return Surroundings(seen * there[..., None], distance, there)

    def _geometry(
        self, where: Places, index: Int[np.ndarray, "cell neighbour"]
    ) -> tuple[Float[np.ndarray, "cell neighbour"], Float[np.ndarray, "cell neighbour"]]:
        """Distance [``UNIT``] and bearing of the neighbours from the cells [radian clockwise from north]."""
        there = points(*self.where)[index]
        away = np.linalg.norm(there - points(*where)[:, None], axis=-1) / UNIT
        phi, other = np.deg2rad(where.latitude)[:, None], np.deg2rad(self.where.latitude)[index]
        turn = np.deg2rad(self.where.longitude[index] - where.longitude[:, None])
        east = np.sin(turn) * np.cos(other)
        north = np.cos(phi) * np.sin(other) - np.sin(phi) * np.cos(other) * np.cos(turn)
        return away, np.arctan2(east, north)

    def complete(self, inputs: Inputs, where: Places, config: LearnerConfig) -> Inputs:
        """Inputs of cells with their nearest trained cells, as the network sees them in prediction."""
        own = own_inputs(inputs, config)
        network = _network(config)
        near, like = self.nearest(where, network.neighbours), self.alike(own.attributes, where, network.alike)
        index = np.concatenate([near, like], axis=1)
        return Inputs(own.attributes, None, self.around(own.attributes, where, index, network.neighbours))

    def save(self, directory: Path) -> None:
        coordinates = {"latitude": self.where.latitude, "longitude": self.where.longitude}
        tensors = {name: torch.as_tensor(values, dtype=torch.float64) for name, values in coordinates.items()}
        save_tensors(directory / _FILE, {**tensors, "attributes": self.attributes, "statistics": self.statistics})

    @classmethod
    def load(cls, directory: Path) -> TrainedPlaces:
        """Read what ``save`` wrote; raises RunError if the file is missing, damaged or of another kind."""
        tensors = load_tensors(directory / _FILE)
        try:
            where = Places(tensors["latitude"].numpy(), tensors["longitude"].numpy())
            return cls(where, tensors["attributes"], tensors["statistics"])
        except KeyError as error:
            raise RunError(f"{directory / _FILE}: {error} is missing") from error


class NeighbourDraw:
    """Random neighbours of trained cells, for training."""

    def __init__(self, places: TrainedPlaces, config: LearnerConfig) -> None:
        self.network = _network(config)
        count = min(_CANDIDATES, len(places.where.latitude) - 1)
        near = places.nearest(places.where, count)
        like = places.alike(places.attributes, places.where, count if self.network.alike else 0)
        self.candidates = [(c, places._geometry(places.where, c)[0]) for c in (near, like)]

    def draw(
        self, cells: Int[np.ndarray, " sample"], random: np.random.Generator
    ) -> Int[np.ndarray, "sample neighbour"]:
        """The nearest trained cells among those not dropped, then those most alike; -1 where fewer are left.

        Each candidate is dropped with ``neighbour_dropout``; in a share ``far`` of the samples so are all within a
        distance between nothing and ``far_km``.

        Args:
            cells: positions among the trained cells.
        """
        network = self.network
        clear = random.random(cells.size) * network.far_km / UNIT * (random.random(cells.size) < network.far)
        found = []
        for (candidates, away), count in zip(self.candidates, (network.neighbours, network.alike), strict=True):
            kept = random.random(candidates[cells].shape) >= network.neighbour_dropout
            kept &= (candidates[cells] >= 0) & (away[cells] >= clear[:, None])
            found.append(_first(candidates[cells], kept, count))
        return np.concatenate(found, axis=1)


def _first(
    index: Int[np.ndarray, "cell candidate"], kept: Bool[np.ndarray, "cell candidate"], count: int
) -> Int[np.ndarray, "cell neighbour"]:
    """The first ``count`` of the candidates kept; -1 where fewer are."""
    first = np.argsort(~kept, axis=1, kind="stable")[:, :count]
    found = np.where(np.take_along_axis(kept, first, axis=1), np.take_along_axis(index, first, axis=1), -1)
    return np.pad(found, ((0, 0), (0, count - found.shape[1])), constant_values=-1)


def own_inputs(inputs: Inputs, config: LearnerConfig) -> Inputs:
    """With ``own_history`` the statistics of a cell's own history stand beside its attributes, each a token."""
    if inputs.history is None or not _network(config).own_history:
        return Inputs(inputs.attributes, None)
    return Inputs(torch.cat([inputs.attributes, history_statistics(inputs.history)], dim=1), None)


def token_size(attributes: int, network: ParaFormerNConfig) -> int:
    """Features of a neighbour; ``attributes`` with the cell's own statistics where they stand beside them."""
    return attributes + (STATISTICS if network.statistics else 0) + GEOMETRY


def _network(config: LearnerConfig) -> ParaFormerNConfig:
    assert isinstance(config.network, ParaFormerNConfig)
    return config.network


def places_of(data: CalibrationData, config: LearnerConfig) -> Places | None:
    """Places of the cells, ``None`` for a network without neighbours."""
    return Places.of(data) if isinstance(config.network, ParaFormerNConfig) else None


def known(there: Bool[Tensor, "cell neighbour"]) -> Bool[Tensor, "cell key"]:
    """Mask of the keys: the token that stands for nobody is always there, as the first."""
    return torch.cat([torch.ones_like(there[:, :1]), there], dim=1)
