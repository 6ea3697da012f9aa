"""How large a language model is: its weights in several precisions, and the memory that each token of a call takes."""

from __future__ import annotations

from dataclasses import dataclass

from maas_lab.capacity.numbers import whole
from maas_lab.errors import UsageError

_CACHE = 2  # bytes: keys and values are kept in 16 bits, whatever the weights are


@dataclass(frozen=True)
class Model:
    """The shape of a decoder of Llama's kind, as its config.json tells it; Granite's is of this kind.

    Args:
        name: as people call it.
        layers: num_hidden_layers.
        hidden: hidden_size.
        heads: num_attention_heads.
        kv_heads: num_key_value_heads; fewer than heads, because several queries share a key (grouped-query attention).
        head_dim: hidden_size / num_attention_heads, where the file does not say.
        intermediate: intermediate_size.
        vocabulary: vocab_size.
        context: max_position_embeddings, the most tokens of a call.
        tied: tie_word_embeddings, whether one table serves for words in and words out.

    Raises:
        UsageError: a number is not possible.
    """

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    context: int
    tied: bool = True

    def __post_init__(self) -> None:
        for name in ("layers", "hidden", "heads", "kv_heads", "head_dim", "intermediate", "vocabulary", "context"):
            whole(name, getattr(self, name))

    @property
    def linear(self) -> int:
        """Weights of the linear layers, the ones that are quantised: attention, and the network after it."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return self.layers * self.hidden * (2 * queries + 2 * keys + 3 * self.intermediate)

    @property
    def table(self) -> int:
        """Weights of one table of words."""
        return self.vocabulary * self.hidden

    @property
    def norms(self) -> int:
        """Weights that scale: two vectors a layer, and one at the end."""
        return (2 * self.layers + 1) * self.hidden

    @property
    def parameters(self) -> int:
        """All weights."""
        return self.linear + self.norms + self.table * (1 if self.tied else 2)


# From the config.json beside the weights: ibm-granite/granite-3.1-8b-instruct, HuggingFaceTB/SmolLM2-135M-Instruct.
GRANITE_3_1_8B = Model("Granite-3.1-8b-Instruct", 40, 4096, 32, 8, 128, 12800, 49155, 131_072)
SMOLLM2_135M = Model("SmolLM2-135M-Instruct", 30, 576, 9, 3, 64, 1536, 49152, 8192)


@dataclass(frozen=True)
class Precision:
    """How weights are stored.

    Args:
        name: as vLLM's model names or llama.cpp's files tell it.
        bits: of a weight of a linear layer, with its part of the scale that a group of them shares.
        table: bits of a weight of the table of words; None means as llama-quantize chooses.
        norm: bits of a weight of a norm.
        untied: whether the table is stored twice, once for words in and once for words out.
    """

    name: str
    bits: float
    table: float | None = 16
    norm: int = 16
    untied: bool = False


# vLLM: w8a8 is INT8 with a scale for each row, which is too little to count; w4a16 is INT4 with a scale of 16 bits for
# 128 weights. The published w8a8 files of Granite (8.78 GB) show a table that is not quantised, and stored twice.
# llama.cpp: blocks of 32 weights with a scale of 16 bits; Q4_1 has a minimum of 16 bits too. Norms stay in 32 bits. The
# lab's file in Q4_0 has the table of words in Q4_0 too; llama-quantize gives it more bits unless told `--pure`, and so
# it is in the file in Q4_1 that the lab begins with.
PRECISIONS = {
    one.name: one
    for one in (
        Precision("bf16", 16),
        Precision("fp8", 8, untied=True),
        Precision("w8a8", 8, untied=True),
        Precision("w4a16", 4 + 16 / 128, untied=True),
        Precision("F16", 16, norm=32),
        Precision("Q8_0", 8 + 16 / 32, table=8.5, norm=32),
        Precision("Q4_1", 4 + 32 / 32, table=None, norm=32),
        Precision("Q4_0", 4 + 16 / 32, table=4.5, norm=32),
    )
}


def footprint(model: Model, precision: str = "bf16") -> int:
    """Return the bytes of a model's weights: weights of each kind x their bits / 8.

    Files are larger by what is no weight, e.g. the tokenizer in a GGUF file (2 MB).

    Raises:
        UsageError: there is no such precision, or `model` is none.
    """
    kept = precision_of(precision)
    _is_model(model)
    tables = 2 if kept.untied or not model.tied else 1
    table = _llamacpp_table(model) if kept.table is None else kept.table
    return round((model.linear * kept.bits + tables * model.table * table + model.norms * kept.norm) / 8)


def kv_cache(model: Model, tokens: int) -> int:
    """Return the bytes that a model remembers of so many tokens: 2 x layers x kv_heads x head_dim x 2 bytes for each.

    Keys and values (hence 2) of each layer, in 16 bits. Of a call it is prompt and answer together.

    Raises:
        UsageError: `tokens` is no whole number from 0 on, or `model` is none.
    """
    _is_model(model)
    return 2 * model.layers * model.kv_heads * model.head_dim * _CACHE * whole("tokens", tokens, least=0)


def precision_of(name: str) -> Precision:
    """Return a precision by its name.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in PRECISIONS:
        raise UsageError(f"there is no precision {name!r}", hint=f"one of {', '.join(PRECISIONS)}")
    return PRECISIONS[name]


def _is_model(model: Model) -> None:
    if not isinstance(model, Model):
        hint = "capacity.GRANITE_3_1_8B, capacity.SMOLLM2_135M, or a capacity.Model with the numbers of a config.json"
        raise UsageError(f"a model has layers and more, and this is {model!r}", hint=hint)


def _llamacpp_table(model: Model) -> float:
    """Return the bits of a table that serves both ways: Q6_K in blocks of 256, and Q8_0 where rows do not divide so."""
    return 210 * 8 / 256 if model.hidden % 256 == 0 else 8.5
