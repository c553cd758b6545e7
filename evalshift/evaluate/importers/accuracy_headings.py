"""Kinds of columns in tables of accuracies, by their headings: accuracy, error, or distinction of models."""

import re
from collections.abc import Sequence

from evalshift.evaluate.importers.headings import plain


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_USUAL = _set(
    "top1 acc accuracy acc1 top1acc top1accuracy acctop1 accuracytop1 accat1 prec1 precision1 accavg avgacc "
    "averageaccuracy cleanacc cleanaccuracy standardaccuracy testacc testaccuracy valacc valaccuracy evalacc "
    "evalaccuracy testtop1 valtop1 evaltop1 testacc1 valacc1 top1test top1val accval acctest zeroshotaccuracy"
)
_TELLING = _set(
    "imgsize imagesize inputsize inputresolution resolution imgsz size pretrained weights checkpoint ckpt seed "
    "trialseed run runid trial fold precision dtype cfg config variant tag epoch traindataset trainset trainingdata "
    "pretraineddataset pretraindataset algorithm method architecture arch"
)
_NEITHER = _set("loss mce diff difference delta gap drop rank ranks std stdev stderr sem sd ece nll brier")
# What is no share of images correct, though often a number like one.
_SCORES = _set(
    "f1 fscore fbeta map auc auroc rocauc auprc ap kappa mcc iou miou ece precision recall sensitivity specificity"
)
_PARTS = _set("balanced macro perclass meanperclass worst worstgroup wg")
_ERRORS = _set("err errs error errors")
_FIRST = re.compile(r"(top|acc|acc@|prec|prec@|precision)([ _@-]?)1(?!\d)", re.IGNORECASE)


def is_accuracy(heading: str) -> bool:
    """Whether a column of this name usually holds the top-1 accuracy.

    >>> is_accuracy("acc@1"), is_accuracy("metrics.acc1"), is_accuracy("Top-1 (%)"), is_accuracy("top1_err")
    (True, True, True, False)
    """
    return plain(heading) in _USUAL or plain(heading.rpartition(".")[2]) in _USUAL


def is_error(heading: str) -> bool:
    """Whether a column of this name holds error rates.

    >>> is_error("top1_err"), is_error("Error rate"), is_error("errata"), is_error("stderr")
    (True, True, False, False)
    """
    words = _words(heading)
    return not words & _NEITHER and bool(words & _ERRORS or re.search(r"top[-_]?[15]err(or)?$", heading.lower()))


def is_no_rate(heading: str) -> bool:
    """Whether a column of this name holds neither accuracies nor error rates: a loss, a rank, a difference.

    >>> is_no_rate("top1_diff"), is_no_rate("mCE"), is_no_rate("rank_diff"), is_no_rate("imagenet")
    (True, True, True, False)
    """
    return bool(_words(heading) & _NEITHER)


def is_other_score(heading: str) -> bool:
    """Whether a column of this name holds another measure than the share of images correct.

    >>> is_other_score("mean_per_class_recall"), is_other_score("F1"), is_other_score("acc_wg"), is_other_score("acc1")
    (True, True, True, False)
    """
    if is_accuracy(heading):
        return False
    words = _words(heading) | set(re.findall(r"[a-z]+\d?", heading.lower()))
    return bool(words & (_SCORES | _PARTS)) or {"per", "class"} <= words


def tells_models_apart(heading: str) -> bool:
    """Whether a column of this name usually tells models of one name apart: size of the input, weights, seed.

    >>> tells_models_apart("img_size"), tells_models_apart("param_count")
    (True, False)
    """
    return plain(heading) in _TELLING


def _words(heading: str) -> set[str]:
    split = re.sub(r"([a-z]{2})([A-Z])", r"\1 \2", heading).lower()
    return set(re.findall(r"[a-z]+", split)) | {plain(heading)}


def top5_beside(heading: str, names: Sequence[str]) -> str | None:
    """The column of the same kind for top-5 among `names`; None where there is none.

    >>> top5_beside("acc@1", ["acc@1", "acc@5"]), top5_beside("top1_err", ["top1", "top5"])
    ('acc@5', None)
    """
    found = list(_FIRST.finditer(heading))
    if not found:
        return None
    last = found[-1]
    five = f"{heading[: last.end() - 1]}5{heading[last.end() :]}"
    return five if five in names else None
