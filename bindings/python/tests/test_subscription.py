"""Changes step by step: order, operations, waiting, threads, interrupts."""

import os
import signal
import threading
import time

import laminardb
import pytest


def test_changes_come_with_step_and_operation(trades):
    with trades.subscribe("totals") as totals:
        assert totals.columns == ["step", "op", "symbol", "volume"] and totals.name == "totals"
        trades.push("trades", [{"symbol": "a", "volume": 1}])
        trades.push("trades", [{"symbol": "a", "volume": 2}])
        steps = [step.fetchall() for step in totals]
    assert [[row[1:] for row in step] for step in steps] == [
        [("+I", "a", 1)],
        [("-U", "a", 1), ("+U", "a", 3)],
    ]
    assert steps[0][0][0] < steps[1][0][0], "steps ascend"


def test_the_snapshot_comes_first_unless_it_is_not_wanted(trades):
    trades.push("trades", [{"symbol": "a", "volume": 1}])
    assert [row[1:] for step in trades.subscribe("totals") for row in step] == [("+I", "a", 1)]
    assert list(trades.subscribe("totals", snapshot=False)) == []


def test_a_select_can_be_subscribed_to(trades):
    query = "SELECT symbol FROM trades WHERE volume > 1"
    for subscribe in (lambda: trades.subscribe(query), lambda: trades.execute(f"SUBSCRIBE ({query})")):
        with subscribe() as changes:
            trades.push("trades", [{"symbol": "a", "volume": 1}, {"symbol": "b", "volume": 2}])
            assert [row[2:] for step in changes for row in step] == [("b",)]


def test_windows_come_when_they_are_complete_and_the_end_ends_the_subscription(trades):
    trades.execute("CREATE STREAM bars AS SELECT window_start, count(*) AS n FROM trades"
                   " GROUP BY TUMBLE(ts, INTERVAL '10' SECOND) EMIT ON WINDOW CLOSE")
    bars = trades.subscribe("bars")
    trades.push("trades", [{"symbol": "a", "ts": "2026-01-01T00:00:01"}, {"symbol": "a", "ts": "2026-01-01T00:00:12"}])
    assert bars.next() is None and not bars.finished
    trades.end_source("trades")
    assert [row[-1] for step in bars for row in step] == [1, 1]
    assert bars.finished


def test_iterating_reads_bounded_sources_to_their_end(db):
    db.execute("CREATE SOURCE g (n BIGINT) FROM GENERATOR (rows = 20000, fields.n.kind = 'sequence')")
    assert sum(len(step) for step in db.subscribe("g")) == 20000


def test_next_waits_for_what_another_thread_pushes(trades):
    changes = trades.subscribe("trades")
    threading.Timer(0.2, lambda: trades.push("trades", [{"symbol": "a", "volume": 1}])).start()
    began = time.monotonic()
    step = changes.next(timeout=30)
    assert step is not None and step.fetchone()[2] == "a"
    assert time.monotonic() - began < 20


def test_a_wait_ends_with_its_timeout(trades):
    changes = trades.subscribe("trades")
    began = time.monotonic()
    assert changes.next(timeout=0.2) is None
    assert 0.15 < time.monotonic() - began < 10
    assert changes.next(timeout=0) is None
    assert list(trades.subscribe("trades", timeout=0.05)) == []


def test_a_timeout_that_cannot_be_waited_for_is_refused(trades):
    for timeout in (-1, float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            trades.subscribe("trades").next(timeout=timeout)
        with pytest.raises(ValueError, match="timeout"):
            trades.subscribe("trades", timeout=timeout)


def test_python_goes_on_while_a_subscription_waits(trades):
    counted = 0
    done = threading.Event()

    def wait():
        trades.subscribe("trades").next(timeout=0.5)
        done.set()

    threading.Thread(target=wait).start()
    while not done.is_set():
        counted += 1
        time.sleep(0.001)
    assert counted > 20


def test_closing_from_another_thread_ends_a_wait(trades):
    changes = trades.subscribe("trades")
    threading.Timer(0.1, changes.close).start()
    began = time.monotonic()
    assert changes.next(timeout=30) is None
    assert time.monotonic() - began < 20 and changes.finished


@pytest.mark.parametrize("wait", [
    lambda db: db.subscribe("trades").next(timeout=float("inf")),
    lambda db: list(db.subscribe("trades", timeout=60)),
    lambda db: db.run(),
], ids=["next", "iterating", "run"])
def test_ctrl_c_ends_a_wait(trades, wait):
    # An unbounded source keeps run() busy.
    trades.execute("CREATE SOURCE endless (n BIGINT) FROM GENERATOR (rate = 10);"
                   "CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM endless")
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        wait(trades)
    assert time.monotonic() - began < 20


def test_a_slow_reader_drops_or_fails_as_it_was_asked_to(trades):
    dropping = trades.subscribe("trades", slow_reader="drop_oldest", capacity=2)
    failing = trades.subscribe("trades", slow_reader="fail", capacity=2)
    for n in range(5):
        trades.push("trades", [{"symbol": "a", "volume": n}])
    assert [row[3] for step in dropping for row in step] == [3, 4] and dropping.dropped == 3
    with pytest.raises(laminardb.LaminarError) as failed:
        list(failing)
    assert failed.value.code == "LDB-4001"
    with pytest.raises(ValueError, match="drop_oldest"):
        trades.subscribe("trades", slow_reader="wait")


def test_a_subscription_that_is_not_read_holds_nobody_back(trades):
    trades.execute("SET subscription_memory = '64 KiB'; CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM trades")
    unread = trades.subscribe("trades")
    for n in range(3000):
        trades.push("trades", [{"symbol": "a", "volume": n}])
    assert trades.query("SELECT n FROM n").fetchone() == (3000,)
    with pytest.raises(laminardb.LaminarError) as failed:
        unread.next()
    assert failed.value.code == "LDB-4001" and "fell behind" in str(failed.value)


def test_a_subscription_that_blocks_makes_pushes_fail_whole(trades):
    trades.execute("SET push_timeout = '10 ms'; CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM trades")
    blocking = trades.subscribe("trades", slow_reader="block", capacity=2)
    trades.push("trades", [{"symbol": "a", "volume": 1}])
    trades.push("trades", [{"symbol": "a", "volume": 2}])
    with pytest.raises(laminardb.LaminarError) as failed:
        trades.push("trades", [{"symbol": "a", "volume": 3}])
    assert failed.value.code == "LDB-4003" and "'trades' is held back" in str(failed.value)
    assert trades.query("SELECT n FROM n").fetchone() == (2,)
    assert len(blocking.next()) == 1
    trades.push("trades", [{"symbol": "a", "volume": 3}])
    assert trades.query("SELECT n FROM n").fetchone() == (3,)


def test_a_history_can_be_read_from_a_step_on(trades):
    trades.execute("CREATE MATERIALIZED VIEW n WITH (history = '100 steps') AS SELECT count(*) AS n FROM trades")
    reader = trades.subscribe("n")
    for n in range(3):
        trades.push("trades", [{"symbol": "a", "volume": n}])
    steps = [step.fetchall()[0][0] for step in reader]
    later = trades.subscribe("n", as_of_step=steps[1])
    assert [step.fetchall()[0][0] for step in later] == steps[2:]


def test_a_closed_subscription_gives_nothing_and_frees_its_query(trades):
    changes = trades.subscribe("SELECT symbol FROM trades")
    changes.close()
    changes.close()
    trades.push("trades", [{"symbol": "a", "volume": 1}])
    assert list(changes) == [] and changes.finished
    trades.execute("DROP SOURCE trades CASCADE")
