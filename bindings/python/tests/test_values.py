"""Every SQL type as a Python value, an Arrow column and a pandas column."""

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest

UTC = dt.timezone.utc
VALUES = [
    ("NULL", None),
    ("true", True),
    ("CAST(7 AS TINYINT)", 7),
    ("CAST(-7 AS SMALLINT)", -7),
    ("CAST(7 AS INT)", 7),
    ("9223372036854775807", 9223372036854775807),
    ("CAST(18446744073709551615 AS BIGINT UNSIGNED)", 18446744073709551615),
    ("CAST(1.5 AS REAL)", 1.5),
    ("CAST(0.1 AS DOUBLE)", 0.1),
    ("CAST('-12.30' AS DECIMAL(10, 2))", Decimal("-12.30")),
    ("'日本 ü'", "日本 ü"),
    ("arrow_cast('view', 'Utf8View')", "view"),
    ("arrow_cast('large', 'LargeUtf8')", "large"),
    ("arrow_cast('word', 'Dictionary(Int32, Utf8)')", "word"),
    ("X'00ff'", b"\x00\xff"),
    ("DATE '2026-02-28'", dt.date(2026, 2, 28)),
    ("DATE '1969-12-31'", dt.date(1969, 12, 31)),
    ("CAST('13:14:15.000016' AS TIME)", dt.time(13, 14, 15, 16)),
    ("TIMESTAMP '2026-02-28 13:14:15.123456789'", dt.datetime(2026, 2, 28, 13, 14, 15, 123456)),
    ("TIMESTAMP '1969-12-31 23:59:59.5'", dt.datetime(1969, 12, 31, 23, 59, 59, 500000)),
    ("arrow_cast('1969-12-31T23:59:59.5', 'Timestamp(Millisecond, None)')", dt.datetime(1969, 12, 31, 23, 59, 59, 500000)),
    ("arrow_cast('2026-01-01T00:00:00Z', 'Timestamp(Second, Some(\"UTC\"))')", dt.datetime(2026, 1, 1, tzinfo=UTC)),
    ("arrow_cast(1500, 'Duration(Millisecond)')", dt.timedelta(milliseconds=1500)),
    ("make_array(1, NULL, 3)", [1, None, 3]),
    ("make_array(make_array('a'), NULL)", [["a"], None]),
    ("named_struct('a', 1, 'b', NULL)", {"a": 1, "b": None}),
]


@pytest.mark.parametrize("sql, value", VALUES, ids=[sql for sql, _ in VALUES])
def test_a_value_comes_out_as_python_has_it(db, sql, value):
    (fetched,) = db.query(f"SELECT {sql} AS v").fetchone()
    assert fetched == value
    assert type(fetched) is type(value)


def test_a_value_without_a_python_form_is_refused_with_the_way_that_works(db):
    import laminardb

    rows = db.query("SELECT INTERVAL '1' MONTH AS v")
    with pytest.raises(laminardb.LaminarError, match=r"arrow\(\)") as refused:
        rows.fetchall()
    assert refused.value.code == "LDB-1010"
    assert rows.arrow().num_rows == 1


def test_rows_are_fetched_once_in_order(db):
    db.execute("CREATE TABLE t (a BIGINT); INSERT INTO t VALUES (1), (2), (3), (4), (5)")
    rows = db.query("SELECT a FROM t ORDER BY a")
    assert len(rows) == 5 and rows.columns == ["a"]
    assert rows.fetchone() == (1,)
    assert rows.fetchmany(2) == [(2,), (3,)]
    assert rows.fetchmany(0) == []
    assert list(rows) == [(4,), (5,)]
    assert rows.fetchone() is None and rows.fetchall() == []
    assert rows.arrow().column("a").to_pylist() == [1, 2, 3, 4, 5]


def test_no_rows_are_a_result_with_columns(db):
    rows = db.query("SELECT 1 AS a, 'x' AS b WHERE false")
    assert rows and len(rows) == 0 and rows.fetchall() == []
    assert rows.arrow().schema.names == ["a", "b"] and list(rows.df().columns) == ["a", "b"]
    assert repr(rows) == "a | b\n(0 rows)"


def test_repr_is_a_table_of_the_first_rows(db):
    assert repr(db.query("SELECT 1 AS a")) == "a\n-\n1\n(1 rows)"
    db.execute("CREATE SOURCE g (n BIGINT) FROM GENERATOR (rows = 50, fields.n.kind = 'sequence');"
               "CREATE MATERIALIZED VIEW v AS SELECT n FROM g")
    assert db.run()
    assert repr(db.query("SELECT n FROM v")).endswith("(50 rows, the first 20 are shown)")


def test_a_table_that_was_given_out_outlives_result_and_database():
    import gc

    import laminardb

    db = laminardb.connect()
    db.execute("CREATE TABLE t (a VARCHAR); INSERT INTO t VALUES ('long enough to live on the heap')")
    table = db.query("SELECT a FROM t").arrow()
    db.close()
    del db
    gc.collect()
    assert table.to_pylist() == [{"a": "long enough to live on the heap"}]


def test_arrow_is_given_out_by_the_capsule_interface(db):
    rows = db.query("SELECT 1 AS a")
    assert pa.schema(rows).names == ["a"]
    assert pa.RecordBatchReader.from_stream(rows).read_all().to_pylist() == [{"a": 1}]
    rows.__arrow_c_stream__()  # a capsule that nobody reads is released
