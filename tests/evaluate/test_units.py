"""How a run is cut into units of work for workers, and what becomes of units whose worker was lost."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalshift.evaluate.model_run import Work
from evalshift.evaluate.units import MOST_CRASHES, MOST_MODELS, MOST_MOVES, Images, Queue, Unit, make_units
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.own_model_entries import PythonModel
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.registry_reading import load_registry

MakeWork = Callable[..., Work]
ARRAYS, FILES = Images(10_000, False), Images(100_000, True)


@pytest.fixture
def make_work() -> MakeWork:
    def make(name: str, *datasets: str, resize: int | None = None, memory: Any = None) -> Work:
        preprocess = Preprocess() if resize is None else Preprocess(resize=resize, crop=resize)
        entry = PythonModel(
            source="python", function="networks:make", classes="shades", preprocess=preprocess, memory=memory
        )
        return Work(name, entry, datasets, ClassSpace("shades", ("black", "white")), {}, None)

    return make


def jobs(units: list[Unit]) -> Counter[tuple[str, str]]:
    """How many images of each dataset each model is given."""
    found: Counter[tuple[str, str]] = Counter()
    for unit in units:
        for work in unit.works:
            for name in work.datasets:
                found[work.name, name] += unit.shard.stop - unit.shard.start if unit.shard else 0
    return found


class TestUnits:
    def test_many_small_models_on_arrays_run_on_all_of_them_in_one_unit(self, make_work: MakeWork) -> None:
        works = [make_work(f"m{number:03}", "old", "new") for number in range(300)]
        units = make_units(works, {"old": ARRAYS, "new": ARRAYS}, workers=2)
        assert [len(unit.works) for unit in units] == [30] * 10
        assert MOST_MODELS >= 30
        assert [work.name for unit in units for work in unit.works] == [work.name for work in works]
        assert all(work.datasets == ("old", "new") for unit in units for work in unit.works)
        assert sum(unit.images for unit in units) == 300 * 20_000

    def test_of_image_files_a_worker_is_given_all_models_of_one_geometry_on_one_dataset(
        self, make_work: MakeWork
    ) -> None:
        works = [make_work(f"{size}-{n}", "a", "b", resize=size) for n in range(3) for size in (224, 336)]
        units = make_units(works, {"a": FILES, "b": FILES}, workers=1)
        found = {(unit.works[0].datasets, tuple(work.name for work in unit.works)) for unit in units}
        assert found == {((name,), tuple(f"{size}-{n}" for n in range(3))) for name in "ab" for size in (224, 336)}

    def test_a_group_that_is_more_than_a_share_is_given_to_several_workers(self, make_work: MakeWork) -> None:
        works = [make_work(f"m{n}", "a", resize=224) for n in range(16)]
        units = make_units(works, {"a": FILES}, workers=2)
        assert [len(unit.works) for unit in units] == [2] * 8

    def test_workers_begin_with_different_images(self, make_work: MakeWork) -> None:
        works = [make_work(f"m{n}", "a", "b", resize=224) for n in range(8)]
        units = make_units(works, {"a": FILES, "b": FILES}, workers=2)
        assert [unit.works[0].datasets[0] for unit in units] == ["a", "b"] * 4

    def test_the_largest_come_first(self, make_work: MakeWork) -> None:
        works = [make_work("small", "few", resize=224), make_work("large", "many", resize=224)]
        units = make_units(works, {"few": Images(100, True), "many": Images(4000, True)}, workers=1)
        assert [unit.works[0].name for unit in units] == ["large", "small"]

    def test_slow_models_come_first_so_that_workers_end_together(self, make_work: MakeWork) -> None:
        depths = {f"resnet{depth}": depth / 20e3 for depth in (20, 32, 44, 56)}
        works = [make_work(name, "old") for name in depths]
        units = make_units(works, {"old": ARRAYS}, workers=2, seconds_per_image=depths)
        assert [unit.works[0].name for unit in units] == ["resnet56", "resnet44", "resnet32", "resnet20"]
        assert sum(len(unit.works) for unit in units) == 4

    def test_units_cost_about_as_much_as_each_other_where_models_differ(self, make_work: MakeWork) -> None:
        paces = {f"m{number:02}": 1e-3 for number in range(40)} | {"slow": 20e-3, "slower": 40e-3}
        works = [make_work(name, "old") for name in paces]
        units = make_units(works, {"old": ARRAYS}, workers=2, seconds_per_image=paces)
        assert [[work.name for work in unit.works] for unit in units[:2]] == [["slower"], ["slow"]]
        assert sorted(work.name for unit in units for work in unit.works) == sorted(paces)
        assert max(len(unit.works) for unit in units) <= 14

    @pytest.mark.parametrize("images", [4_095, 8_192, 50_000, 50_001, 123_457])
    @pytest.mark.parametrize("workers", [2, 3, 8, 64])
    def test_shards_hold_each_image_once(self, make_work: MakeWork, images: int, workers: int) -> None:
        units = make_units([make_work("m", "a")], {"a": Images(images, True)}, workers)
        shards = [unit.shard for unit in units]
        if images < 8_192:
            assert shards == [None]
            return
        known = [shard for shard in shards if shard is not None]
        assert len(known) == len(shards) > 1
        assert len(known) <= workers
        assert [shard.start for shard in known] == [0, *(shard.stop for shard in known[:-1])]
        assert known[-1].stop == images
        assert [(shard.number, shard.of) for shard in known] == [(n, len(known)) for n in range(len(known))]
        assert sum(unit.images for unit in units) == images
        assert all(shard.start % 1024 == 0 for shard in known)

    def test_a_large_dataset_is_cut_where_small_ones_beside_it_are_not(self, make_work: MakeWork) -> None:
        units = make_units([make_work("m", "big", "small")], {"big": FILES, "small": Images(500, True)}, workers=4)
        assert jobs(units)["m", "big"] == 100_000
        assert [unit.works[0].datasets for unit in units if unit.shard is None] == [("small",)]

    def test_small_datasets_of_files_are_bundled(self, make_work: MakeWork) -> None:
        sizes = {"a": 60_000, "b": 30_000, "c": 20_000, "d": 1_000, "e": 200_000}
        units = make_units(
            [make_work("m", *sizes)], {name: Images(size, True) for name, size in sizes.items()}, workers=1
        )
        assert [unit.works[0].datasets for unit in units] == [("e",), ("a", "b"), ("c", "d")]

    def test_models_that_say_how_much_memory_they_need_share_a_gpu(self, make_work: MakeWork) -> None:
        works = [make_work("small", "a", memory="2GB"), make_work("large", "a", memory="70GB"), make_work("any", "a")]
        units = make_units(works, {"a": ARRAYS}, workers=1, gpu_bytes=80_000_000_000)
        assert {unit.works[0].name: unit.gpus for unit in units} == pytest.approx(
            {"small": 0.05, "large": 0.9, "any": 1.0}
        )
        assert {unit.gpus for unit in make_units(works, {"a": ARRAYS}, workers=1)} == {1.0}


class TestQueue:
    def unit(self, make_work: MakeWork, *names: str) -> Unit:
        return Unit(tuple(make_work(name, "a") for name in names), 10 * len(names))

    def test_a_unit_moves_where_its_machine_was_lost_and_nobody_is_to_blame(self, make_work: MakeWork) -> None:
        queue = Queue([self.unit(make_work, "m", "n")])
        for _ in range(MOST_MOVES):
            unit = queue.take()
            assert unit is not None
            assert queue.lost(unit, "gone", machine_gone=True) == []
        unit = queue.take()
        assert unit is not None
        failures = queue.lost(unit, "gone", machine_gone=True)
        assert [(one.model, one.dataset, one.error) for one in failures] == [("m", "a", "gone"), ("n", "a", "gone")]

    def test_of_several_models_whose_worker_died_each_is_tried_alone(self, make_work: MakeWork) -> None:
        queue = Queue([self.unit(make_work, "m", "n", "o")])
        unit = queue.take()
        assert unit is not None
        assert queue.lost(unit, "died", machine_gone=False) == []
        alone = [queue.take() for _ in range(3)]
        assert [one.name for one in alone if one] == ["m on a", "n on a", "o on a"]
        assert queue.take() is None

    def test_a_model_that_takes_its_worker_down_twice_has_failed(self, make_work: MakeWork) -> None:
        queue = Queue([self.unit(make_work, "m")])
        for left in range(MOST_CRASHES, 0, -1):
            unit = queue.take()
            assert unit is not None
            assert len(queue.lost(unit, "died", machine_gone=False)) == (left == 1)
        assert not queue

    def test_and_is_run_nowhere_else(self, make_work: MakeWork) -> None:
        alone, beside = self.unit(make_work, "m"), self.unit(make_work, "m", "n")
        queue = Queue([alone, beside, beside])
        assert queue.take() == alone
        in_flight = queue.take()
        assert in_flight is not None
        assert queue.lost(alone, "died", machine_gone=False) == []
        again = [queue.take() for _ in range(2)][1]
        assert again == alone
        [failure] = queue.lost(alone, "died", machine_gone=False)
        assert (failure.model, failure.dataset) == ("m", None)
        assert queue.lost(in_flight, "died", machine_gone=False) == []  # m was in it: n is not to blame
        left = queue.take()
        assert left is not None
        assert [work.name for work in left.works] == ["n"]
        assert not queue

    def test_shards_of_a_failed_model_are_dropped_and_reported_once(self, make_work: MakeWork) -> None:
        units = make_units([make_work("m", "a"), make_work("n", "b")], {"a": FILES, "b": FILES}, workers=16)
        queue = Queue(units)
        first = queue.take()
        assert first is not None
        name = first.works[0].name
        assert len(queue.give_up(first.works[0], "no")) == 1
        assert queue.give_up(first.works[0], "no") == []
        others = [queue.take() for _ in range(len(queue))]
        assert {one.works[0].name for one in others if one} == {"m", "n"} - {name}

    def test_nothing_more_is_run_on_a_damaged_dataset(self, make_work: MakeWork) -> None:
        queue = Queue([Unit((make_work("m", "a", "b"), make_work("n", "b")), 40), Unit((make_work("o", "b"),), 10)])
        queue.without("b")
        unit = queue.take()
        assert unit is not None
        assert [(work.name, work.datasets) for work in unit.works] == [("m", ("a",))]
        assert queue.take() is None

    def test_a_unit_waits_for_as_much_of_a_gpu_as_it_needs(self, make_work: MakeWork) -> None:
        whole, part = self.unit(make_work, "m"), Unit((make_work("n", "a"),), 10, gpus=0.25)
        queue = Queue([whole, part])
        assert queue.take(free=0.5) == part
        assert queue.take(free=0.5) is None
        assert queue.take(free=1.0) == whole


def test_how_much_memory_a_model_needs_changes_no_prediction_and_is_a_size(make_work: MakeWork, tmp_path: Path) -> None:
    assert make_work("m", memory="4GB").entry.identity() == make_work("m").entry.identity()
    assert make_work("m", memory="4GB").entry.memory == 4_000_000_000
    path = tmp_path / "registry.yaml"
    path.write_text(
        "classes: {c: [a, b]}\nmodels:\n  m: {source: python, function: 'x:y', classes: c, memory: much}\n", "utf-8"
    )
    from evalshift.errors import RegistryError

    with pytest.raises(RegistryError) as caught:
        load_registry(path)
    assert 'write a size of at least 1 MB, such as "4GB"' in str(caught.value)
