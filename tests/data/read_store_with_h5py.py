"""Reads a store by its grammar (src/data/STORE_FORMAT.md) with json and h5py alone.

Call: read_store_with_h5py.py STORE. Each shard F of the store has its expected contents beside it in
F.bases and F.states (raw bytes). Exits with an error at the first difference.
"""
import json
import pathlib
import sys

import h5py
import numpy

folder = pathlib.Path(sys.argv[1])
manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
assert manifest["format"] == "epitrain store" and manifest["version"] in (1, 2)
bin_bp = manifest["bin_bp"]
cells = len(manifest["cells"])
assert len(manifest["shards"]) > 0

for shard in manifest["shards"]:
    path = folder / shard["file"]
    assert path.stat().st_size == shard["bytes"]
    bins = -(-shard["length_bp"] // bin_bp)
    with h5py.File(path, "r") as file:
        assert file.attrs["format"] == b"epitrain shard", file.attrs["format"]
        assert file.attrs["version"] == 1
        assert file.attrs["contig"].decode() == manifest["contigs"][shard["contig"]]["name"]
        assert file.attrs["start_bp"] == shard["start_bp"]
        assert file.attrs["bin_bp"] == bin_bp and file.attrs["num_cells"] == cells
        bases, states = file["bases"], file["states"]
        assert bases.dtype == numpy.uint8 and bases.shape == (shard["length_bp"],)
        assert states.dtype == numpy.uint8 and states.shape == (cells, bins)
        assert bases.chunks == bases.shape and states.chunks == (1, bins)
        assert bases.fletcher32 and states.fletcher32
        assert bases.compression is None and states.compression is None
        assert bases.attrs["xxh3_128"].decode() == shard["bases_digest"]
        assert states.attrs["xxh3_128"].decode() == shard["states_digest"]
        assert bases[:].tobytes() == pathlib.Path(f"{path}.bases").read_bytes(), "bases differ"
        assert states[:].tobytes() == pathlib.Path(f"{path}.states").read_bytes(), "states differ"
        # Chunks lie in the file as they are, with four bytes of checksum behind.
        chunk = bases.id.get_chunk_info(0)
        raw = path.read_bytes()
        assert chunk.size == shard["length_bp"] + 4 and chunk.filter_mask == 0
        assert raw[chunk.byte_offset:chunk.byte_offset + chunk.size - 4] == bases[:].tobytes()
