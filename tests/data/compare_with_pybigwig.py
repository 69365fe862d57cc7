"""Compares what epitrain read of a bigBed or bigWig with what pyBigWig reads, exactly.

Call: compare_with_pybigwig.py FILE FOLDER BIN_BP. FOLDER holds NAME.records (lines of text) and, for a
bigWig, NAME.CONTIG.means (float32, NaN where no base has a value; the last bin may be shorter).
Exits with an error at the first difference.
"""
import array
import pathlib
import sys

import pyBigWig

path, folder, bin_bp = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
file = pyBigWig.open(str(path))


def expected_records():
    for contig, length in file.chroms().items():
        if file.isBigBed():
            for start, end, rest in file.entries(contig, 0, length) or []:
                yield (contig, start, end) + ((rest,) if rest else ())
        else:
            yield from ((contig, *interval) for interval in file.intervals(contig) or [])


def read_records():
    for line in (folder / (path.name + ".records")).read_text(encoding="utf-8").splitlines():
        contig, start, end, *rest = line.split("\t", 3)
        if file.isBigWig():  # the nearest float of the text
            rest = [array.array("f", [float(rest[0])])[0]]
        yield (contig, int(start), int(end), *rest)


def expected_means(contig, length):
    whole = length // bin_bp
    means = []
    if whole:
        means += file.stats(contig, 0, whole * bin_bp, type="mean", nBins=whole, exact=True)
    if length % bin_bp:
        means += file.stats(contig, whole * bin_bp, length, type="mean", exact=True)
    return array.array("f", [float("nan") if mean is None else mean for mean in means])


assert list(read_records()) == sorted(expected_records(), key=lambda r: list(file.chroms()).index(r[0]))
if file.isBigWig():
    for contig, length in file.chroms().items():
        means = array.array("f", (folder / f"{path.name}.{contig}.means").read_bytes())
        expected = expected_means(contig, length)
        assert len(means) == len(expected), (contig, len(means), len(expected))
        for i, (ours, theirs) in enumerate(zip(means, expected)):
            both_empty = ours != ours and theirs != theirs
            assert ours == theirs or both_empty, (contig, i, ours, theirs)
