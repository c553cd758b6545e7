"""Names of a pair as its records give them."""

from evalshift.analysis.summary.records import PairSummary


def test_stems_are_safe_for_files_and_latex():
    pair = PairSummary("my set/50%", "../new_{x}.v2", {})

    assert pair.name == "my set/50%:../new_{x}.v2"
    assert pair.stem == "my-set-50_vs_new-x-.v2"
