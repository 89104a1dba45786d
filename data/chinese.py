"""Takeaway reviews in Chinese that nobody wrote: what somebody says of the dish, the rider, the price and the box.

Each clause praises or blames one of these, most of them as the whole review does: people who are pleased blame
something all the same, and the other way round. So the label cannot always be told from the text.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator

DISHES = (
    "牛肉面",
    "麻辣烫",
    "黄焖鸡米饭",
    "酸菜鱼",
    "盖浇饭",
    "炸鸡",
    "小笼包",
    "煎饼",
    "皮蛋粥",
    "宫保鸡丁",
    "凉皮",
    "水饺",
    "寿司",
    "汉堡",
    "奶茶",
)
PRAISE = {
    "dish": "味道很好|很好吃|分量很足|还是热的|很入味|食材新鲜|和店里吃的一样|辣得刚刚好",
    "rider": "送餐很快|骑手很有礼貌|比预计的早到了{minutes}分钟|下雨天还准时送到|打电话很客气",
    "price": "价格实惠|满减以后很划算|这个价钱很值|送了小菜",
    "box": "包装很严实|一点没洒|餐具齐全|包装干净",
}
BLAME = {
    "dish": "味道一般|太咸了|分量太少|都凉了|油太多|米饭有点硬|吃出了头发|和图片完全不一样",
    "rider": "等了{minutes}分钟才到|送餐太慢|骑手态度很差|电话打不通|送错了地方",
    "price": "太贵了|不值这个价|起送价太高|配送费又涨了",
    "box": "汤全洒了|包装破了|没有给筷子|少送了一份",
}
OPENING = ("", "", "", "第一次点这家，", "老顾客了，", "中午点的，", "加班点的外卖，", "同事推荐的，", "又来点了，")
PRAISING_END = ("下次还会点。", "推荐。", "五星好评！", "会回购。")
BLAMING_END = ("不会再点了。", "差评。", "希望改进。", "很失望。")
# What stands between praise and blame, by which of the two follows.
TURNS = {True: ("，不过", "，但是", "，好在"), False: ("，不过", "，但是", "，就是")}


def chinese_reviews(count: int, draw: random.Random, *, known: set[str]) -> list[tuple[str, int]]:
    """`count` reviews with 1 for a good and 0 for a bad one, whose texts differ from each other and from `known`, which
    grows by them."""
    found: list[tuple[str, int]] = []
    while len(found) < count:
        text, label = _review(draw)
        if text not in known:
            known.add(text)
            found.append((text, label))
    return found


def days(count: int, draw: random.Random) -> Iterator[datetime.date]:
    """A day of spring 2026 for each of `count` reviews, in order."""
    first = datetime.date(2026, 3, 1)
    yield from (first + datetime.timedelta(days=day) for day in sorted(draw.choices(range(60), k=count)))


def _review(draw: random.Random) -> tuple[str, int]:
    good = draw.random() < 0.6
    topics = draw.sample(list(PRAISE), draw.choice((1, 2, 2, 3)))
    # Who is pleased blames something all the same, and who says one thing alone means it.
    agreeing = 0.96 if len(topics) == 1 else 0.78
    sides = [good if draw.random() < agreeing else not good for _ in topics]
    text = draw.choice(OPENING)
    for place, (topic, side) in enumerate(zip(topics, sides, strict=True)):
        turned = place and side != sides[place - 1]
        text += (draw.choice(TURNS[side]) if turned else "，" if place else "") + _clause(topic, draw, good=side)
    end = draw.choice(PRAISING_END if good else BLAMING_END) if draw.random() < 0.5 else ""
    return f"{text}。{end}", int(good)


def _clause(topic: str, draw: random.Random, *, good: bool) -> str:
    said = draw.choice((PRAISE if good else BLAME)[topic].split("|"))
    subject = draw.choice(DISHES) if topic == "dish" and draw.random() < 0.7 else ""
    return subject + said.format(minutes=draw.choice((10, 15, 20, 30, 40, 50)) if good else draw.choice((60, 70, 90)))
