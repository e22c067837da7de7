import pytest

from gsi_datasets import assets
from gsi_datasets.assets import AssetError, parametric


def test_an_asset_knows_the_id_it_was_asked_by():
    asset = assets.get("param/mug/7")
    assert asset.info.id == "param/mug/7"
    assert asset.info.category == "mug"
    assert assets.info("param/mug/7") == asset.info
    assert assets.get("param/mug/7") is asset


@pytest.mark.parametrize(
    "asset_id",
    [
        "",
        "mug",
        "param/mug",
        "param/mug/",
        "param/mug/x",
        "param/mug/-1",
        "param/mug/007",
        "param/unicorn/3",
        "shop/mug/1",
    ],
)
def test_unknown_ids_are_named(asset_id):
    with pytest.raises(AssetError) as caught:
        assets.get(asset_id)
    assert repr(asset_id) in str(caught.value)


def test_an_unknown_family_tells_the_known_ones():
    with pytest.raises(AssetError, match=r"bowl.*mug"):
        parametric.make("unicorn", 3)


def test_families_are_sorted_and_many():
    families = assets.families()
    assert list(families) == sorted(families)
    assert {"mug", "bowl", "book", "table", "room"} <= set(families)
    assert len(families) > 50
