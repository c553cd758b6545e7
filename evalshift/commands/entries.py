"""`evalshift list`, `fetch` and `check`: the entries of a registry, their files, and whether they are sound."""

import os
from pathlib import Path
from typing import Annotated

import typer

from evalshift.commands.options import (
    DataDirOption,
    DeviceOption,
    ModelsOption,
    PairOption,
    RegistryOption,
    WorkersOption,
)
from evalshift.commands.shared import STOPPED_HALF_WAY, complaints, data_access_of, split
from evalshift.console import completion
from evalshift.errors import RegistryError, UsageError


def list_entries(
    what: Annotated[
        str,
        typer.Argument(
            metavar="models|datasets|pairs",
            autocompletion=completion.one_of("models", "datasets", "pairs"),
            help="What to list.",
        ),
    ],
    registry: RegistryOption = None,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="GLOB",
            autocompletion=completion.entries,
            help='Names, such as "resnet*". Comma-separated; repeatable.',
        ),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source",
            metavar="NAME",
            autocompletion=completion.sources,
            help="Sources, such as timm. Comma-separated; repeatable.",
        ),
    ] = None,
    runnable: Annotated[
        bool, typer.Option("--runnable", help="Only entries that are on disk or can be downloaded.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_dir: DataDirOption = None,
) -> None:
    """List the models, datasets or pairs of a registry.

    Shows for each dataset whether it is on disk, can be downloaded, or needs a login.
    """
    with complaints(list_entries), data_access_of(data_dir):
        from evalshift.console.listing import Choice, print_listing
        from evalshift.testbed.registry_reading import load_registry

        choice = Choice(split(names), split(source), runnable)
        print_listing(what, load_registry(registry), choice, as_json=as_json)


def fetch(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME", help="Datasets and models, by name or glob.", autocompletion=completion.datasets_and_models
        ),
    ],
    registry: RegistryOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Download datasets and weights for offline runs.

    Checksums are verified, and interrupted downloads are resumed. Files are stored in the folder EVALSHIFT_DATA, or in
    the user cache. The mirror EVALSHIFT_MIRROR is tried first.
    """
    with complaints(fetch, STOPPED_HALF_WAY), data_access_of(data_dir):
        from evalshift.testbed.registry_reading import load_registry
        from evalshift.testbed.state import fetch_all, model_state, run_by_fetching
        from evalshift.testbed.trust import code_lines

        known = load_registry(registry)
        for line in code_lines(run_by_fetching(known, names)):
            typer.echo(line, err=True)
        for name, paths in fetch_all(known, names):
            where = ", ".join(map(str, paths))
            if not where and name in known.models:
                where = model_state(known.models[name]).words
            typer.echo(f"{name}: {where or 'nothing to download'}")


def check(
    registry: RegistryOption = None,
    pair: PairOption = None,
    models: ModelsOption = None,
    device: DeviceOption = "auto",
    data: Annotated[
        bool, typer.Option("--data", help="Verify the checksum of every dataset file on disk, and decode every image.")
    ] = False,
    build: Annotated[
        bool,
        typer.Option("--build", help="Build each model without its weights; list the errors of all entries at once."),
    ] = False,
    workers: WorkersOption = None,
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; not with --build or --data.")] = False,
) -> None:
    """Check a registry: what would run, and what is missing.

    Nothing is run or downloaded. --data verifies every file of the datasets of the given pairs, or without --pair of
    all datasets on disk. --build builds each model without its weights (a file that contains a whole network is read
    if it is on disk) and lists all errors of the registry and its entries. Exit code: 0 everything can run, 1 there
    are errors, or files are damaged or missing and cannot be downloaded, 2 the registry is invalid.
    """
    with complaints(check), data_access_of(data_dir):
        if as_json and (build or data):
            raise UsageError("`as_json` is not supported with this check", found="--json with --build or --data")
        if build or data:
            sound = not build or _check_build(registry, split(pair), split(models))
            if not (_check_data(registry, split(pair), workers) if data else True) or not sound:
                raise typer.Exit(1)
            return
        from evalshift.console.entry_states import print_states, states_json
        from evalshift.console.plans import print_choice
        from evalshift.console.terminal import stderr
        from evalshift.evaluate.choice import choose_models, datasets_of
        from evalshift.testbed.registry_reading import load_registry
        from evalshift.testbed.state import dataset_state, model_state

        known = load_registry(registry)
        chosen = choose_models(known, split(pair), split(models))
        if not as_json:
            print_choice(chosen, known)
        with stderr().status("loading torch"):
            from evalshift.evaluate.devices import choose_device, describe
        described = describe(choose_device(device))
        if not as_json:
            typer.echo(f"device    {described}\n")
        names = dict.fromkeys(name for one in chosen.pairs for name in datasets_of(known, one))
        states = [("dataset", name, dataset_state(known.dataset(name))) for name in names]
        states += [("model", name, model_state(entry)) for name, entry in chosen.models.items()]
        if as_json:
            typer.echo(states_json(known, chosen, described, states))
        else:
            print_states(states)
        if not all(state.can_run for _, _, state in states):
            raise typer.Exit(1)


def _check_build(registry: Path | None, pairs: list[str], models: list[str]) -> bool:
    """Read a registry and build its models, going on after errors; whether there were none."""
    from evalshift.console.entry_states import print_built
    from evalshift.console.terminal import stderr
    from evalshift.evaluate.progress import counted_steps
    from evalshift.testbed.registry_reading import read_registry

    try:
        known, errors = read_registry(registry)
    except RegistryError as error:  # not even YAML
        print_built([], [error])
        return False
    spaces = {known.dataset(pair.original).predicted_in for text in pairs for pair in known.matching_pairs(text)}
    try:
        chosen = known.select_models(models)
    except UsageError:
        if not errors:  # else the model may well be one whose entry could not be read
            raise
        chosen = {}
    names = [name for name, entry in chosen.items() if not spaces or entry.classes in spaces]
    with stderr().status("loading torch"):
        from evalshift.testbed.building import build_models
    with counted_steps(stderr(), "building", len(names)) as told:
        built = list(build_models(known, names, told))
    print_built(built, errors)
    return not errors and not any(one.error for one in built)


def _check_data(registry: Path | None, pairs: list[str], workers: int | None) -> bool:
    """Verify datasets one after another; whether all are valid."""
    from evalshift.console.entry_states import print_verified
    from evalshift.console.terminal import stderr
    from evalshift.evaluate.choice import datasets_of, pairs_of
    from evalshift.evaluate.progress import counted
    from evalshift.testbed.registry_reading import load_registry
    from evalshift.testbed.state import dataset_state
    from evalshift.testbed.verification import verify_dataset

    known = load_registry(registry)
    chosen_pairs = pairs_of(known, pairs) if pairs else ()
    named = list(dict.fromkeys(name for pair in chosen_pairs for name in datasets_of(known, pair)))
    chosen = named or [name for name, entry in known.datasets.items() if dataset_state(entry).is_ready]
    found = {}
    for name in chosen:
        entry = known.dataset(name)
        with counted(stderr(), f"verifying {name}", None) as advance:
            space = known.class_space(entry.classes)
            found[name] = verify_dataset(name, entry, space, workers or os.cpu_count() or 1, advance)
    print_verified(found)
    return not any(one.faults for one in found.values())
