"""`evalshift dataset corrupt`: new datasets that evalshift reads, and marks as made here."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from commandline import run_here
from formats import pixels, put_image
from PIL import Image

from evalshift.testbed import corrupted
from evalshift.testbed.corruptions import corrupt_image
from evalshift.testbed.datasets import load_dataset
from evalshift.testbed.registry_reading import load_registry

REGISTRY = """\
extends: default
datasets:
  small: {source: npy, images: x.npy, labels: y.npy, classes: cifar10, title: Small}
  photographs: {source: folder, path: photographs, classes: imagenet-1k}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    np.save("x.npy", pixels("small", 4, 32, 32, 3))
    np.save("y.npy", np.array([3, 1, 4, 1]))
    Path("registry.yaml").write_text(REGISTRY)
    return tmp_path


def load(registry: str, name: str):
    known = load_registry(registry)
    entry = known.dataset(name)
    return load_dataset(name, entry, known.class_space(entry.classes))


def test_arrays_are_corrupted_image_by_image(here: Path) -> None:
    done = run_here(
        "dataset", "corrupt", "small", "--kind", "shot-noise,fog", "--severity", "2,4", "--seed", "5", "--out", "made"
    )
    assert done.code == 0, done.err
    said = "4 corrupted datasets of 4 images, severities of cifar10-c; made here, not the official files.\n"
    assert done.out.startswith(said)
    made = load("made/registry.yaml", "small-shot_noise-4")
    assert made.labels.tolist() == [3, 1, 4, 1]
    assert made.ids == ("0", "1", "2", "3")
    by_hand = [corrupt_image(image, "shot_noise", 4, "cifar10-c", [5, n]) for n, image in enumerate(np.load("x.npy"))]
    assert np.array_equal(np.asarray(made.images), by_hand)
    content = yaml.safe_load(Path("made/registry.yaml").read_text())
    assert content["pairs"] == [f"small:small-{kind}-{level}" for kind in ("shot_noise", "fog") for level in (2, 4)]
    note = "fog, severity 2 in the style of cifar10-c, seed 5; made by evalshift, not the official files"
    assert content["datasets"]["small-fog-2"]["note"] == note
    assert made.title == "Small, shot noise, severity 4"


def test_photographs_are_cropped_and_stored_as_for_imagenet_c(here: Path) -> None:
    put_image(here / "photographs/n01440764/one.png", "one", (300, 360))
    put_image(here / "photographs/n01443537/two.png", "two", (400, 300))
    done = run_here("dataset", "corrupt", "photographs", "--kind", "contrast", "--severity", "1", "--out", "made")
    assert done.code == 0, done.err
    assert "severities of imagenet-c" in done.out
    made = load("made/registry.yaml", "photographs-contrast-1")
    assert made.labels.tolist() == [0, 1]
    assert made.ids == ("n01440764/one.jpg", "n01443537/two.jpg")
    with Image.open(here / "made/contrast/1/n01440764/one.jpg") as opened:
        assert (opened.format, opened.size) == ("JPEG", (224, 224))
        # 0.4 of the distance from the mean remains; JPEG takes some more of it away.
        assert np.asarray(opened).std() < 0.4 * 74


def test_the_crop_is_torchvisions(here: Path) -> None:
    from torchvision.transforms import CenterCrop, Compose, Resize

    from evalshift.testbed.corrupted import _cropped

    for size in ((300, 361), (517, 300), (256, 256)):
        picture = Image.fromarray(pixels("crop", *size, 3))
        theirs = Compose([Resize(256), CenterCrop(224)])(picture)
        assert np.array_equal(np.asarray(_cropped(picture)), np.asarray(theirs))


def test_stopped_it_keeps_what_is_whole(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two", "three"):
        put_image(here / f"photographs/n01440764/{name}.png", name, (300, 260))
    options = ("dataset", "corrupt", "photographs", "--kind", "contrast,pixelate", "--severity", "1")
    assert run_here(*options, "--out", "whole").code == 0
    real, done = corrupted._corrupt, []

    def stop_after_four(image, position: int, **given):
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(position)
        return real(image, position, **given)

    with monkeypatch.context() as patched:
        patched.setattr(corrupted, "_corrupt", stop_after_four)
        stopped = run_here(*options, "--out", "made", "--workers", "1")
    assert stopped.code != 0
    kept = sorted(path.name for path in Path("made").rglob("*.jpg"))
    assert kept == ["one.jpg", "one.jpg", "three.jpg", "two.jpg"]
    record = Path("made/made.sha256")
    with record.open("a") as stream:
        stream.write("0123abc")  # half a line
    damaged = Path("made/contrast/1/n01440764/two.jpg")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    again = run_here(*options, "--out", "made")
    assert again.code == 0, again.err
    assert "3 corrupted images are from an earlier run." in again.out
    for path in Path("whole").rglob("*.*g"):
        assert (Path("made") / path.relative_to("whole")).read_bytes() == path.read_bytes()
    assert "6 corrupted images are from an earlier run." in run_here(*options, "--out", "made").out


def test_arrays_of_an_earlier_run_are_kept_and_others_are_added(here: Path) -> None:
    options = ("dataset", "corrupt", "small", "--severity", "3", "--out", "made")
    assert run_here(*options, "--kind", "fog").code == 0
    before = Path("made/fog-3.npy").stat().st_mtime_ns
    done = run_here(*options, "--kind", "fog,contrast")
    assert "4 corrupted images are from an earlier run." in done.out
    assert Path("made/fog-3.npy").stat().st_mtime_ns == before
    assert run_here(*options, "--kind", "spatter").code == 0
    content = yaml.safe_load(Path("made/registry.yaml").read_text())
    assert list(content["datasets"]) == [f"small-{kind}-3" for kind in ("fog", "contrast", "spatter")]
    assert len(content["pairs"]) == 3
    for other in (("--seed", "1"), ("--style", "imagenet-c"), ("--limit", "2")):
        refused = run_here(*options, "--kind", "fog", *other)
        assert refused.code == 2
        assert "another run wrote to this folder (--out)" in refused.err


def test_what_is_refused_is_refused_before_the_work(here: Path) -> None:
    for options, problem in (
        (["--kind", "gausian-noise"], 'unknown corruption "gausian-noise" (--kind)'),
        ([], "no corruption is named (--kind)"),
        (["--kind", "fog", "--severity", "0"], "invalid --severity"),
        (["--kind", "fog", "--style", "cifar-c"], 'unknown --style "cifar-c"'),
    ):
        done = run_here("dataset", "corrupt", "small", *options, "--out", "made")
        assert done.code == 2
        assert problem in done.err
    assert not Path("made").exists()
