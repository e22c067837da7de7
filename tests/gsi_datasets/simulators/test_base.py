from gsi_datasets.simulators.base import Contact, Settled, supports
from tests.gsi_datasets.test_scene import make_object, make_scene


def carried(*contacts):
    scene = make_scene(*(make_object(name, static=name == "table") for name in ("table", "bowl", "apple", "book")))
    return supports(Settled(scene, rested=True, seconds=0.2, contacts=contacts))


def test_a_contact_counts_in_both_orders():
    assert carried(Contact("table", "book", 0.0, lift=1.0))["book"] == "table"
    assert carried(Contact("book", "table", 0.0, lift=-1.0))["book"] == "table"


def test_what_nothing_carries_has_none_and_static_objects_are_not_asked():
    assert carried(Contact("table", "book", 0.0, lift=1.0)) == {"bowl": None, "apple": None, "book": "table"}


def test_leaning_is_not_carrying():
    assert carried(Contact("apple", "book", 0.001, lift=0.1))["book"] is None


def test_the_squarest_contact_carries_and_the_firmer_of_two_alike():
    found = carried(Contact("bowl", "apple", 0.0001, lift=0.6), Contact("apple", "table", -0.0005, lift=-0.4))
    assert found["apple"] == "bowl"
    found = carried(Contact("table", "book", -0.0008, lift=1.0), Contact("bowl", "book", 0.00002, lift=0.99))
    assert found["book"] == "bowl"
