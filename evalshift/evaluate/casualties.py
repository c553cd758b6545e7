"""Models that took a run down: left out of the next one, or run last and alone where they may be innocent."""

from dataclasses import replace

from evalshift.evaluate.at_work import began, identity_checksum, notes, to_blame
from evalshift.evaluate.plan import FORCED, Job, Plan, Request
from evalshift.evaluate.predictions import Failure
from evalshift.evaluate.store import Results


def without_casualties(plan: Plan, request: Request) -> tuple[Plan, list[Failure]]:
    """The plan without models that took a run down before, which are failures of this one; suspects come last."""
    results, force = request.results, request.force
    skipped, suspects = [], set()
    left = notes(results.path) if plan.jobs else {}
    for model in dict.fromkeys(job.model for job in plan.jobs):
        note = left.get(model)
        if note is None or note.identity != identity_checksum(plan.models[model].identity()):
            continue
        if (note.ended is None and note.tries == 0) or (force and model not in to_blame):
            suspects.add(model)
            continue
        ended = note.ended or "the process ended twice while it ran"
        fix = "correct it, or run it again with `force`"
        skipped.append(Failure(model, None, f"it took a run down: {ended}\n  {'fix:':<10}{fix}"))
    gone = {failure.model for failure in skipped}
    jobs = [job for job in plan.jobs if job.model not in gone and not (began and _is_done(job, results, began[0]))]
    return replace(plan, jobs=tuple(sorted(jobs, key=lambda job: job.model in suspects))), skipped


def _is_done(job: Job, results: Results, since: str) -> bool:
    """Whether an earlier process of this command stored these predictions, which matters where all are forced."""
    if job.reason != FORCED:
        return False
    stored = results.provenance(job.dataset, job.model)
    return stored is not None and stored.imported is None and stored.start >= since
