"""What AI2-THOR's objects are for us: a noun and a symmetry by type, and a box of the size that Unity gives.

Unity's meshes stay in Unity, which draws them; the box stands for them wherever the package asks for a shape. A box
does not say what is round, so the type does, and only where nearly all models of a type are.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import assets
from gsi_datasets.assets.asset import Asset, AssetInfo, Material, Receptacle, Room
from gsi_datasets.assets.errors import AssetError
from gsi_datasets.assets.parametric.hulls import box_hull
from gsi_datasets.assets.parametric.primitives import box
from gsi_datasets.assets.vocabulary import noun


SOURCE = "AI2-THOR"
AUTHOR, LICENCE = "Allen Institute for AI", "Apache-2.0"
# Flat things are drawn this thick at least, metres: a box without volume has no inside.
THIN = 1e-3


@dataclass(frozen=True)
class Kind:
    """A type of object.

    Attributes:
        category: noun of `assets.vocabulary`.
        symmetry: of its models as they stand, as in `AssetInfo`; 1 where they differ. Whether a turn can be told is
            seen in any case, by shape.
    """

    category: str
    symmetry: int


def _table(rows: str) -> dict[str, Kind]:
    table = {}
    for row in rows.strip().splitlines():
        name, category, symmetry = (cell.strip() for cell in row.split("|"))
        table[name] = Kind(category, int(symmetry))
    return table


KINDS = _table("""
AlarmClock | clock | 1
AluminumFoil | roll of foil | 1
Apple | apple | 0
ArmChair | armchair | 1
BaseballBat | baseball bat | 1
BasketBall | ball | 0
Bathtub | bathtub | 1
Bed | bed | 1
Book | book | 1
Boots | pair of shoes | 1
Bottle | bottle | 0
Bowl | bowl | 0
Box | box | 2
Bread | bread | 2
ButterKnife | knife | 1
CD | compact disc | 0
Candle | candle | 0
CellPhone | mobile phone | 1
Chair | chair | 1
Cloth | cloth | 1
ClothesDryer | clothes dryer | 1
CoffeeMachine | coffee maker | 1
CoffeeTable | coffee table | 2
CounterTop | counter | 1
CreditCard | credit card | 1
Cup | cup | 0
Desk | desk | 1
DeskLamp | lamp | 1
Desktop | computer | 1
DiningTable | table | 2
DishSponge | sponge | 2
DogBed | dog bed | 1
Dresser | dresser | 1
Dumbbell | dumbbell | 2
Egg | egg | 0
FloorLamp | floor lamp | 1
Footstool | footstool | 2
Fork | fork | 1
Fridge | fridge | 1
GarbageBag | garbage bag | 1
GarbageCan | waste bin | 1
HandTowel | towel | 1
HousePlant | plant | 1
Kettle | kettle | 1
KeyChain | bunch of keys | 1
Knife | knife | 1
Ladle | ladle | 1
Laptop | laptop | 1
LaundryHamper | laundry basket | 1
Lettuce | lettuce | 0
Microwave | microwave | 1
Mirror | mirror | 1
Mug | mug | 1
Newspaper | newspaper | 2
Ottoman | footstool | 2
Pan | pan | 1
PaperTowelRoll | roll of paper towels | 0
Pen | pen | 1
Pencil | pencil | 1
PepperShaker | pepper mill | 0
Pillow | cushion | 2
Plate | plate | 0
Plunger | plunger | 0
Pot | pot | 1
Potato | potato | 1
RemoteControl | remote control | 1
RoomDecor | ornament | 1
Safe | safe | 1
SaltShaker | salt shaker | 0
ScrubBrush | scrub brush | 1
Shelf | shelf | 1
ShelvingUnit | bookcase | 1
SideTable | side table | 1
Sink | sink | 1
SoapBar | soap | 2
SoapBottle | soap dispenser | 1
Sofa | sofa | 1
Spatula | spatula | 1
Spoon | spoon | 1
SprayBottle | spray bottle | 1
Statue | sculpture | 1
Stool | stool | 1
TVStand | television stand | 1
TableTopDecor | ornament | 1
TeddyBear | teddy bear | 1
Television | television | 1
TennisRacket | tennis racket | 1
TissueBox | tissue box | 2
Toaster | toaster | 1
Toilet | toilet | 1
ToiletPaper | roll of toilet paper | 0
Tomato | tomato | 0
Towel | towel | 1
VacuumCleaner | vacuum cleaner | 1
Vase | vase | 0
WashingMachine | washing machine | 1
Watch | watch | 1
WateringCan | watering can | 1
WineBottle | bottle | 0
""")
"""By Unity's object type. Other types are background: parts of furniture and of walls, curtains, fittings."""

