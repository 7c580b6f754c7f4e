"""Makes the goldens of off-policy evaluation, in an environment of its own (obp and LightGBM are no dependencies of the project):

    python3.11 -m venv /tmp/ope && /tmp/ope/bin/pip install numpy scipy scikit-learn pandas pyyaml tqdm matplotlib seaborn lightgbm==4.7.0
    /tmp/ope/bin/pip install --no-deps obp==0.4.1
    PYTHONPATH=.:layers/engine/python /tmp/ope/bin/python -m benchmarks.golden.make_ope

obp imports torch for policies that are not used here; it gets an empty stand-in unless torch is installed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.evidence_ope_data import CAMPAIGNS, GOLDEN, OBP_CASES, OBP_PARAMETERS, POSITIONS, mails, obp_case, pack
from revenue_engine.arrays import Ints

SIMULATIONS, SEED = 100_000, 12345  # of Open Bandit Pipeline's own benchmark
SPLITS, FOLDS = (1, 2, 3), 5


class _Empty(ModuleType):
    """Any name in it is an empty class."""

    __path__: list[str] = []  # noqa: RUF012

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def stand_in_for_torch() -> None:
    """Lets `import obp` through."""
    for name in ("torch", "torch.nn", "torch.nn.functional", "torch.optim", "torch.utils", "torch.utils.data"):
        sys.modules[name] = _Empty(name)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, sys.modules[name])


def obp_values() -> list[dict[str, float]]:
    """Every estimator's value of every case. 0.4.1 knows no clipping: its IPW gets propensities raised to target / most instead."""
    ope = import_module("obp.ope")
    result = []
    for case in OBP_CASES:
        log = obp_case(*case)
        given = {"reward": log.reward, "action": log.action, "pscore": log.propensity, "action_dist": log.target[:, :, None]}
        given |= {"estimated_rewards_by_reg_model": log.predicted[:, :, None], "position": np.zeros(len(log), dtype=int)}

        def value(estimator: Any, given: dict[str, Any] = given, **other: Any) -> float:
            return float(estimator.estimate_policy_value(**(given | other)))

        values = {
            "dm": value(ope.DirectMethod()),
            "ips": value(ope.InverseProbabilityWeighting()),
            "snips": value(ope.SelfNormalizedInverseProbabilityWeighting()),
            "dr": value(ope.DoublyRobust()),
        }
        for parameter in OBP_PARAMETERS:
            values[f"switch_dr {parameter:g}"] = value(ope.SwitchDoublyRobust(tau=parameter))
            values[f"dros {parameter:g}"] = value(ope.DoublyRobustWithShrinkage(lambda_=parameter))
            if parameter:
                raised = np.maximum(log.propensity, log.played(log.target) / parameter)
                values[f"clipped_ips {parameter:g}"] = value(ope.InverseProbabilityWeighting(), pscore=raised)
        result.append(values)
    return result


def thompson_counts() -> dict[str, list[list[int]]]:
    """How often each item came to each position, (arms, positions)."""
    policy = import_module("obp.policy").BernoulliTS
    result = {}
    for campaign, arms in CAMPAIGNS.items():
        prior = policy(n_actions=arms, len_list=POSITIONS, is_zozotown_prior=True, campaign=campaign, random_state=SEED)
        shares = prior.compute_batch_action_dist(n_rounds=1, n_sim=SIMULATIONS)[0]
        result[campaign] = np.rint(shares * SIMULATIONS).astype(int).tolist()
    return result


def t_learner_choices() -> list[str]:
    """Per split, the arm of the highest predicted spend: a LightGBM regressor with its defaults for each arm, out of fold."""
    regressor: Callable[..., Any] = import_module("lightgbm").LGBMRegressor
    known = mails()
    result = []
    for seed in SPLITS:
        fold = np.random.default_rng(seed).integers(0, FOLDS, len(known.action))
        predicted = np.empty((len(known.action), 3))
        for f in range(FOLDS):
            for arm in range(3):
                rows = (fold != f) & (known.action == arm)
                model = regressor(n_jobs=1, verbose=-1, random_state=seed, deterministic=True, force_row_wise=True)
                model.fit(known.features[rows], known.spend[rows])
                predicted[fold == f, arm] = model.predict(known.features[fold == f])
        choices: Ints = predicted.argmax(axis=1)
        result.append(pack(choices))
    return result


if __name__ == "__main__":
    if find_spec("torch") is None:
        stand_in_for_torch()
    GOLDEN.joinpath("ope_obp.json").write_text(json.dumps(obp_values(), indent=1) + "\n")
    GOLDEN.joinpath("obd_thompson.json").write_text(json.dumps(thompson_counts()) + "\n")
    GOLDEN.joinpath("hillstrom_t_learner.json").write_text(json.dumps({"choices": t_learner_choices()}, indent=1) + "\n")
