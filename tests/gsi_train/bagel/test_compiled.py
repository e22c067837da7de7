"""Compiled layers: one graph whatever the pack, and what comes out is the same."""

from __future__ import annotations

import copy

import pytest
import torch

from gsi_train.bagel.adapters import add_adapter
from gsi_train.bagel.modeling_bagel import BagelForConditionalGeneration
from gsi_train.bagel.packing import VaeImage
from tests.gsi_train.bagel import tiny


@pytest.mark.slow
@pytest.mark.parametrize(("adapted", "checkpointing"), [(False, "mlps"), (True, "layers")])
def test_compiled_layers_learn_the_same(
    model: BagelForConditionalGeneration, adapted: bool, checkpointing: str
) -> None:
    if checkpointing == "layers":
        model.gradient_checkpointing_enable()
    if checkpointing == "mlps":
        model.language_model.model.checkpoint_mlps()
    if adapted:
        add_adapter(model, 2)
    plain = copy.deepcopy(model)
    model.language_model.model.compile_layers("aot_eager")
    graphs = torch._dynamo.utils.counters["stats"]
    graphs.clear()
    for samples in ([tiny.edit("a")], [tiny.edit("a longer text")], [tiny.edit(), tiny.chain()]):
        pack, latents, noise = tiny.inputs(samples, model.config)
        for it in (plain, model):
            it(pack, latents, noise, freeze_und=adapted).mse_loss.backward()
    for (name, one), other in zip(plain.named_parameters(), model.parameters(), strict=True):
        # Compiled, what reaches no loss gets zeros.
        expected = one.grad if one.grad is not None or other.grad is None else torch.zeros_like(one)
        assert (expected is None) == (other.grad is None), name
        if expected is not None:
            torch.testing.assert_close(other.grad, expected, atol=1e-6, rtol=1e-4, msg=name)
    # The first layer has inputs without gradients, a pack of one sample and one of several are laid out differently:
    # no more graphs than that, however many layers and lengths there are.
    assert graphs["unique_graphs"] <= 4
    torch._dynamo.reset()


def test_mlps_computed_again_are_the_same(model: BagelForConditionalGeneration) -> None:
    plain = copy.deepcopy(model)
    model.language_model.model.checkpoint_mlps()
    pack, latents, noise = tiny.inputs([tiny.edit(), tiny.answer()], model.config)
    kept = []
    for it in (plain, model):
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x, s=sizes: s.append(x.numel()) or x, lambda x: x):
            loss = it(pack, latents, noise).loss
        loss.backward()
        kept.append(sum(sizes))
    for one, other in zip(plain.parameters(), model.parameters(), strict=True):
        assert one.grad is other.grad is None or torch.equal(one.grad, other.grad)
    assert kept[1] < 0.8 * kept[0]


def test_a_drawing_makes_its_pack_once(model: BagelForConditionalGeneration, monkeypatch: pytest.MonkeyPatch) -> None:
    model.eval()
    made = []
    pack = model._pack
    monkeypatch.setattr(model, "_pack", lambda *given: made.append(given) or pack(*given))
    contexts, noise = [model.new_context()] * 2, [torch.ones(6, 16), torch.ones(4, 16)]
    first = model.denoise(contexts, noise, [(2, 3), (2, 2)], 0.5)
    again = model.denoise(contexts, noise, [(2, 3), (2, 2)], 0.5)
    assert all(x.equal(y) for x, y in zip(first, again, strict=True))
    assert len(made) == 1
    [latent] = model.append(contexts[:1], [VaeImage(latent=torch.zeros(4, 4, 4))])
    model.denoise([latent, contexts[1]], noise, [(2, 3), (2, 2)], 0.5)
    model.denoise(contexts, noise[:1] * 2, [(2, 3), (2, 3)], 0.5)
    assert len(made) == 4