_BUILT: dict[str, tuple[AssetInfo, tuple[Room, ...]]] = {}


def register(
    object_type: str,
    model: str,
    size: NDArray[np.float64],
    mass: float,
    places: tuple[Receptacle, ...] = (),
    *,
    furniture: bool,
    stands: bool,
) -> AssetInfo:
    """Make an asset known to this process.

    Args:
        object_type: Unity's, e.g. ``Mug``.
        model: Unity's ``assetId``; may be empty.
        size: (3,) of the box along its own axes, z up, metres.
        mass: kilograms.
        places: where things can be put, the main one first.
        furniture: whether it is moved like furniture.
        stands: whether what the model calls up is up; a bottle that lies is not round about the vertical.

    Returns:
        Its facts. The id is made from all of them, so that equal objects share it in every process and run.
    """
    kind = KINDS.get(object_type, Kind(object_type.lower(), 1))
    words = noun(kind.category)
    info = AssetInfo(
        id="",
        category=kind.category,
        caption=kind.category,
        caption_zh=words.zh,
        size=_rounded(np.maximum(size, THIN)),
        kind="furniture" if furniture else "tabletop",
        symmetry=kind.symmetry if stands else 1,
        mass=max(mass, 1e-3),
        receptacle=places[0] if places else None,
        shelves=places[1:],
        name=model or object_type,
        author=AUTHOR,
        licence=LICENCE,
        source=SOURCE,
    )
    return _keep(info, model or object_type)


def register_room(scene: str, size: NDArray[np.float64], floor: Receptacle, rooms: tuple[Room, ...]) -> AssetInfo:
    """Make the shell of a scene known to this process: floor, walls and ceiling.

    Args:
        scene: its name.
        size: (3,) metres.
        floor: where things stand on it.
        rooms: where one can walk, the largest first.
    """
    info = AssetInfo(
        id="",
        category="room",
        caption="room",
        caption_zh="房间",
        size=_rounded(size),
        kind="structure",
        symmetry=1,
        mass=1000.0,
        receptacle=floor,
        name=scene,
        author=AUTHOR,
        licence=LICENCE,
        source=SOURCE,
    )
    return _keep(info, scene, rooms)


def load(asset_id: str) -> Asset:
    """The asset of an id: a box.

    Raises:
        AssetError: no scene of this process has it.
    """
    if asset_id not in _BUILT:
        raise AssetError(
            f"no asset {asset_id!r}: AI2-THOR's are known to a process that has composed a scene with them"
        )
    info, rooms = _BUILT[asset_id]
    grey = Material((0.7, 0.7, 0.7))
    half = np.asarray(info.size) / 2
    hull = box_hull((-half[0], -half[1], 0.0), (half[0], half[1], info.size[2]))
    return Asset(info, (box(info.size).part(grey),), (hull,), rooms)


def _keep(info: AssetInfo, name: str, rooms: tuple[Room, ...] = ()) -> AssetInfo:
    facts = json.dumps([asdict(info), [asdict(room) for room in rooms]], sort_keys=True)
    slug = "".join(letter if letter.isalnum() else "-" for letter in name.lower())
    info = replace(info, id=f"thor/{slug}/{hashlib.sha256(facts.encode()).hexdigest()[:10]}")
    _BUILT[info.id] = info, rooms
    assets.mount("thor", load)
    return info


def _rounded(size: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (round(float(length), 6) for length in size)
    return x, y, z
