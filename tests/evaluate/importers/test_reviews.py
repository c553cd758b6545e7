import json
from pathlib import Path

import pytest

from evalshift.errors import DataError
from evalshift.evaluate.importers.releases.reviews import read_reviews
from evalshift.testbed.classes import built_in

WNIDS = built_in("imagenet-1k").folders


def test_a_review_says_which_classes_were_looked_at_and_accepted(tmp_path: Path) -> None:
    content = {wnid: {"problematic": place < 1, "reviewed": place < 3} for place, wnid in enumerate(WNIDS)}
    (tmp_path / "imagenetv2-b-1_review.json").write_text(json.dumps(content))
    (found,) = read_reviews(tmp_path, ["imagenetv2-b-1", "imagenetv2-b-2"], built_in("imagenet-1k")).values()
    assert found.reviewed.nonzero()[0].tolist() == [0, 1, 2]
    assert found.accepted.nonzero()[0].tolist() == [1, 2]


def test_reviews_that_cannot_be_read(tmp_path: Path) -> None:
    space, names = built_in("imagenet-1k"), ["imagenetv2-b-1", "imagenetv2-b-2"]
    for folder, found in ((tmp_path / "nowhere", "no folder of that name"), (tmp_path, "a folder without them")):
        with pytest.raises(DataError) as refused:
            read_reviews(folder, names, space)
        assert (refused.value.where, refused.value.found) == (folder, found)
    path = tmp_path / "imagenetv2-b-2_review.json"
    numbers = json.dumps({wnid: {"reviewed": 1, "problematic": 0} for wnid in WNIDS})
    for content in ("[]", "{", '{"n01440764": {"reviewed": true}}', numbers):
        path.write_text(content)
        with pytest.raises(DataError, match="a review cannot be read") as refused:
            read_reviews(tmp_path, names, space)
        assert refused.value.where == path
