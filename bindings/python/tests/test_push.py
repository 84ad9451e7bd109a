"""What can be pushed, and what is refused with a reason."""

import datetime as dt
import os

import laminardb
import pandas as pd
import pyarrow as pa
import pytest

ROWS = [("a", 1, dt.datetime(2026, 1, 1, 0, 0, 1)), ("b", None, dt.datetime(2026, 1, 1, 0, 0, 2))]
DICTS = [dict(zip(("symbol", "volume", "ts"), row)) for row in ROWS]
TABLE = pa.Table.from_pylist(DICTS)

SHAPES = {
    "a table": TABLE,
    "a table of several batches": pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)]),
    "a record batch": TABLE.to_batches()[0],
    "a reader": lambda: TABLE.to_reader(),
    "a struct array": pa.StructArray.from_arrays([column.combine_chunks() for column in TABLE.columns], TABLE.schema.names),
    "columns in another order": TABLE.select(["ts", "volume", "symbol"]),
    "other types with the same values": TABLE.cast(
        pa.schema([("symbol", pa.large_string()), ("volume", pa.int16()), ("ts", pa.timestamp("ms"))])
    ),
    "a dictionary column": TABLE.set_column(0, "symbol", TABLE["symbol"].dictionary_encode()),
    "times as text": TABLE.set_column(2, "ts", pa.array([row[2].isoformat() for row in ROWS])),
    "a data frame": pd.DataFrame(DICTS),
    "a data frame with an index of its own": pd.DataFrame(DICTS, index=["x", "y"]),
    "a list of dicts": DICTS,
    "a list of dicts that lack what may be NULL": [DICTS[0], {k: v for k, v in DICTS[1].items() if v is not None}],
    "a list of dicts with times as text": [dict(row, ts=row["ts"].isoformat()) for row in DICTS],
    "a dict of lists": {name: [row[name] for row in DICTS] for name in DICTS[0]},
}


@pytest.mark.parametrize("data", SHAPES.values(), ids=SHAPES.keys())
def test_rows_are_read_from(trades, data):
    with trades.subscribe("trades") as changes:
        assert trades.push("trades", data() if callable(data) else data) == 2
        rows = [row[2:] for step in changes for row in step]
    assert rows == ROWS
    assert trades.query("SELECT * FROM totals ORDER BY symbol").fetchall() == [("a", 1), ("b", None)]



REFUSED = {
    "a missing column": (TABLE.select(["symbol", "ts"]), "LDB-1003", "has no column 'volume'"),
    "a list that is missing": ({"symbol": ["a"], "ts": [None]}, "LDB-1003", "has no column 'volume'"),
    "a column too many": (TABLE.append_column("x", TABLE["volume"]), "LDB-1003", "'x' that has no place"),
    "a key too many": ([dict(DICTS[0], x=1)], "LDB-1003", "'x' that has no place"),
    "a list too many": ({"symbol": ["a"], "x": [1]}, "LDB-1003", "'x' that has no place"),
    "NULL where it must not be": ([DICTS[0], dict(DICTS[1], symbol=None)], "LDB-3002", "row 1: column 'symbol': NULL"),
    "a number out of range": ([dict(DICTS[0], volume=1 << 70)], "LDB-3002", "does not fit"),
    "a type that needs a guess": (TABLE.set_column(2, "ts", pa.array([1, 2])), "LDB-1007", "cannot become TIMESTAMP"),
    "text that is no time": (TABLE.set_column(2, "ts", pa.array(["soon", "later"])), "LDB-3002", "row 0: column 'ts'"),
    "an array that is not rows": (pa.array([1, 2]), "LDB-1007", "is not rows"),
    "rows that are NULL as a whole": (pa.array([None], pa.struct(TABLE.schema)), "LDB-3002", "NULL as a whole"),
    "text that is not UTF-8": (
        pa.table({
            "symbol": pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")]),
            "volume": [1],
            "ts": [dt.datetime(2026, 1, 1)],
        }),
        "LDB-",
        "UTF",
    ),
}


@pytest.mark.parametrize("data, code, message", REFUSED.values(), ids=REFUSED.keys())
def test_refused_with_the_reason(trades, data, code, message):
    with pytest.raises(laminardb.LaminarError) as refused:
        trades.push("trades", data)
    assert refused.value.code.startswith(code), refused.value
    assert message.lower() in str(refused.value).lower()
    assert trades.query("SELECT count(*) FROM totals").fetchone() == (0,)


@pytest.mark.parametrize("data", [7, "text", None, [1], [("a", 1)]])
def test_what_holds_no_rows_is_a_type_error_that_says_what_does(trades, data):
    with pytest.raises(TypeError, match="dicts"):
        trades.push("trades", data)


def test_what_is_pushed_is_not_changed(trades):
    columns = {"symbol": ["a"], "volume": [1], "ts": ["2026-01-01"]}
    rows = [{"symbol": "a"}]
    trades.push("trades", columns)
    trades.push("trades", rows)
    assert columns == {"symbol": ["a"], "volume": [1], "ts": ["2026-01-01"]} and rows == [{"symbol": "a"}]


def test_the_counted_row_of_an_error_goes_on_over_batches(trades):
    bad = TABLE.set_column(2, "ts", pa.array(["2026-01-01", "later"]))
    good = TABLE.set_column(2, "ts", pa.array(["2026-01-01", "2026-01-01"]))
    with pytest.raises(laminardb.LaminarError, match="row 3: column 'ts'"):
        trades.push("trades", pa.concat_tables([good, bad]))
    assert len(trades.query("SELECT * FROM totals")) == 2, "the batch before the faulty one stays"


