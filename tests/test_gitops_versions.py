"""Which tag a range of versions means."""

import pytest

from maas_lab.local.gitops import versions

TAGS = ["v0.0.3", "0.1.0", "0.2.5", "1.0.0", "v1.2.0", "1.2.9", "1.10.0", "2.0.0-rc.2", "2.0.0-rc.10", "2.0.0", "2.1"]
OTHERS = ["prod", "1.2.3.4", "release-3", "vv3.0.0", "03.0.0", "1.*"]


@pytest.mark.parametrize(
    ("wanted", "tag"),
    [
        ("*", "2.1"),
        ("x", "2.1"),
        ("1.*", "1.10.0"),
        ("1.2.x", "1.2.9"),
        ("v1.2.*", "1.2.9"),
        ("=1.2", "1.2.9"),
        ("~1.2", "1.2.9"),
        ("~>1.2.1", "1.2.9"),
        ("~1", "1.10.0"),
        ("^1.2", "1.10.0"),
        ("^0.1", "0.1.0"),
        ("^0.0.3", "v0.0.3"),
        ("^0", "0.2.5"),
        (">=1.0.0 <2.0.0", "1.10.0"),
        (">=1.0.0, <1.10.0", "1.2.9"),
        (">= 1.0.0 < 1.2.9", "v1.2.0"),
        (">1.2", "2.1"),
        (">1.2 <2", "1.10.0"),
        ("<=1.2", "1.2.9"),
        ("<1.2", "1.0.0"),
        ("<=2, !=2.1.0", "2.0.0"),
        ("!=2.x", "1.10.0"),
        ("1.0 - 1.2.5", "v1.2.0"),
        ("3.x || 0.x", "0.2.5"),
        (">=2.0.0-rc.1 <=2.0.0-rc.99", "2.0.0-rc.10"),
        (">=3", ""),
    ],
)
def test_the_highest_version_that_fits_is_taken(wanted, tag):
    assert versions.is_range(wanted)
    assert versions.newest(wanted, [*OTHERS, *TAGS]) == tag
    assert versions.newest(wanted, [*TAGS[::-1], *OTHERS]) == tag


@pytest.mark.parametrize(
    "text",
    ["main", "HEAD", "prod", "1.2", "v1.2.3", "1", "2.0.0-rc.2", "a" * 40, "1234567", "", ">=", ">=a", "^*", "1.2 || ",
     ">1.0.0;x", "1.*x", "refs/tags/1.*", "²", ">=" + "1" * 300],
)  # fmt: skip
def test_what_is_no_range_is_left_to_the_names_of_branches_and_tags(text):
    assert not versions.is_range(text)
    assert versions.newest(text, TAGS) == ""
