"""Names of released files: rules, a prefix, two names that come to one."""

from classification.rivals.renaming import rename_, stage_rules


def test_rules_see_names_without_the_prefix():
    names = {'a.block1.0.q': 0, 'a.norm1.bias': 1, 'block1.0.q': 2, 'a.patch_embed2.proj': 3}
    rename_(names, 'a.', stage_rules(4))
    assert names == {
        'a.layers.0.blocks.0.q': 0,
        'a.layers.0.norm.bias': 1,
        'block1.0.q': 2,
        'a.layers.0.downsample.proj': 3,
    }


def test_no_weights_are_lost_where_two_names_come_to_one():
    names = {'levels.0': 0, 'layers.0': 1}
    rename_(names, '', {'^levels': 'layers'})
    assert names == {'layers.0': 1, 'levels.0': 0}
