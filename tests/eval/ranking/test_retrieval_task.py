"""What a retrieval task takes: packed bytes, rows of ±1 or 0/1, features; arrays or tensors."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from ranking_oracle import Sample

from biodeephashing.errors import BioDeepHashingError
from biodeephashing.eval import APSpec, RetrievalTask, average_precision_per_query, mean_average_precision

SAMPLE = Sample(3, queries=7, database=60, bits=12)
SIGNS = tuple(np.where(side >= 0, 1, -1) for side in SAMPLE.features)
LABELS = SAMPLE.arrays[2:]
FORMS = {
    "packed": SAMPLE.arrays[:2],
    "signs, int8": tuple(side.astype(np.int8) for side in SIGNS),
    "signs, float32": tuple(side.astype(np.float32) for side in SIGNS),
    "0/1, int64": tuple((side + 1) // 2 for side in SIGNS),
    "0/1, uint8": tuple(((side + 1) // 2).astype(np.uint8) for side in SIGNS),
    "truth values": tuple(side > 0 for side in SIGNS),
    "features": SAMPLE.features,
    "tensors of signs": tuple(torch.from_numpy(side) for side in SIGNS),
    "tensors of truth values": tuple(torch.from_numpy(side > 0) for side in SIGNS),
    "tensors of features, half": tuple(torch.from_numpy(side).bfloat16().requires_grad_() for side in SAMPLE.features),
}


def test_every_form_of_codes_is_the_same_task():
    specs = [APSpec(ties, radius=radius) for ties in ("expected", "index", "best") for radius in (None, 2)]
    want = average_precision_per_query(RetrievalTask(*FORMS["packed"], *LABELS, bits=12), specs)
    for form, codes in FORMS.items():
        task = RetrievalTask(*codes, *map(torch.from_numpy, LABELS), bits=12)
        assert task.bins == 13, form
        got = average_precision_per_query(task, specs)
        for spec in specs:
            assert (got[spec].values == want[spec].values).all(), (form, spec)
        assert (task.features is not None) == ("features" in form), form
    by_feature = [mean_average_precision(task, APSpec("feature")) for task in (SAMPLE.task, RetrievalTask(*SAMPLE.features, *LABELS))]
    assert by_feature[0] == by_feature[1]
    assert RetrievalTask(np.ones((7, 12)), SAMPLE.database_features, *LABELS).features is not None  # ones may be features
    assert RetrievalTask(*FORMS["signs, int8"], *LABELS).bins == 13  # the columns tell the length of a code


def test_codes_that_would_be_misread_are_refused():
    signs, bits, words = FORMS["signs, int8"], FORMS["0/1, int64"], FORMS["packed"]
    cases = {
        "one side packed": ((words[0], signs[1]), {}, r"packed bytes.* uint8 \(7, 2\) and int8 \(60, 12\)"),
        "0/1 beside ±1": ((bits[0], signs[1]), {}, "query codes are 0/1, the database codes ±1"),
        "0/1 beside features": ((SAMPLE.query_features, bits[1]), {}, "query codes are features, the database codes 0/1"),
        "classes": ((bits[0], 3 * bits[1]), {}, "database codes hold int64 from 0 to 3"),
        "after a sigmoid": (tuple(1 / (1 + np.exp(-side)) for side in SAMPLE.features), {}, "no feature is below 0.* threshold"),
        "other length": (signs, {"bits": 8}, r"query codes \(7, 12\) have 12 columns"),
        "not a number": ((SAMPLE.query_features * np.nan, SAMPLE.database_features), {}, "row 0 of the features holds NaN"),
    }
    for case, (codes, options, message) in cases.items():
        with pytest.raises(BioDeepHashingError) as caught:
            RetrievalTask(*codes, *LABELS, **options)
        assert re.search(message, str(caught.value)), case
