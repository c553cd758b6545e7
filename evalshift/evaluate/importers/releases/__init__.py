"""Releases of per-image predictions that came with a paper; one module per paper says what it released.

recht2019-cifar10    30 models on CIFAR-10 and both versions of CIFAR-10.1
recht2019-imagenet   67 models on ImageNet's validation set and the three ImageNetV2 sets
recht2019-imagenet-revisions   4 to 64 models on 24 revisions of ImageNetV2 MatchedFrequency
"""

from evalshift.evaluate.importers.releases import recht2019
from evalshift.evaluate.importers.releases.release import Release

RELEASES: dict[str, Release] = {
    release.name: release for release in (recht2019.CIFAR10, recht2019.IMAGENET, recht2019.IMAGENET_REVISIONS)
}
