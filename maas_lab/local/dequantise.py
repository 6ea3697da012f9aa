"""Write the weights of a GGUF file as the folder that vLLM loads: `dequantise.py GGUF FOLDER`.

Runs in vLLM's environment. The numbers stay as coarse as the GGUF's; only their format changes.
"""

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig


def main(gguf: Path, folder: Path) -> None:
    """Write tokenizer, chat template and weights."""
    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    AutoTokenizer.from_pretrained(**source).save_pretrained(folder)
    chosen = GgufConfig(dequantize=True)  # without it the model cannot be saved
    model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.bfloat16, quantization_config=chosen)
    model.save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
