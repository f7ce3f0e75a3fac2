"""VIC behind the forward-model contract."""

from __future__ import annotations

import numpy as np
import pytest

from paraformer.core.contracts import ForwardModel
from paraformer.core.errors import DataError, ModelError
from paraformer.core.parameters import ParameterSpace
from paraformer.process.vic.model import VIC
from paraformer.process.vic.settings import VICSettings
from process.miniature import make_forcing, make_parameters


def _model() -> VIC:
    return VIC(ParameterSpace.of("infilt", "expt", "depth_1"), make_parameters(3), make_forcing(3, 30), VICSettings())


def test_contract() -> None:
    model = _model()
    assert isinstance(model, ForwardModel)
    assert model.n_cells == 3
    assert not model.differentiable
    theta = np.repeat(model.prior()[:, None], 2, axis=1)
    result = model.simulate(theta, ("soil_moisture", "soil_moisture_1", "runoff"))
    assert {name: values.shape for name, values in result.items()} == {
        "soil_moisture": (3, 2, 30),
        "soil_moisture_1": (3, 2, 30),
        "runoff": (3, 2, 30),
    }
    assert model.runs == 6
    a_priori = model.simulate(None, ("soil_moisture",))
    assert model.runs == 9
    np.testing.assert_allclose(a_priori["soil_moisture"], result["soil_moisture"][:, :1], rtol=1e-12)


def test_volumetric_moisture_uses_the_depth_in_theta() -> None:
    theta = np.array([[[0.2, 12.0, 0.05], [0.2, 12.0, 0.2]]] * 3)
    result = _model().simulate(theta, ("soil_moisture", "soil_moisture_1"))
    depth = theta[:, :, 2, None] * 1000.0
    np.testing.assert_allclose(result["soil_moisture"], result["soil_moisture_1"] / depth)


def test_select_is_the_same_model_for_fewer_cells() -> None:
    model = _model()
    whole = model.simulate(None, ("runoff",))["runoff"]
    part = model.select(np.array([2, 0])).simulate(None, ("runoff",))["runoff"]
    np.testing.assert_array_equal(part, whole[[2, 0]])


def test_what_it_lacks_is_an_error() -> None:
    with pytest.raises(ModelError, match="no output 'runof'; did you mean 'runoff'"):
        _model().simulate(None, ("runof",))
    with pytest.raises(DataError, match="out of bounds: parameter 'expt', cell 100"):
        _model().simulate(np.tile([0.2, 50.0, 0.1], (3, 1, 1)), ("runoff",))


def test_the_description_tells_models_apart() -> None:
    """A resumed search must notice other weather, other soils or other settings."""
    model, same = _model(), _model()
    assert model.description() == same.description()
    wetter = model.forcing._replace(prcp=model.forcing.prcp + 1.0)
    deeper = model.cell_parameters._replace(depth=model.cell_parameters.depth * 1.1)
    others = [
        VIC(model.parameters, model.cell_parameters, wetter, model.settings),
        VIC(model.parameters, deeper, model.forcing, model.settings),
        VIC(model.parameters, model.cell_parameters, model.forcing, VICSettings(runoff_steps_per_day=48)),
        VIC(model.parameters, model.cell_parameters, model.forcing, model.settings, spin_up_days=10, spin_up_cycles=1),
    ]
    assert all(other.description() != model.description() for other in others)
