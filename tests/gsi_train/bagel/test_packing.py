"""Packs: positions, what is dropped, what is learned, pictures that do not fit. (Whole packs: see test_conform.)"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.bagel.packing import Item, Text, VaeImage, build_pack, drop_conditions, token_estimate
from gsi_train.bagel.patches import patchify, unpatchify
from tests.gsi_train.bagel import tiny


def drop(items: list[Item], *numbers: int) -> list[Item]:
    return [replace(item, dropped=True) if number in numbers else item for number, item in enumerate(items)]


def target_position(items: list[Item], config: BagelConfig) -> int:
    return int(build_pack([items], config).position_ids[-1])


def test_a_dropped_picture_keeps_its_place_and_a_dropped_text_does_not(config: BagelConfig) -> None:
    items = tiny.edit("move it")
    assert target_position(items, config) == 2 + 9
    assert target_position(drop(items, 0), config) == 2 + 9
    assert target_position(drop(items, 0, 1), config) == 2 + 9
    assert target_position(drop(items, 2), config) == 2
    pack = build_pack([drop(items, 0, 1, 2)], config)
    assert (pack.attn_modes, pack.split_lens) == (["noise"], [8])


def test_a_noised_picture_and_its_clean_copy_share_a_position(config: BagelConfig) -> None:
    pack = build_pack([tiny.chain()], config)
    first = [int(split[0]) for split in pack.position_ids.split(pack.split_lens)]
    assert first == [0, 1, 2, 5, 5, 6, 7, 11]
    assert pack.attn_modes == ["full", "full", "causal", "noise", "full", "full", "causal", "noise"]
    assert pack.timestep_logits.tolist() == [-np.inf, 0.5, -np.inf, -0.5]


def test_a_sample_can_go_on_elsewhere(config: BagelConfig) -> None:
    pack = build_pack([[Text(ids=[1, 2])], [Text(ids=[3], markers=False)]], config, [5, 9])
    assert pack.position_ids.tolist() == [5, 6, 7, 8, 9]
    assert pack.text_ids.tolist() == [300, 1, 2, 301, 3]


def test_latents_of_all_pictures_are_learned_or_not(config: BagelConfig) -> None:
    pack = build_pack([tiny.edit(), tiny.chain()], config)
    assert len(pack.latent_indexes) == 6 * 6
    assert len(pack.mse_loss_indexes) == 3 * 6
    assert set(pack.mse_loss_indexes.tolist()) < set(pack.latent_indexes.tolist())
    assert len(pack.ce_loss_indexes) == 0


def test_the_parts_of_a_pack_cover_it_once(config: BagelConfig) -> None:
    pack = build_pack([tiny.edit(), tiny.answer(), tiny.chain()], config)
    assert sorted(pack.order.tolist()) == list(range(len(pack)))
    assert pack.order[pack.rank].tolist() == list(range(len(pack)))
    covered = torch.cat([pack.order[rows] for rows in pack.sample_rows])
    assert covered.tolist() == list(range(len(pack)))


def test_packs_without_pictures_are_packs(config: BagelConfig) -> None:
    pack = build_pack([[Text(ids=[1, 2, 3], loss=True)]], config)
    assert (len(pack), len(pack.vit_tokens), len(pack.latent_indexes)) == (5, 0, 0)
    assert pack.label_ids.tolist() == [1, 2, 3, 301]
    assert pack.ce_loss_weights.tolist() == [0.5] * 4


def test_what_is_learned_is_never_dropped_and_rates_hold(config: BagelConfig) -> None:
    rng = np.random.default_rng(0)
    everything = drop_conditions([*tiny.chain(), *tiny.answer()], rng, text=1.0, vit=1.0, vae=1.0)
    kept = [item for item in everything if not item.dropped]
    assert [isinstance(item, VaeImage) and item.noised for item in kept] == [True, True, False]
    assert isinstance(kept[-1], Text)
    assert kept[-1].loss
    items = tiny.edit()
    counts = np.zeros(4)
    for _ in range(2000):
        counts += [item.dropped for item in drop_conditions(items, rng, text=0.1, vit=0.5, vae=0.3)]
    np.testing.assert_allclose(counts / 2000, [0.3, 0.5, 0.1, 0.0], atol=0.04)


def test_the_draws_of_a_sample_do_not_depend_on_the_rates() -> None:
    ones, zeros = (np.random.default_rng(1) for _ in range(2))
    drop_conditions(tiny.edit(), ones, text=1.0, vit=1.0, vae=1.0)
    drop_conditions(tiny.edit(), zeros, text=0.0, vit=0.0, vae=0.0)
    assert ones.random() == zeros.random()


def test_dropped_items_count_in_the_estimate(config: BagelConfig) -> None:
    items = tiny.edit("move it")
    assert token_estimate(items, config) == 6 + 6 + 7 + 6
    assert token_estimate(drop(items, 0, 1, 2), config) == 6 + 6 + 7 + 6


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (tiny.vae(144, 16), r"VaeImage.pixels: 9 x 1 tokens, but max_latent_size is 8; resize to at most 128 a side"),
        (
            tiny.vit(14, 112),
            r"VitImage.pixels: 1 x 8 tokens, but vit_max_num_patch_per_side is 7; .* at most 98 a side",
        ),
        (tiny.vae(40, 16), r"VaeImage.pixels: sides must be multiples of 16, not 40 x 16"),
        (tiny.vit(0, 14), r"VitImage.pixels: sides must be multiples of 14"),
        (VaeImage(latent=torch.zeros(4, 3, 2)), r"VaeImage.latent: sides must be multiples of 2"),
        (VaeImage(grid=(9, 9)), r"VaeImage.grid: 9 x 9 tokens"),
        (VaeImage(), r"needs pixels, a latent or a grid"),
        (tiny.vae(noised=True), r"VaeImage.timestep_logit: needed"),
        (Text(ids=[1], dropped=True), r"a sample without tokens"),
    ],
)
def test_what_cannot_be_packed_is_told(item: Item, message: str, config: BagelConfig) -> None:
    with pytest.raises(ValueError, match=message):
        build_pack([[item]], config)


def test_noise_depends_on_seeds_alone(config: BagelConfig) -> None:
    one, two = tiny.edit(seed=1), tiny.edit(seed=2)
    together = build_pack([one, two], config).draw_noise(16)
    alone = [build_pack([items], config).draw_noise(16) for items in (two, one)]
    assert together.equal(torch.cat(alone[::-1]))
    assert not alone[0].equal(alone[1])
    with pytest.raises(ValueError, match=r"VaeImage.seed"):
        build_pack([tiny.edit()], config).draw_noise(16)


def test_tokens_become_the_picture_again() -> None:
    picture = torch.arange(2 * 4 * 6).reshape(2, 4, 6)
    tokens = patchify(picture, 2)
    assert tokens.shape == (6, 8)
    assert tokens[1].tolist() == [2, 26, 3, 27, 8, 32, 9, 33]
    assert unpatchify(tokens, (2, 3), 2).equal(picture)


def test_a_pack_moves_as_a_whole(config: BagelConfig) -> None:
    pack = build_pack([tiny.edit(), tiny.answer()], config).to("meta")
    assert {pack.order.device.type, pack.layout.split.device.type, pack.vit_tokens.device.type} == {"meta"}
    assert pack.pixels[0] is not None
    assert pack.pixels[0].device.type == "meta"
