"""Quantities have one canonical form, and that form means the same."""

import random

import pytest

from maas_lab.local.kube import quantities

FORMS = [
    (1, "1"), (0, "0"), ("0", "0"), ("1", "1"), (0.5, "500m"), ("0.1", "100m"), ("1000m", "1"), ("1024Mi", "1Gi"),
    ("1.5Gi", "1536Mi"), ("1000", "1k"), ("1500", "1500"), ("1e3", "1e3"), ("100M", "100M"), ("1000M", "1G"),
    ("0.5Mi", "512Ki"), ("512", "512"), ("-1", "-1"), ("+2", "2"), ("1u", "1u"), ("0.0000000001", "1n"),
    ("16Gi", "16Gi"), ("1023Ki", "1023Ki"), ("2048", "2048"), ("1E", "1E"), (" 1 ", "1"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "canonical"), FORMS)
def test_canonical_forms(written, canonical):
    assert quantities.canonical(written) == canonical


@pytest.mark.parametrize("text", ["lots", "", "1 Gi", "1Gib", "1.2.3", "Gi", "0x1", "1ee3", "--1", "\u0661"])
def test_what_is_no_quantity(text):
    with pytest.raises(ValueError, match=r"quantity|quantities"):
        quantities.canonical(text)


def test_random_quantities_keep_their_value():
    chance = random.Random(3)
    for _ in range(2000):
        number = chance.choice([chance.randrange(-5000, 10**6), round(chance.uniform(0, 5000), chance.randrange(4))])
        text = f"{number}{chance.choice(['', 'm', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi', 'Ti', 'e3', 'E2'])}"
        canonical = quantities.canonical(text)
        assert quantities.value(canonical) == quantities.value(text), text
        assert quantities.canonical(canonical) == canonical, text
