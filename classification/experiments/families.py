"""Small backbones of equal size: one of each family, with about two million parameters.

Each is the family's tiny model with fewer blocks and channels: of its blocks a half to a fifth, at
least one in each stage, and widths in its own proportions, so wide that the classifier of ten
classes has 2.0 M parameters within 5 %. Windows of Swin have 4 x 4 tokens instead of 7 x 7: scenes
have 128 pixels a side instead of 224.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..engine.errors import UsageError

HEADS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Family:
    """A small model of a family.

    Attributes:
        title: of its row in tables.
        timm: name of the family's tiny model in timm.
        widths: channels of the four maps.
        sizes: what it has instead of the tiny model's, arguments of timm.create_model.
        params: of the classifier of ten classes.
        flops: multiply-adds of that for one picture of 64 x 64 pixels.
    """

    title: str
    timm: str
    widths: tuple[int, int, int, int]
    sizes: Mapping[str, Any]
    params: int
    flops: int


FAMILIES: dict[str, Family] = {
    'mila': Family(
        'MILA',
        'mila_tiny',  # depths 2, 4, 8, 4; widths 64, 128, 256, 512
        (32, 64, 128, 256),
        dict(embed_dim=32, depths=(1, 1, 2, 1), num_heads=HEADS),
        1_945_562,
        39_423_488,
    ),
    'vmamba': Family(
        'VMamba',
        'vmamba_tiny',  # 2, 2, 8, 2; 96, 192, 384, 768
        (36, 72, 144, 288),
        dict(embed_dim=36, depths=(1, 1, 2, 1)),
        1_903_618,
        24_924_096,
    ),
    'mambaout': Family(
        'MambaOut',
        'mambaout_tiny',  # 3, 3, 9, 3; 96, 192, 384, 576
        (40, 80, 160, 240),
        dict(dims=(40, 80, 160, 240), depths=(1, 1, 3, 1)),
        1_929_404,
        27_067_200,
    ),
    'swin': Family(
        'Swin',
        'swin_tiny_patch4_window7_224',  # 2, 2, 6, 2; 96, 192, 384, 768
        (36, 72, 144, 288),
        dict(
            embed_dim=36,
            depths=(1, 1, 3, 1),
            num_heads=HEADS,
            window_size=4,
            strict_img_size=False,
        ),
        2_056_521,
        31_116_096,
    ),
    'convnext': Family(
        'ConvNeXt',
        'convnext_tiny',  # 3, 3, 9, 3; 96, 192, 384, 768
        (42, 84, 168, 336),
        dict(dims=(42, 84, 168, 336), depths=(1, 1, 3, 1)),
        2_010_844,
        26_156_256,
    ),
    'ravlt': Family(
        'RAVLT',
        'ravlt_tiny',  # 2, 2, 6, 2; 64, 128, 256, 512, then a projection to 1024
        (32, 64, 128, 256),
        dict(embed_dims=(32, 64, 128, 256), depths=(1, 1, 3, 1), num_heads=HEADS, projection=512),
        2_037_402,
        31_573_504,
    ),
    'hvittt': Family(
        'H-ViT3',
        'hvittt_tiny',  # 1, 3, 9, 4; 64, 128, 320, 512, multiples of 32 as here
        (32, 64, 128, 224),
        dict(embed_dims=(32, 64, 128, 224), depths=(1, 1, 3, 1)),
        1_923_706,
        45_304_896,
    ),
    'nat': Family(
        'NAT',
        'nat_tiny',  # 3, 4, 18, 5; 64, 128, 256, 512
        (32, 64, 128, 256),
        dict(embed_dim=32, depths=(1, 1, 5, 1), num_heads=HEADS, kernel_size=5),
        1_936_377,
        40_293_768,
    ),
    'cswin': Family(
        'CSWin',
        'cswin_tiny',  # 1, 2, 21, 1; 64, 128, 256, 512
        (32, 64, 128, 256),
        dict(embed_dim=32, depths=(1, 1, 4, 1), num_heads=(2, 2, 4, 8), splits=(1, 2, 4, 0)),
        2_050_474,
        27_622_912,
    ),
    'pvtv2': Family(
        'PVTv2',
        'pvt_v2_b2',  # 3, 4, 6, 3; 64, 128, 320, 512
        (30, 60, 150, 240),
        dict(embed_dims=(30, 60, 150, 240), depths=(1, 1, 2, 1)),
        2_085_340,
        25_771_200,
    ),
}


def families(names: Iterable[str]) -> dict[str, Family]:
    """The families of these names, without repetition and in their order.

    Raises:
        UsageError: a name is none of FAMILIES.
    """
    for name in (names := list(names)):
        if name not in FAMILIES:
            raise UsageError(f'{name} is no family: give some of {", ".join(FAMILIES)}.')
    return {name: FAMILIES[name] for name in names}
