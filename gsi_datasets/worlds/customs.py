"""Where people keep what: the small things of each kind of room and furniture, and how they stand there."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.replace("_", " ") for word in text.split())


_SHOWN = _words(
    "vase plant book picture_frame clock candle sculpture globe lamp flower_vase horse_figurine box basket"
)
_READ = _words("book box plant picture_frame globe vase clock sculpture radio basket notebook")
_DRESSED = _words("lamp clock book mug glass candle picture_frame plant glasses box")

# By kind of room and category of furniture (`*`: any other), what is found there.
THINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "kitchen": {
        "table": _words(
            "bowl mug glass fruit_bowl bread apple orange pear cake teapot tray salt_shaker candle vase plate"
        ),
        "counter": _words(
            "toaster kettle coffee_maker blender knife_block cutting_board pot pan jar bottle bowl can mug "
            "pepper_mill cereal_box milk_carton lemon bread plant utensil_pot tray plate rice_cooker bread_box "
            "paper_towel_holder scale"
        ),
        "cabinet": _words("bowl jar plant basket bottle vase teapot tray mug bread_box box fruit_bowl"),
        "bookcase": _words("bowl jar plant basket bottle pot mug can box"),
        "washing machine": _words("basket box"),
        "*": _words("bowl jar plant mug"),
    },
    "living room": {
        "coffee table": _words("book mug tray candle bowl remote_control plant vase fruit_bowl newspaper glasses"),
        "side table": _words("lamp book mug plant glass candle"),
        "table": _words("bowl glass bottle candle vase fruit_bowl apple teapot mug tray plate cake"),
        "television stand": _words("speaker remote_control picture_frame plant sculpture candle book box"),
        "bookcase": (*_SHOWN, "book", "book", "plant"),
        "shelf": (*_SHOWN, "book", "book", "plant"),
        "sofa": _words("teddy_bear book cushion"),
        "*": (*_SHOWN, *_words("radio telephone bowl speaker tray")),
    },
    "bedroom": {
        "nightstand": _DRESSED,
        "side table": _DRESSED,
        "dressing table": _words("bottle lipstick hairbrush jar candle box plant"),
        "desk": _words("book notebook lamp laptop mug pen_holder clock plant"),
        "bookcase": _words("book box plant picture_frame teddy_bear vase basket toy_car hat stack_of_shirts"),
        "shelf": _words("book box plant picture_frame teddy_bear vase basket toy_car hat stack_of_shirts"),
        "bed": _words("book stack_of_shirts teddy_bear cushion"),
        "*": _words(
            "box book picture_frame vase lamp candle teddy_bear hat plant clock basket jar stack_of_shirts bag"
        ),
    },
    "study": {
        "desk": _words(
            "laptop lamp book notebook mug pen_holder telephone stapler globe plant clock box letter_tray speaker "
            "headphones calendar picture_frame"
        ),
        "table": _words("book notebook mug plant tray laptop globe lamp"),
        "coffee table": _words("book mug notebook plant tray newspaper"),
        "side table": _words("lamp book mug plant"),
        "bookcase": (*_READ, "book", "book"),
        "shelf": (*_READ, "book", "book"),
        "*": (*_READ, *_words("printer speaker lamp candle letter_tray")),
    },
    "bathroom": {
        "sink": _words("soap_dispenser soap toothbrush_cup comb hairbrush sponge"),
        "vanity": _words("soap_dispenser soap toothbrush_cup comb hairbrush jar bottle plant tray"),
        "washing machine": _words("basket box towel spray_bottle bottle"),
        "*": _words("towel bottle jar basket plant candle soap_dispenser spray_bottle sponge hairbrush bottle towel"),
    },
    "hallway": {"*": _words("bowl bunch_of_keys plant vase box hat basket picture_frame lamp bag")},
}
ON_FLOOR: dict[str, tuple[str, ...]] = {
    "kitchen": _words("waste_bin crate basket bucket box"),
    "living room": _words("ball toy_truck toy_block box basket teddy_bear toy_train toy_car storage_bin"),
    "bedroom": _words(
        "pair_of_shoes box storage_bin bag teddy_bear ball basket toy_car laundry_basket toy_block toy_truck"
    ),
    "study": _words("waste_bin box storage_bin bag basket crate"),
    "bathroom": _words("waste_bin scale bucket basket laundry_basket"),
    "hallway": _words("pair_of_shoes bag box basket"),
}
# Found in the open; all else on the floor stands at a wall.
PLAYED_WITH = _words("ball toy_truck toy_block teddy_bear toy_train toy_car")
# Of these a room may have several, up to so many; of all others one.
MOST = {"book": 6, "towel": 4, "box": 4, "plate": 4, "glass": 4, "mug": 4, "picture frame": 3, "plant": 4, "bottle": 4}
MOST |= {"apple": 3, "orange": 3, "can": 4, "jar": 4, "candle": 3, "bowl": 3, "vase": 3, "cup": 4, "notebook": 3}
MOST |= {"toy block": 4, "toy car": 2, "lamp": 2, "speaker": 2, "pair of shoes": 3, "basket": 2, "lemon": 2, "tray": 2}
MOST |= {"soap dispenser": 2, "storage bin": 2, "cushion": 4, "crate": 2}
# People keep little on these, large as they are.
FEW = {"bed": 5, "sofa": 3}
# High or seldom used things stand at the back of what stands at a wall, and in the middle of tables.
AT_THE_BACK = _words(
    "lamp plant vase flower_vase picture_frame clock speaker toaster kettle coffee_maker blender knife_block "
    "bread_box utensil_pot pepper_mill cereal_box printer globe sculpture horse_figurine radio telephone monitor "
    "bottle jar rice_cooker paper_towel_holder pen_holder letter_tray fruit_bowl candle pitcher teapot pot"
)
# These lie before whoever sits there.
BEFORE_THE_SITTER = _words("laptop keyboard")
# Things with a face look away from the wall; flat ones lie along the edges.
FACING = _words(
    "clock radio laptop picture_frame toaster coffee_maker speaker telephone television teddy_bear doll cereal_box "
    "milk_carton monitor keyboard sculpture blender rice_cooker printer calendar bread_box letter_tray utensil_pot "
    "weather_station scale"
)
ALIGNED = _words(
    "book notebook laptop tray cutting_board box crate basket storage_bin towel stack_of_shirts newspaper knife_block "
    "bag laundry_basket pair_of_shoes"
)
# What goes on a pile of its like.
PILES = {"book": _words("book notebook"), "box": ("box",), "towel": ("towel",)}
# What is found in or on these, if it is found in that kind of room at all.
CONTENTS: dict[str, tuple[str, ...]] = {
    "bowl": _words("apple orange lemon pear tomato"),
    "plate": _words("bread cake donut apple pear cupcake cheese"),
    "tray": _words("mug glass candle teapot bowl bottle jar soap_dispenser"),
    "cutting board": _words("bread lemon tomato cheese apple"),
    "basket": _words("apple orange bread ball towel soap"),
    "crate": _words("bottle can jar ball"),
    "storage bin": _words("ball toy_car book"),
    "laundry basket": _words("towel stack_of_shirts"),
}
# What is taller belongs in other rooms: bottles of a bathroom hold no wine. Metres.
TALLEST = {("bathroom", "bottle"): 0.2, ("bathroom", "candle"): 0.2, ("bathroom", "plant"): 0.3}
TALLEST |= {
    ("bathroom", "scale"): 0.06,
    ("kitchen", "vase"): 0.29,
    ("kitchen", "candle"): 0.25,
    ("kitchen", "plant"): 0.3,
}
