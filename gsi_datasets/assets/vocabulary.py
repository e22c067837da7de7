"""The words for things: one noun per category in English and Chinese, and which nouns must not meet in one scene.

Two categories of one `group` could be taken for each other ("the cup" when a mug stands there too), so a scene
holds at most one category of a group.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Category:
    """A kind of thing.

    Attributes:
        name: English common noun, singular, lower case.
        zh: Chinese noun.
        group: categories that could be mistaken for each other share it.
    """

    name: str
    zh: str
    group: str


def _table(rows: str) -> dict[str, Category]:
    table = {}
    for row in rows.strip().splitlines():
        name, zh, *group = (cell.strip() for cell in row.split("|"))
        table[name] = Category(name, zh, group[0] if group else name)
    return table


CATEGORIES: dict[str, Category] = _table("""
mug | 马克杯 | cup
cup | 茶杯 | cup
glass | 玻璃杯 | cup
bottle | 瓶子 | bottle
jar | 罐子 | bottle
can | 易拉罐 | can
bowl | 碗 | bowl
fruit bowl | 水果碗 | bowl
plate | 盘子 | plate
tray | 托盘 | tray
basket | 篮子 | basket
box | 盒子 | box
crate | 木箱 | box
milk carton | 牛奶盒 | box
cereal box | 麦片盒 | box
book | 书 | book
notebook | 笔记本 | book
lamp | 台灯 | lamp
candle | 蜡烛 | lamp
lantern | 灯笼 | lamp
vase | 花瓶 | vase
flower vase | 插花花瓶 | vase
plant | 盆栽 | plant
apple | 苹果 | apple
orange | 橙子 | orange
lemon | 柠檬 | orange
pear | 梨 | apple
banana | 香蕉 | banana
bread | 面包 | bread
cake | 蛋糕 | bread
donut | 甜甜圈 | bread
cheese | 奶酪 | cheese
tomato | 番茄 | apple
pumpkin | 南瓜 | pumpkin
teapot | 茶壶 | teapot
kettle | 水壶 | teapot
coffee maker | 咖啡机 | coffee maker
toaster | 烤面包机 | toaster
blender | 搅拌机 | coffee maker
pot | 锅 | pot
pan | 平底锅 | pot
knife block | 刀座 | knife block
knife | 刀 | knife
cutting board | 砧板 | tray
pepper mill | 胡椒研磨器 | shaker
salt shaker | 盐瓶 | shaker
soap dispenser | 皂液器 | soap
soap | 肥皂 | soap
sponge | 海绵 | sponge
comb | 梳子 | comb
toothbrush cup | 牙刷杯 | cup
clock | 时钟 | clock
radio | 收音机 | radio
headphones | 头戴式耳机 | headphones
laptop | 笔记本电脑 | laptop
monitor | 显示器 | laptop
keyboard | 键盘 | keyboard
telephone | 电话 | telephone
remote control | 遥控器 | remote control
speaker | 音箱 | speaker
stapler | 订书机 | stapler
scissors | 剪刀 | scissors
pen holder | 笔筒 | pen holder
picture frame | 相框 | picture frame
teddy bear | 泰迪熊 | teddy bear
doll | 玩偶 | teddy bear
ball | 球 | ball
toy car | 玩具车 | toy
toy block | 积木 | toy block
toy | 玩具 | toy
chessboard | 棋盘 | chessboard
globe | 地球仪 | ball
sculpture | 雕塑 | sculpture
hat | 帽子 | hat
bag | 包 | bag
cushion | 靠垫 | cushion
hammer | 锤子 | tool
wrench | 扳手 | tool
screwdriver | 螺丝刀 | tool
toolbox | 工具箱 | box
bucket | 水桶 | basket
mirror | 镜子 | picture frame
guitar | 吉他 | guitar
scale | 秤 | scale
fan | 风扇 | fan
pitcher | 水罐 | pitcher
salad bowl | 沙拉碗 | bowl
basin | 盆 | bowl
storage bin | 收纳箱 | box
gift box | 礼盒 | box
bread box | 面包箱 | box
barrel | 木桶 | barrel
waste bin | 垃圾桶 | basket
letter tray | 文件托盘 | tray
butter dish | 黄油碟 | butter dish
cupcake | 纸杯蛋糕 | bread
hamburger | 汉堡 | hamburger
hot dog | 热狗 | hot dog
steak | 牛排 | steak
roast chicken | 烤鸡 | roast chicken
heap of fries | 薯条 | heap of fries
fork | 叉子 | fork
spoon | 勺子 | spoon
coffee press | 法压壶 | coffee maker
moka pot | 摩卡壶 | coffee maker
mixer | 厨师机 | coffee maker
juicer | 榨汁器 | juicer
rice cooker | 电饭煲 | pot
table grill | 桌面烤炉 | table grill
sandwich maker | 三明治机 | sandwich maker
microwave | 微波炉 | oven
spice rack | 调料架 | spice rack
utensil pot | 餐具筒 | pen holder
paper towel holder | 厨房纸架 | paper towel holder
towel | 毛巾 | towel
spray bottle | 喷雾瓶 | bottle
hairbrush | 发刷 | comb
lipstick | 口红 | lipstick
pen | 笔 | pen
highlighter | 荧光笔 | pen
ruler | 直尺 | ruler
tape | 胶带 | tape
tape measure | 卷尺 | tape
calendar | 台历 | calendar
newspaper | 报纸 | newspaper
watch | 手表 | clock
weather station | 气象站 | clock
tablet | 平板电脑 | laptop
projector | 投影仪 | projector
printer | 打印机 | printer
stereo | 音响 | speaker
flashlight | 手电筒 | flashlight
drill | 电钻 | drill
bunch of keys | 钥匙 | bunch of keys
glasses | 眼镜 | glasses
pair of shoes | 鞋子 | pair of shoes
stack of shirts | 一叠衬衫 | towel
table tennis bat | 乒乓球拍 | table tennis bat
puzzle cube | 魔方 | toy block
xylophone | 木琴 | xylophone
toy plane | 玩具飞机 | toy
toy train | 玩具火车 | toy
toy truck | 玩具卡车 | toy
toy bus | 玩具巴士 | toy
toy boat | 玩具船 | toy
toy scooter | 玩具摩托 | toy
toy tricycle | 玩具三轮车 | toy
toy forklift | 玩具叉车 | toy
toy house | 玩具屋 | toy house
doll house | 玩偶屋 | toy house
horse figurine | 马摆件 | sculpture
dog figurine | 狗摆件 | sculpture
cat figurine | 猫摆件 | sculpture
snowman | 雪人 | sculpture
stone lantern | 石灯笼 | lamp
stone | 石头 | stone
fire hydrant | 消防栓 | fire hydrant
fire extinguisher | 灭火器 | fire hydrant
traffic cone | 路锥 | traffic cone
fir tree | 圣诞树 | plant
table | 桌子 | table
desk | 书桌 | table
counter | 操作台 | table
coffee table | 茶几 | table
chair | 椅子 | chair
armchair | 扶手椅 | chair
stool | 凳子 | chair
bench | 长凳 | chair
sofa | 沙发 | sofa
bed | 床 | bed
wardrobe | 衣柜 | cabinet
cabinet | 柜子 | cabinet
dresser | 斗柜 | cabinet
nightstand | 床头柜 | cabinet
bookcase | 书架 | bookcase
shelf | 置物架 | bookcase
television | 电视 | laptop
floor lamp | 落地灯 | floor lamp
floor plant | 落地盆栽 | floor plant
piano | 钢琴 | piano
fridge | 冰箱 | fridge
oven | 烤箱 | oven
stove | 炉灶 | oven
washing machine | 洗衣机 | oven
dishwasher | 洗碗机 | oven
sink | 水槽 | sink
bathtub | 浴缸 | bathtub
toilet | 马桶 | toilet
shower | 淋浴间 | bathtub
fireplace | 壁炉 | fireplace
dressing table | 梳妆台 | table
bean bag | 懒人沙发 | chair
folding screen | 屏风 | folding screen
step ladder | 梯凳 | step ladder
laundry basket | 洗衣篮 | basket
rug | 地毯 | rug
vanity | 浴室柜 | cabinet
towel rail | 毛巾架 | towel
bath mat | 浴室地垫 | rug
side table | 边几 | table
television stand | 电视柜 | cabinet
wall cabinet | 吊柜 | cabinet
roll of foil | 锡纸卷 | roll of foil
baseball bat | 棒球棍 | baseball bat
compact disc | 光盘 | compact disc
mobile phone | 手机 | telephone
cloth | 抹布 | towel
clothes dryer | 烘干机 | oven
credit card | 信用卡 | credit card
computer | 电脑主机 | laptop
dog bed | 狗窝 | dog bed
dumbbell | 哑铃 | dumbbell
egg | 鸡蛋 | egg
footstool | 脚凳 | chair
garbage bag | 垃圾袋 | bag
ladle | 汤勺 | spoon
lettuce | 生菜 | lettuce
roll of paper towels | 厨房纸卷 | paper towel holder
pencil | 铅笔 | pen
plunger | 马桶搋子 | plunger
potato | 土豆 | potato
ornament | 装饰品 | sculpture
safe | 保险箱 | box
scrub brush | 刷子 | scrub brush
spatula | 锅铲 | spatula
tennis racket | 网球拍 | table tennis bat
tissue box | 纸巾盒 | box
roll of toilet paper | 卫生纸卷 | paper towel holder
vacuum cleaner | 吸尘器 | vacuum cleaner
watering can | 浇水壶 | watering can
block | 方块 | toy block
room | 房间 | room
""")


def noun(name: str) -> Category:
    """The words for a category; one that is not in the table keeps its English noun in Chinese sentences too."""
    return CATEGORIES.get(name) or Category(name, name, name)
