"""How large models are and what fits on a card: against published sizes, a real file and the course's own table."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maas_lab.capacity import GRANITE_3_1_8B, PRECISIONS, SMOLLM2_135M, fits, footprint, kv_cache
from maas_lab.errors import UsageError

GB = 1e9


def test_parameters_are_the_published_ones():
    assert GRANITE_3_1_8B.parameters == 8_170_848_256
    assert SMOLLM2_135M.parameters == 134_515_008


@pytest.mark.parametrize(
    ("precision", "size", "within"),
    [
        ("bf16", 16.34, 0.005),
        ("w8a8", 4.99 + 3.79, 0.01),  # the published files
        ("w8a8", 8.77, 0.01),
        ("fp8", 8.77, 0.01),
        ("w4a16", 4.9, 0.05),
    ],
)
def test_granite_weighs_what_its_files_weigh(precision, size, within):
    assert footprint(GRANITE_3_1_8B, precision) / GB == pytest.approx(size, abs=within)


@pytest.mark.parametrize(
    ("precision", "file"), [("F16", 270_885_952), ("Q8_0", 144_811_072), ("Q4_1", 98_362_432), ("Q4_0", 77_571_136)]
)
def test_the_lab_s_model_weighs_what_its_files_weigh(precision, file):
    spelling = 1_786_000  # bytes of the words themselves, in all of the files
    assert file - footprint(SMOLLM2_135M, precision) == pytest.approx(spelling, abs=3000)


@pytest.mark.parametrize("model", [GRANITE_3_1_8B, SMOLLM2_135M, replace(SMOLLM2_135M, tied=False)])
def test_fewer_bits_weigh_less(model):
    sizes = {name: footprint(model, name) for name in PRECISIONS}
    assert sizes["bf16"] == 2 * model.parameters
    assert sizes["bf16"] > sizes["w8a8"] > sizes["w4a16"]
    assert sizes["F16"] > sizes["Q8_0"] > sizes["Q4_1"] > sizes["Q4_0"]
    assert sizes["fp8"] == sizes["w8a8"]


def test_a_token_of_granite_takes_160_kib():
    assert kv_cache(GRANITE_3_1_8B, 1) == 160 * 1024
    assert kv_cache(GRANITE_3_1_8B, 4096) / GB == pytest.approx(0.67, abs=0.005)
    assert kv_cache(GRANITE_3_1_8B, 131_072) / GB == pytest.approx(21.5, abs=0.05)
    assert kv_cache(SMOLLM2_135M, 1) == 2 * 30 * 3 * 64 * 2
    assert kv_cache(GRANITE_3_1_8B, 0) == 0


# Thousands of tokens, and calls of 4,096 of them.
ROOM = {
    24: {"bf16": (23, 5), "w8a8": (69, 16), "w4a16": (93, 22)},
    40: {"bf16": (111, 27), "w8a8": (157, 38), "w4a16": (181, 44)},
    48: {"bf16": (155, 37), "w8a8": (201, 49), "w4a16": (225, 54)},
    80: {"bf16": (331, 80), "w8a8": (377, 91), "w4a16": (400, 97)},
}


@pytest.mark.parametrize("card", ROOM)
@pytest.mark.parametrize("precision", ["bf16", "w8a8", "w4a16"])
def test_cards_have_room_for_as_much_as_the_table_says(card, precision):
    fit = fits(GRANITE_3_1_8B, precision, card, users=1, context=4096)
    assert (round(fit.tokens_max / 1000), fit.users_max) == ROOM[card][precision]


def test_eight_users_fit_a_24_gb_card_when_weights_have_four_bits():
    plain, small = (fits(GRANITE_3_1_8B, name, 24, users=8, context=4096) for name in ("bf16", "w4a16"))
    assert not plain
    assert plain.free / GB == pytest.approx(24 * 0.9 - 1.5 - 16.34 - 5.37, abs=0.01)
    assert small
    assert repr(small) == (
        "Granite-3.1-8b-Instruct w4a16 fits 24 GB: weights 4.9 GB, 8 calls of 4,096 tokens 5.4 GB, 9.8 GB free; "
        "room for 22 calls"
    )
    assert "does not fit 24 GB" in repr(plain)
    assert "1.6 GB missing; room for 5 calls" in repr(plain)


def test_a_card_smaller_than_the_weights_has_room_for_nobody():
    fit = fits(GRANITE_3_1_8B, "bf16", 16, users=1)
    assert not fit
    assert (fit.tokens_max, fit.users_max) == (0, 0)


@given(
    model=st.sampled_from([GRANITE_3_1_8B, SMOLLM2_135M]),
    precision=st.sampled_from(list(PRECISIONS)),
    card=st.floats(0.1, 1000),
    users=st.integers(1, 2000),
    context=st.integers(1, 8192),
)
def test_parts_add_up_and_so_many_users_fit_and_not_one_more(model, precision, card, users, context):
    fit = fits(model, precision, card, users, context)
    assert fit.weights + fit.cache + fit.runtime + fit.reserved + fit.free == fit.card
    assert bool(fit) == (users <= fit.users_max)
    assert fit.users_max == fits(model, precision, card, users + 1, context).users_max
    if fit.users_max:
        assert fits(model, precision, card, fit.users_max, context)
    assert not fits(model, precision, card, fit.users_max + 1, context)


@pytest.mark.parametrize(
    ("make", "hint"),
    [
        (lambda: footprint(GRANITE_3_1_8B, "int3"), "bf16, fp8, w8a8, w4a16"),
        (lambda: fits(GRANITE_3_1_8B, "INT4", 24), "w4a16"),
        (lambda: fits(GRANITE_3_1_8B, "bf16", -24), "above 0"),
        (lambda: fits(GRANITE_3_1_8B, "bf16", math.inf), "above 0"),
        (lambda: fits(GRANITE_3_1_8B, "bf16", "24 GB"), "above 0"),
        (lambda: fits(GRANITE_3_1_8B, "bf16", 24, users=0), "whole number"),
        (lambda: fits(GRANITE_3_1_8B, "bf16", 24, users=1.5), "whole number"),
        (lambda: fits(GRANITE_3_1_8B, "bf16", 24, context=200_000), "at most 131,072"),
        (lambda: fits("granite", "bf16", 24), "GRANITE_3_1_8B"),
        (lambda: footprint(None), "GRANITE_3_1_8B"),
        (lambda: kv_cache(8, 1), "GRANITE_3_1_8B"),
        (lambda: kv_cache(GRANITE_3_1_8B, -1), "from 0"),
        (lambda: replace(GRANITE_3_1_8B, layers=0), "whole number"),
    ],
)
def test_what_cannot_be_is_refused_with_a_hint(make, hint):
    with pytest.raises(UsageError) as error:
        make()
    assert hint in error.value.hint
