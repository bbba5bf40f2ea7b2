"""Mergeable summaries of columns: numeric (exponential histograms) and categorical (bounded counts)."""

from driftmeter.sketches._block import BlockSketcher
from driftmeter.sketches._buckets import Buckets
from driftmeter.sketches._categorical import MAX_OTHERS, CategoricalSketch, CategoryCounter
from driftmeter.sketches._category_names import OTHER, category_name, is_missing, truth_names
from driftmeter.sketches._datadog import from_ddsketch, to_ddsketch
from driftmeter.sketches._disguise import Disguise
from driftmeter.sketches._mapping import MAX_SCALE, MIN_SCALE, lower_boundary, map_to_index
from driftmeter.sketches._numeric import (
    MAX_BUCKETS,
    ZERO_KEY_OFFSET,
    NumericSketch,
    coarser_keys,
    key_edges,
    key_values,
)
from driftmeter.sketches._packed import Sketch
from driftmeter.sketches._packing import pack_counts, unpack_counts
from driftmeter.sketches._snapshot import Snapshot, merge_sketches, merge_snapshots

__all__ = [
    "MAX_BUCKETS",
    "MAX_OTHERS",
    "MAX_SCALE",
    "MIN_SCALE",
    "OTHER",
    "ZERO_KEY_OFFSET",
    "BlockSketcher",
    "Buckets",
    "CategoricalSketch",
    "CategoryCounter",
    "Disguise",
    "NumericSketch",
    "Sketch",
    "Snapshot",
    "category_name",
    "coarser_keys",
    "from_ddsketch",
    "is_missing",
    "key_edges",
    "key_values",
    "lower_boundary",
    "map_to_index",
    "merge_sketches",
    "merge_snapshots",
    "pack_counts",
    "to_ddsketch",
    "truth_names",
    "unpack_counts",
]
