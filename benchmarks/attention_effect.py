"""Does a learner's θ depend on the attributes that it attends to? As JSON:

``python benchmarks/attention_effect.py RUN METHOD [--shuffles 5] [--out FILE]``

RUN is the directory of a run whose learners are trained, METHOD a learner with attention. Each attribute is shuffled
over the cells, and θ predicted again by the first seed; ``effect`` is the mean absolute change of θ in unit coordinates
over cells, parameters and shuffles, ``attention`` what the attribute receives, as a multiple of even attention (mean
over cells and heads). ``spearman`` is the rank correlation of both over the attributes.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from paraformer.config import load_study
from paraformer.core.seeding import generator
from paraformer.learners.attended import attended
from paraformer.learners.config import reads_history
from paraformer.learners.inputs import History
from paraformer.pipeline.attention import trained_maps


def measure(run: Path, method: str, shuffles: int) -> dict[str, Any]:
    """Attention and effect of every attribute of the first seed."""
    study = load_study(run / "study.yaml")
    maps, data = trained_maps(study, run, method)
    learned, names = maps[0], data.attribute_names
    config = learned.config
    history = History.of(data, config.observations) if reads_history(config.network) else None

    def unit(attributes: np.ndarray) -> np.ndarray:
        return study.space.to_unit(learned.predict(attributes, data.prior, names, history))

    plain = unit(data.attributes)
    effect = np.zeros(len(names))
    for k, name in enumerate(names):
        for number in range(shuffles):
            shuffled = data.attributes.copy()
            shuffled[:, k] = generator(number, "shuffle", name).permutation(shuffled[:, k])
            effect[k] += np.abs(unit(shuffled) - plain).mean() / shuffles
    received = attended([learned], data).attributes.mean(axis=(0, 1))[: len(names)]
    found = stats.spearmanr(received, effect)
    order = np.argsort(-effect)
    return {
        "method": method,
        "spearman": round(float(found.statistic), 2),
        "p": float(f"{found.pvalue:.2g}"),
        "attributes": {
            names[k]: {"attention": round(float(received[k]), 2), "effect": round(float(effect[k]), 4)} for k in order
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN", help="run directory with trained learners")
    parser.add_argument("method", metavar="METHOD", help="a learner with attention")
    parser.add_argument("--shuffles", type=int, default=5, help="how often each attribute is shuffled")
    parser.add_argument("--out", type=Path, help="file for the JSON; default: standard output")
    given = parser.parse_args()
    text = json.dumps(measure(given.run, given.method, given.shuffles), indent=1, ensure_ascii=False)
    given.out.write_text(text + "\n", encoding="utf-8") if given.out else sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
