"""The predictions of Recht et al. (2019), "Do ImageNet Classifiers Generalize to ImageNet?", and their known faults."""

from evalshift.evaluate.importers.releases.release import Release, ReleasedSet

# File names that are not what the paper's tables 7 and 8 call the model: the accuracies there are these files'.
_RENAMED = {
    "random_features_256k_no_aug": "random_features_256k",
    "random_features_32k_no_aug": "random_features_32k",
    "resnet_preact_basic_110": "resnet_v2_basic_110",
    "resnet_preact_bottleneck_164": "resnet_v2_bottleneck_164",
    "resnetv2_tf": "resnetv2_tf_32",
    "shake_shake_26_2x32d_SSI": "shake_shake_32d",
    "shake_shake_26_2x64d_SSI": "shake_shake_64d",
    "shake_shake_26_2x64d_SSI_cutout16": "shake_shake_64d_cutout",
    "wide_resnet_tf": "wide_resnet_tf_28_10",
}

# Two files of ImageNetV2 are called fv_16k_model and fv_64k_model; the other sets and the paper have fv_16k and fv_64k.
_EXTRA_SUFFIX = "_model"

# The paper's table 11 has 19.2 % for fv_16k on MatchedFrequency, which is what the last column gives; the first gives
# 2.5 %. On all three new sets its columns are stored worst first.
_REVERSED = frozenset({"fv_16k"})

CIFAR10 = Release(
    name="recht2019-cifar10",
    repository="modestyachts/CIFAR-10.1",
    # Both hold the same predictions.
    commits=("99e9c521dc78417090ea487d8c84c2353e09e6f5", "a986f1e5d8ffacf3ab89b8daf091817ca00fd28f"),
    classes="cifar10",
    suffix="_predictions.json",
    listing="recht2019.csv",
    sets=tuple(
        ReleasedSet(
            dataset,
            (f"{folder}_predictions", f"model_predictions/{folder}_predictions"),
            (f"{labels}_labels.npy", f"datasets/{labels}_labels.npy"),
        )
        for dataset, folder, labels in (
            ("cifar10", "original", "cifar10_test"),
            ("cifar10.1-v4", "v4", "cifar10.1_v4"),
            ("cifar10.1-v6", "v6", "cifar10.1_v6"),
        )
    ),
    renamed=_RENAMED,
    common_images=("cifar10.1-v4", "cifar10.1-v6"),
)

IMAGENET = Release(
    name="recht2019-imagenet",
    repository="modestyachts/ImageNetV2",
    commits=("b14e00d85f3065a18486d1a43181990a538e0122",),
    classes="imagenet-1k",
    suffix=".npy",
    listing="recht2019.csv",
    sets=tuple(
        ReleasedSet(
            dataset,
            (short, f"data/predictions/{revision}", f"predictions/{revision}", revision),
            (f"{short}_labels.npy", f"data/datasets/{revision}.json", f"datasets/{revision}.json"),
            class_folders=new,
            reversed_models=_REVERSED if new else frozenset(),
        )
        for dataset, short, revision, new in (
            ("imagenet", "imagenet-val", "imagenet-validation-original", False),
            ("imagenetv2-matched-frequency", "matched-frequency", "imagenetv2-b-33", True),
            ("imagenetv2-threshold0.7", "threshold0.7", "imagenetv2-a-44", True),
            ("imagenetv2-topimages", "topimages", "imagenetv2-c-12", True),
        )
    ),
    extra_suffix=_EXTRA_SUFFIX,
)

# Of the 33 revisions of MatchedFrequency, those whose predictions are in the repository; b-33 is the final one. A few
# were stored before they were full: 9,933 to 10,000 images.
REVISIONS = (*range(1, 24), 33)

IMAGENET_REVISIONS = Release(
    name="recht2019-imagenet-revisions",
    repository="modestyachts/ImageNetV2",
    commits=IMAGENET.commits,
    classes="imagenet-1k",
    suffix=".npy",
    listing="recht2019_revisions.csv",
    sets=tuple(
        ReleasedSet(
            f"imagenetv2-b-{number}",
            (f"imagenetv2-b-{number}", f"data/predictions/imagenetv2-b-{number}"),
            (f"imagenetv2-b-{number}_labels.npy", f"data/datasets/imagenetv2-b-{number}.json"),
            class_folders=True,
            reversed_models=_REVERSED,
            title=f"ImageNetV2 MatchedFrequency, revision {number}",
        )
        for number in REVISIONS
    ),
    extra_suffix=_EXTRA_SUFFIX,
    facts_from="recht2019-imagenet",
    original="imagenet",
)
