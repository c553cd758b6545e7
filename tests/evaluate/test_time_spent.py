from evalshift.evaluate.time_spent import TimeSpent


def test_the_time_of_a_run_is_told_by_what_it_was_spent_on() -> None:
    spent = TimeSpent(decode=40.0, forward=68.4, store=0.61, started=100.0)
    # By hand: 112 s in all, of which 109.01 s are known.
    assert spent.line(2_000, now=212.0) == (
        "time      1 min 52 s: decode 40 s (2,000 images), forward 1 min 8 s, store 0.6 s, "
        "loading models and choosing batches 3.0 s"
    )


def test_a_run_that_is_over_at_once_says_nothing() -> None:
    assert TimeSpent(started=100.0).line(5, now=101.9) is None


def test_storing_is_counted() -> None:
    spent = TimeSpent()
    with spent.storing():
        pass
    assert 0 < spent.store < 60