def test_names_that_cannot_be_pushed_into_are_refused(trades):
    for name, code in [("nowhere", "LDB-1002"), ("totals", "LDB-1011")]:
        with pytest.raises(laminardb.LaminarError) as refused:
            trades.push(name, {"symbol": ["a"], "volume": [1]})
        assert refused.value.code == code


def test_a_failing_stream_is_the_error_that_it_gave(trades):
    def batches():
        yield TABLE.to_batches()[0]
        raise RuntimeError("the well is dry")

    with pytest.raises(laminardb.LaminarError, match="the well is dry"):
        trades.push("trades", pa.RecordBatchReader.from_batches(TABLE.schema, batches()))
    assert len(trades.query("SELECT * FROM totals")) == 2


def test_columns_go_in_and_out_without_a_copy(db):
    db.execute("CREATE SOURCE numbers (n BIGINT NOT NULL)")
    column = pa.array(range(1000), pa.int64())
    with db.subscribe("numbers") as changes:
        db.push("numbers", pa.table({"n": column}))
        received = changes.next().arrow().column("n").chunk(0)
    assert received == column
    assert received.buffers()[1].address == column.buffers()[1].address


def test_buffers_that_belong_to_python_are_released_by_other_threads(db):
    """Releasing them needs the interpreter, while the engine's lock is held: nobody may hold it and wait for the engine."""
    import threading

    import numpy as np

    db.execute("CREATE TABLE t (n BIGINT PRIMARY KEY); CREATE MATERIALIZED VIEW c AS SELECT count(*) AS n FROM t")

    def push(base):
        for i in range(30):
            db.push("t", pa.table({"n": pa.array(np.arange(100, dtype=np.int64) + (base + i) * 100)}))
            with db.subscribe("c") as changes:
                changes.next()

    threads = [threading.Thread(target=push, args=(base,), daemon=True) for base in (0, 1000, 2000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a deadlock"
    assert db.query("SELECT n FROM c").fetchone() == (9000,)


# LAMINAR_PUSH_ROWS=10000000 is the long mode.
PUSH_ROWS = int(os.environ.get("LAMINAR_PUSH_ROWS", 1_000_000))


def resident():
    """Resident memory in MiB; 0 where that cannot be read."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE") >> 20
    except OSError:
        return 0


def pushing(db):
    """A source of numbers, what passes them on, a view that counts them, and a thousand of them."""
    db.execute(
        """
        SET subscription_memory = '1 MiB';
        CREATE SOURCE numbers (n BIGINT NOT NULL);
        CREATE STREAM passed AS SELECT n FROM numbers;
        CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM numbers;
        """
    )
    return pa.table({"n": pa.array(range(1000), pa.int64())})


def test_a_loop_of_pushes_beside_subscriptions_that_are_never_read_takes_bounded_memory(db):
    batch = pushing(db)
    failing = db.subscribe("passed")
    dropping = db.subscribe("passed", slow_reader="drop_oldest")
    memory = []
    for _ in range(PUSH_ROWS // 1000):
        assert db.push("numbers", batch) == 1000
        memory.append(resident())
    assert max(memory) - memory[len(memory) // 10] < 64
    pushed = PUSH_ROWS // 1000 * 1000
    assert db.query("SELECT n FROM counted").fetchall() == [(pushed,)]
    with pytest.raises(laminardb.LaminarError) as failed:
        failing.next(timeout=0)
    assert failed.value.code == "LDB-4001"
    read = 0
    while (step := dropping.next(timeout=0)) is not None:
        read += len(step)
    assert read > 0 and read + dropping.dropped == pushed


def test_a_loop_of_pushes_beside_a_subscription_that_blocks_fails_whole_each_time(db):
    batch = pushing(db)
    db.execute("SET push_timeout = '0'")
    blocking = db.subscribe("passed", slow_reader="block", capacity=10)
    codes = []
    for _ in range(PUSH_ROWS // 1000):
        try:
            db.push("numbers", batch)
        except laminardb.LaminarError as error:
            codes.append(error.code)
    assert set(codes) == {"LDB-4003"}
    taken = (PUSH_ROWS // 1000 - len(codes)) * 1000
    assert db.query("SELECT n FROM counted").fetchall() == [(taken,)] and not blocking.finished


@pytest.mark.skipif(resident() == 0, reason="memory_limit works on Linux only")
def test_rows_that_are_more_than_the_memory_limit_stand_on_disk(db):
    # Of the limit an eighth is left free, so it must be well above what the interpreter takes.
    limit = (resident() + resident() // 4 + 128) << 20
    # `/tmp` may be memory.
    db.execute(f"SET temp_directory = '{os.path.dirname(os.path.abspath(__file__))}'; SET memory_limit = {limit}")
    db.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, text VARCHAR)")
    for first in range(0, 300_000, 10_000):
        ids = range(first, first + 10_000)
        assert db.push("t", pa.table({"id": pa.array(ids, pa.int64()), "text": [f"{id:>1000}" for id in ids]})) == 10_000
    memory = dict(db.query("SHOW MEMORY").fetchall())
    assert int(memory["state that can leave memory"]) > 300 << 20
    # Where all cores are busy the thread that puts pages out comes late.
    assert resident() << 20 < limit + (96 << 20)
    assert db.query("SELECT count(*), sum(length(text)) FROM t").fetchall() == [(300_000, 300_000_000)]
