"""What a column is by its heading: names of images, predictions, labels, or confidences."""

import re
from collections.abc import Sequence


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


IDS = _words(
    "id ids image images img imgs imageid imageids imgid imagename imagenames imgname imgnames imagepath "
    "imagepaths imgpath imgpaths imagefile imgfile filename filenames file files filepath filepaths path paths "
    "fname fnames fpath basename stem key keys uid uuid guid name names sample samples sampleid sampleids example "
    "exampleid index idx indices ids url uri dataid rowid row rowindex position"
)
_PREDICTIONS = _words(
    "prediction predictions pred preds predicted predictedclass predictedclasses predictedlabel predictedlabels "
    "predclass predlabel predlabels predidx predindex predid ypred ypreds yhat output outputs argmax top topk "
    "top1 top2 top3 top5 top10 logit logits score scores probability probabilities prob probs softmax answer "
    "answers objectresponse predictionclass predictionlabel modelprediction modelpred modeloutput"
)
_LABELS = _words(
    "label labels target targets truth truths groundtruth groundtruths gt gts ytrue y true truelabel truelabels "
    "trueclass trueclasses actual actuals gtlabel gtlabels gtclass targetlabel correctlabel reallabel expected "
    "classlabel groundtruthlabel class classes category categories classid classidx classindex classname synset "
    "wnid gold goldlabel annotation"
)
_LABEL_TOKENS = _words("label labels target targets truth true gt gts groundtruth gold actual expected ytrue")
_PREDICTION_TOKENS = _words(
    "pred preds predict prediction predictions predicted hat output outputs top logit logits model argmax ypred"
)
_CONFIDENCE_TOKENS = _words(
    "conf confs confidence confidences prob probs probability probabilities score scores softmax loss losses "
    "entropy margin time ms seconds latency uncertainty energy msp nll ce certainty weight"
)
_CORRECT = _words("correct iscorrect hit ishit correctness right isright acc accurate top1correct")


def plain(heading: str) -> str:
    """A heading without case, blanks and punctuation.

    >>> plain("y_pred"), plain("Image Path")
    ('ypred', 'imagepath')
    """
    return re.sub(r"[\W_]+", "", heading).lower()


def tokens(heading: str) -> set[str]:
    """The words of a heading, in lower case.

    >>> sorted(tokens("trueLabel_id2"))
    ['id', 'label', 'true']
    """
    return set(re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", heading).lower().replace("_", " ")))


def is_ids(heading: str) -> bool:
    """Whether a column of this name usually names images."""
    return plain(heading) in IDS


def is_unnamed(heading: str) -> bool:
    """Whether a column has no name, or the one that pandas gives it: it counts the rows, or names them."""
    return plain(heading) in ("", "unnamed0", "level0", "indexlevel0")


def is_confidence(heading: str) -> bool:
    """Whether a column of this name usually holds a model's confidence, or the cost of an image."""
    return bool(tokens(heading) & _CONFIDENCE_TOKENS)


def is_predictions(heading: str) -> bool:
    """Whether a column of this name usually holds what a model predicts."""
    return plain(heading) in _PREDICTIONS or bool(tokens(heading) & _PREDICTION_TOKENS)


def is_labels(heading: str) -> bool:
    """Whether a column of this name usually holds the labels."""
    words = tokens(heading)
    if plain(heading) in _LABELS:
        return True
    return bool(words & _LABEL_TOKENS) and not words & (_PREDICTION_TOKENS | _CONFIDENCE_TOKENS)


def is_correctness(heading: str) -> bool:
    """Whether a column of this name usually says whether the model is correct."""
    return plain(heading) in _CORRECT


def is_known(heading: str) -> bool:
    """Whether a column of this name is one of those that are known; a letter may be anything."""
    if len(plain(heading)) < 2:
        return False
    return is_ids(heading) or is_predictions(heading) or is_labels(heading) or is_correctness(heading)


def numbered(names: Sequence[str]) -> dict[str, list[str]]:
    """Columns that are numbered from 0 or 1 without a gap, in the order of their numbers, by what stands before it.

    >>> numbered(["top2", "top1", "id", "prob_0", "prob_1", "x7"])
    {'top': ['top1', 'top2'], 'prob': ['prob_0', 'prob_1']}
    """
    groups: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for name in names:
        if parts := re.fullmatch(r"(.*?)[\s_.\-#\[(]*(\d+)[\])]?(\D*)", name.strip()):
            groups.setdefault((parts[1], parts[3]), []).append((int(parts[2]), name))
    found = {}
    for (stem, rest), members in groups.items():
        ordered = sorted(members)
        numbers = [number for number, _ in ordered]
        if numbers[0] in (0, 1) and numbers == list(range(numbers[0], numbers[0] + len(numbers))) and len(numbers) > 1:
            found[f"{stem}{rest}"] = [name for _, name in ordered]
    return found
