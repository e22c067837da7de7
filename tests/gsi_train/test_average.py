"""The average of weights."""

from __future__ import annotations

import torch

from gsi_train.average import WeightAverage


def test_follows_its_formula_and_is_right_for_short_runs() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    average = WeightAverage({"w": weight}, decay=0.9)
    expected = weight.detach().clone()
    for step in range(1, 200):
        weight.data += 0.1
        average.update()
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weight.detach()
        torch.testing.assert_close(average.values["w"], expected)
        if step == 20:
            # Of what was learned in 20 steps it holds more than half; a plain decay of 0.9999 would hold 0.1 %.
            assert (average.values["w"] - torch.tensor([1.0, -2.0])).min() > 1.0


def test_small_updates_of_coarse_weights_add_up() -> None:
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.bfloat16))
    average = WeightAverage({"w": weight}, decay=0.9999)
    weight.data[:] = 1.0078125
    for _ in range(3):
        average.update()
    assert average.values["w"].dtype == torch.float32
    assert 1.001 < average.values["w"].item() < 1.0078125


def test_swaps_in_and_out_again() -> None:
    weight = torch.nn.Parameter(torch.zeros(3))
    average = WeightAverage({"w": weight}, decay=0.5)
    weight.data[:] = 1
    average.update()
    inside = average.values["w"].clone()
    with average.in_place():
        assert torch.equal(weight.data, inside)
        assert 0 < inside[0] < 1
    assert torch.equal(weight.data, torch.ones(3))
    assert torch.equal(average.values["w"], inside)
