"""Write the weights of a GGUF file in other precisions: `quantise.py PACKAGES GGUF FOLDER F16 Q8_0 Q4_0`.

Runs in the runtime environment, with the quantiser from a folder of packages. A new file is never finer than the one it
is made of: what that one has rounded away does not come back.
"""

import math
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])

import gguf
import numpy
from gguf import GGMLQuantizationType as Precision

WRITTEN_BY_WRITER = ("general.architecture", "general.file_type")


def main(source: Path, folder: Path, names: list[str]) -> None:
    """Write one file for each precision."""
    reader = gguf.GGUFReader(source)
    for name in names:
        write(reader, folder / f"{name}.gguf", name)


def write(reader: gguf.GGUFReader, file: Path, name: str) -> None:
    """Write a file: matrices in the precision, vectors as they are, as llama.cpp's own tool does it."""
    kinds = [Precision[name] if len(one.shape) > 1 else one.tensor_type for one in reader.tensors]
    writer = gguf.GGUFWriter(file, reader.fields["general.architecture"].contents())
    for field in reader.fields.values():
        if field.name not in WRITTEN_BY_WRITER and not field.name.startswith("GGUF."):
            writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=field.types[-1])
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{name}"])
    for tensor, kind in zip(reader.tensors, kinds, strict=True):
        in_bytes = gguf.quant_shape_to_byte_shape([int(length) for length in reversed(tensor.shape)], kind)
        writer.add_tensor_info(tensor.name, in_bytes, numpy.uint8, math.prod(in_bytes), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor, kind in zip(reader.tensors, kinds, strict=True):
        writer.write_tensor_data(converted(tensor, kind))
    writer.close()


def converted(tensor: gguf.ReaderTensor, kind: Precision) -> numpy.ndarray:
    """Return a tensor's data in another precision; untouched where it has that one."""
    if tensor.tensor_type == kind:
        return tensor.data
    return gguf.quants.quantize(gguf.quants.dequantize(tensor.data, tensor.tensor_type), kind)


if __name__ == "__main__":
    main(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
