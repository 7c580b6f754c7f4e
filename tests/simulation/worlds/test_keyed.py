"""The draws of a world: uniform, independent, and a function of their keys alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from workbench.simulation.worlds import keyed
from workbench.simulation.worlds.keyed import Of

N = 200_000
KEYS = keyed.person_keys(7, np.arange(N))
LEAST_P = 1e-4  # of a test of a true hypothesis: with the seeds given, none fails


@pytest.mark.parametrize("of", [Of.OPEN, Of.CLICK, Of.MOOD, Of.TASTE])
def test_uniforms_are_uniform_in_every_digit(of: Of) -> None:
    u = keyed.uniforms(KEYS, of)
    assert 0 < u.min() and u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > LEAST_P
    for digits in (2**8, 2**16, 2**24):  # high, middle and low bits
        assert stats.kstest(u * digits % 1, "uniform").pvalue > LEAST_P


def test_neighbours_in_every_direction_are_independent() -> None:
    today, tomorrow = keyed.day_keys(KEYS, 10), keyed.day_keys(KEYS, 11)
    base = keyed.uniforms(today, Of.OPEN)
    others = {
        "person": np.roll(base, 1),
        "day": keyed.uniforms(tomorrow, Of.OPEN),
        "purpose": keyed.uniforms(today, Of.CLICK),
        "index": keyed.uniforms(today, Of.OPEN, 1),
        "seed": keyed.uniforms(keyed.day_keys(keyed.person_keys(8, np.arange(N)), 10), Of.OPEN),
    }
    for name, other in others.items():
        table = np.histogram2d(base, other, bins=16, range=[[0, 1], [0, 1]])[0]
        assert stats.chisquare(table.ravel()).pvalue > LEAST_P, name
        assert abs(np.corrcoef(base, other)[0, 1]) < 4 / np.sqrt(N), name


def test_one_bit_of_the_id_turns_half_of_the_bits() -> None:
    ids = np.arange(2_000)
    for bit in (0, 1, 10, 20, 40):
        turned = keyed.day_keys(keyed.person_keys(1, ids), 3) ^ keyed.day_keys(keyed.person_keys(1, ids ^ (1 << bit)), 3)
        bits = np.unpackbits(turned.view(np.uint8)).reshape(len(ids), 64)
        assert np.all(abs(bits.mean(axis=0) - 0.5) < 5 * 0.5 / np.sqrt(len(ids)))


def test_purposes_days_and_indices_never_share_a_salt() -> None:
    salts = [
        int(keyed._salt((of << 32) + index)) for of in Of for index in (*range(40), *range(2_000, 2_010), *range(4_000, 4_010))
    ]
    salts += [int(keyed._salt(day + 1)) for day in range(800)]
    assert len(set(salts)) == len(salts)


def test_normals() -> None:
    assert stats.kstest(keyed.normals(KEYS, Of.TRAITS), "norm").pvalue > LEAST_P
    assert abs(np.corrcoef(keyed.normals(KEYS, Of.TRAITS, 0), keyed.normals(KEYS, Of.TRAITS, 1))[0, 1]) < 4 / np.sqrt(N)


@pytest.mark.parametrize("shape", [0.243, 0.5, 0.793, 1.5, 2.426])
def test_gammas(shape: float) -> None:
    drawn = keyed.gammas(KEYS, Of.SHOP_RATE, shape)
    assert stats.kstest(drawn, "gamma", args=(shape,)).pvalue > LEAST_P
    again = keyed.gammas(KEYS, Of.SHOP_RATE, shape, 1)
    assert abs(np.corrcoef(drawn, again)[0, 1]) < 4 / np.sqrt(N)


def test_exponentials_and_choices() -> None:
    assert stats.kstest(keyed.exponentials(KEYS, Of.DELAY), "expon").pvalue > LEAST_P
    weights = np.array([0.5, 0.0, 0.3, 0.2])
    counts = np.bincount(keyed.choices(KEYS, Of.SOURCE, weights), minlength=4)
    assert counts[1] == 0
    assert stats.chisquare(counts[[0, 2, 3]], N * weights[[0, 2, 3]]).pvalue > LEAST_P


def test_a_draw_does_not_depend_on_who_else_is_drawn() -> None:
    some = np.array([5, 199_999, 17, 3])
    for drawn, alone in (
        (keyed.uniforms(KEYS, Of.OPEN), keyed.uniforms(KEYS[some], Of.OPEN)),
        (keyed.gammas(KEYS, Of.TASTE, 0.5), keyed.gammas(KEYS[some], Of.TASTE, 0.5)),
        (keyed.normals(KEYS, Of.TRAITS, 2), keyed.normals(KEYS[some], Of.TRAITS, 2)),
    ):
        assert np.array_equal(drawn[some], alone)
