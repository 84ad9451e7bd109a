"""Files as other programs write them: every row is read with the right values, or the file is refused by name.

One table is written in many ways by pyarrow, pandas, polars, DuckDB and fastparquet. What cannot be installed is skipped.
"""

import datetime as dt
import json
import math
from decimal import Decimal

import laminardb
import pytest

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
import pyarrow.csv as pa_csv

ROWS = 700
UTC = dt.timezone.utc
EPOCH = dt.datetime(1970, 1, 1)


def every(n, value):
    """A column with a NULL in every n-th row."""
    return [None if row % n == n - 1 else value(row) for row in range(ROWS)]


# name: type, values. The plain ones are what every program and every text format can hold.
PLAIN = {
    "id": (pa.int64(), list(range(ROWS))),
    "n": (pa.int64(), every(5, lambda row: (row - 350) * 9_007_199_254_740_993 // 350)),
    "f": (pa.float64(), every(7, lambda row: row / 7 - 40)),
    "t": (pa.string(), every(6, lambda row: ["plain", 'say "hi"', "a,b;c\td", "two\nlines", "ü 日本 🦀", "NULLx"][row % 6])),
    "b": (pa.bool_(), every(4, lambda row: row % 2 == 0)),
    "d": (pa.date32(), every(9, lambda row: dt.date(1960, 1, 1) + dt.timedelta(days=row * 61))),
    "ts": (pa.timestamp("us"), every(8, lambda row: EPOCH + dt.timedelta(days=row * 31 - 9000, microseconds=row * 1_001))),
}
# What only typed formats hold.
TYPED = {
    "i8": (pa.int8(), every(5, lambda row: row % 256 - 128)),
    "i16": (pa.int16(), every(5, lambda row: row * 91 % 65_536 - 32_768)),
    "i32": (pa.int32(), every(5, lambda row: row * 6_134_957 - 2**31)),
    "u8": (pa.uint8(), every(5, lambda row: row % 256)),
    "u16": (pa.uint16(), every(5, lambda row: row * 93)),
    "u32": (pa.uint32(), every(5, lambda row: row * 6_134_957)),
    "u64": (pa.uint64(), every(5, lambda row: 2**64 - 1 - row)),
    "f32": (pa.float32(), every(7, lambda row: row / 4)),
    "raw": (pa.binary(), every(6, lambda row: bytes([row % 256, 255, 0]))),
    "five": (pa.binary(5), every(6, lambda row: row.to_bytes(5, "big"))),
    "d9": (pa.decimal128(9, 2), every(5, lambda row: Decimal(row * 1_427_551 - 499_642_850).scaleb(-2))),
    "d18": (pa.decimal128(18, 4), every(5, lambda row: Decimal(row * 10**12 - 10**14).scaleb(-4))),
    "d38": (pa.decimal128(38, 10), every(5, lambda row: Decimal(row * 10**34 - 10**36).scaleb(-10))),
    "ms": (pa.timestamp("ms"), every(8, lambda row: EPOCH + dt.timedelta(days=row * 37 - 9000))),
    "tz": (pa.timestamp("us", "UTC"), every(8, lambda row: dt.datetime(1990, 1, 1, tzinfo=UTC) + dt.timedelta(hours=row))),
    "time": (pa.time64("us"), every(8, lambda row: dt.time(row % 24, row % 60, row % 60, row * 997))),
    "word": (pa.dictionary(pa.int32(), pa.string()), every(3, lambda row: f"word {row % 11}")),
    "nothing": (pa.null(), [None] * ROWS),
}
NESTED = {
    "l": (pa.list_(pa.int64()), every(5, lambda row: [None if item == 2 else item * row for item in range(row % 4)])),
    "ll": (pa.list_(pa.list_(pa.string())), every(6, lambda row: [[f"x{row}"], None, []][: row % 4])),
    "s": (pa.struct([("x", pa.int32()), ("y", pa.string())]), every(5, lambda row: {"x": row, "y": None if row % 3 else "y"})),
    "m": (pa.map_(pa.string(), pa.int64()), every(5, lambda row: [(f"k{key}", key or None) for key in range(row % 3)])),
    "ls": (
        pa.list_(pa.struct([("t", pa.string()), ("l", pa.list_(pa.float64()))])),
        every(5, lambda row: [{"t": f"t{row}", "l": [0.5, None]}, None][: row % 3]),
    ),
}


def table(*parts):
    columns = {name: column for part in parts for name, column in part.items()}
    return pa.table({name: pa.array(values, kind) for name, (kind, values) in columns.items()})


PLAIN_TABLE = table(PLAIN)
TYPED_TABLE = table(PLAIN, TYPED)
TABLE = table(PLAIN, TYPED, NESTED)


def sql_text(path):
    return str(path).replace("'", "''")


def read(db, path, options="", columns=""):
    """The rows of a file in the order of their ids, and the reasons of those in $errors."""
    columns = f"({columns})" if columns else ""
    db.execute(f"CREATE SOURCE s {columns} FROM FILE (path = '{sql_text(path)}'{options});"
               "CREATE MATERIALIZED VIEW v AS SELECT * FROM s")
    assert db.run()
    return db.query("SELECT * FROM v ORDER BY id").arrow(), db.query("SELECT reason FROM s$errors").fetchall()


def plain(value):
    """One form for what Arrow's types have several of."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, dt.datetime) and value.tzinfo:
        return value.astimezone(UTC)
    return value


def check(db, path, expected, options="", columns=""):
    """All rows are there, each value as it was written."""
    got, errors = read(db, path, options, columns)
    assert errors == []
    assert got.num_rows == expected.num_rows
    missing = [name for name in expected.column_names if name not in got.column_names]
    assert missing == []
    for name in expected.column_names:
        have, want = got.column(name).to_pylist(), expected.column(name).to_pylist()
        wrong = [(row, a, b) for row, (a, b) in enumerate(zip(have, want)) if plain(a) != plain(b)]
        assert wrong[:3] == [], name


def check_or_refused(db, path, expected, options="", columns=""):
    """As `check`, or an error with a code that names the file or the column."""
    try:
        check(db, path, expected, options, columns)
    except laminardb.LaminarError as refused:
        assert refused.code.startswith("LDB-") and not refused.code.startswith("LDB-9")
        assert path.name in str(refused) or "column" in str(refused)


FLOATS = ["f", "f32"]
INTEGERS = ["id", "n", "i32", "u32"]
TEXTS = ["t", "raw"]
PYARROW = {
    "as it comes": {},
    "version 1.0": {"version": "1.0"},
    "version 2.4": {"version": "2.4"},
    "pages of version 2": {"data_page_version": "2.0"},
    "without dictionaries": {"use_dictionary": False},
    "one dictionary": {"use_dictionary": ["t"]},
    "tiny pages": {"data_page_size": 64, "write_batch_size": 8},
    "tiny pages of version 2": {"data_page_size": 64, "write_batch_size": 8, "data_page_version": "2.0"},
    "tiny dictionaries": {"dictionary_pagesize_limit": 32, "write_batch_size": 16},
    "many row groups": {"row_group_size": 13},
    "row groups of one row": {"row_group_size": 1},
    "without statistics": {"write_statistics": False},
    "with a page index": {"write_page_index": True},
    "with checksums": {"write_page_checksum": True},
    "without Arrow's own schema": {"store_schema": False},
    "decimals as integers": {"store_decimal_as_integer": True},
    "lists of the old form": {"use_compliant_nested_type": False},
    "content-defined pages": {"use_content_defined_chunking": True},
    "times in milliseconds, cut": {"coerce_timestamps": "ms", "allow_truncated_timestamps": True},
    "INT96": {"use_deprecated_int96_timestamps": True},
    "INT96 without Arrow's own schema": {"use_deprecated_int96_timestamps": True, "store_schema": False},
    **{f"codec {codec}": {"compression": codec} for codec in ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]},
    **{
        f"codec {codec}, pages of version 2": {"compression": codec, "data_page_version": "2.0"}
        for codec in ["snappy", "gzip", "brotli", "zstd", "lz4"]
    },
    "DELTA_BINARY_PACKED": {"use_dictionary": False, "column_encoding": {name: "DELTA_BINARY_PACKED" for name in INTEGERS}},
    "DELTA_LENGTH_BYTE_ARRAY": {"use_dictionary": False, "column_encoding": {name: "DELTA_LENGTH_BYTE_ARRAY" for name in TEXTS}},
    "DELTA_BYTE_ARRAY": {"use_dictionary": False, "column_encoding": {name: "DELTA_BYTE_ARRAY" for name in [*TEXTS, "five"]}},
    "BYTE_STREAM_SPLIT": {
        "use_dictionary": False,
        "column_encoding": {name: "BYTE_STREAM_SPLIT" for name in [*FLOATS, *INTEGERS, "five", "d9"]},
    },
    "RLE": {"use_dictionary": False, "data_page_version": "2.0", "column_encoding": {"b": "RLE"}},
    "PLAIN": {"use_dictionary": False, "column_encoding": {name: "PLAIN" for name in [*INTEGERS, *FLOATS, *TEXTS]}},
}


@pytest.mark.parametrize("how", PYARROW)
def test_parquet_of_pyarrow(db, tmp_path, how):
    options = PYARROW[how]
    expected = TABLE
    try:
        pq.write_table(TABLE, tmp_path / "a.parquet", **options)
    except (TypeError, ValueError, NotImplementedError, pa.ArrowException) as cannot:
        pytest.skip(f"this pyarrow cannot write that: {cannot}")
    if "cut" in how:
        # What the writer cut is not in the file.
        expected = TABLE.set_column(TABLE.column_names.index("ts"), "ts", pq.read_table(tmp_path / "a.parquet").column("ts"))
    if how == "INT96 without Arrow's own schema":
        # Nothing in the file says that these were instants.
        expected = TABLE.set_column(TABLE.column_names.index("tz"), "tz", TABLE.column("tz").cast(pa.timestamp("us")))
    check(db, tmp_path / "a.parquet", expected)


LAYOUTS = {
    "large texts": {"t": pa.large_string(), "raw": pa.large_binary()},
    "views": {"t": pa.string_view(), "raw": pa.binary_view()},
    "large lists": {"l": pa.large_list(pa.int64())},
    "small decimals": {"d9": pa.decimal128(5, 1)},
    "wide decimals": {"d38": pa.decimal256(60, 10)},
    "nanoseconds": {"ts": pa.timestamp("ns"), "ms": pa.timestamp("ns")},
    "another zone": {"tz": pa.timestamp("ms", "Europe/Paris")},
    "a dictionary of longs": {"word": pa.dictionary(pa.int64(), pa.large_string())},
}


@pytest.mark.parametrize("how", LAYOUTS)
def test_parquet_of_arrow_layouts(db, tmp_path, how):
    columns = {name: TABLE.column(name) for name in ["id", *LAYOUTS[how]]}
    if how == "small decimals":
        columns["d9"] = pa.array([None if value is None else value.quantize(Decimal("0.1")) % 1000 for value in columns["d9"].to_pylist()])
    try:
        made = pa.table({name: column.cast(LAYOUTS[how].get(name, column.type)) for name, column in columns.items()})
        pq.write_table(made, tmp_path / "a.parquet")
    except (pa.ArrowException, AttributeError) as cannot:
        pytest.skip(f"this pyarrow cannot make that: {cannot}")
    check(db, tmp_path / "a.parquet", pa.table(columns))


def test_parquet_of_several_writers_under_one_name(db, tmp_path):
    """A folder of files that differ in all but their columns."""
    for number, options in enumerate([{}, {"version": "1.0", "use_dictionary": False}, {"use_deprecated_int96_timestamps": True}]):
        pq.write_table(PLAIN_TABLE.slice(number * 200, 200), tmp_path / f"{number}.parquet", **options)
    check(db, tmp_path, PLAIN_TABLE.slice(0, 600))


def test_parquet_with_an_encrypted_column_or_footer_is_refused_by_name(db, tmp_path):
    pe = pytest.importorskip("pyarrow.parquet.encryption", reason="this pyarrow is built without encryption")

    class Keys(pe.KmsClient):
        def __init__(self):
            pe.KmsClient.__init__(self)

        def wrap_key(self, key, _):
            return key.hex()

        def unwrap_key(self, key, _):
            return bytes.fromhex(key)

    factory = pe.CryptoFactory(lambda _: Keys())
    for plaintext_footer in [True, False]:
        config = pe.EncryptionConfiguration(footer_key="f", column_keys={"c": ["n"]}, plaintext_footer=plaintext_footer,
                                            double_wrapping=False)
        properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), config)
        path = tmp_path / f"{plaintext_footer}.parquet"
        pq.write_table(PLAIN_TABLE, path, encryption_properties=properties)
        with pytest.raises(laminardb.LaminarError, match="column 'n'.*is encrypted" if plaintext_footer else "encrypted") as refused:
            read(db, path)
        assert refused.value.code == "LDB-1010"


def test_parquet_batches_are_bounded_by_bytes(db, tmp_path):
    """Two million bytes a row, which the file holds once."""
    long = pa.table({"id": list(range(200)), "t": ["x" * 2_000_000] * 200})
    pq.write_table(long, tmp_path / "a.parquet", write_statistics=False)
    db.execute(f"CREATE SOURCE s FROM FILE (path = '{sql_text(tmp_path / 'a.parquet')}');"
               "CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n, sum(length(t)) AS chars FROM s")
    assert db.run()
    assert db.query("SELECT * FROM v").fetchall() == [(200, 400_000_000)]


# --- pandas ---------------------------------------------------------------------------------------------------------------


def frame():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    return PLAIN_TABLE.to_pandas(types_mapper=pd.ArrowDtype)


PANDAS_PARQUET = {
    "as it comes": {},
    "with an index": {"index": True},
    "gzip": {"compression": "gzip"},
    "without compression": {"compression": None},
}


@pytest.mark.parametrize("how", PANDAS_PARQUET)
def test_parquet_of_pandas(db, tmp_path, how):
    frame().to_parquet(tmp_path / "a.parquet", engine="pyarrow", **PANDAS_PARQUET[how])
    check(db, tmp_path / "a.parquet", PLAIN_TABLE)


TEXT_COLUMNS = "id BIGINT, n BIGINT, f DOUBLE, t VARCHAR, b BOOLEAN, d DATE, ts TIMESTAMP(6)"
PANDAS_CSV = {
    "as it comes": ({"index": False}, ""),
    "quotes everywhere": ({"index": False, "quoting": 1}, ""),
    "quotes around texts": ({"index": False, "quoting": 2}, ""),
    "semicolons": ({"index": False, "sep": ";"}, ", delimiter = ';'"),
    "tabs": ({"index": False, "sep": "\t"}, ", delimiter = '\\t'"),
    "bars and single quotes": ({"index": False, "sep": "|", "quotechar": "'"}, ", delimiter = '|', quote = ''''"),
    "CRLF": ({"index": False, "lineterminator": "\r\n"}, ""),
    "NA for NULL": ({"index": False, "na_rep": "NA"}, ", null = 'NA'"),
    "gzip": ({"index": False, "compression": "gzip"}, ""),
    "zstd": ({"index": False, "compression": "zstd"}, ""),
}


def check_csv(db, path, options="", columns=TEXT_COLUMNS):
    check(db, path, PLAIN_TABLE, f", format = 'csv'{options}", columns)


@pytest.mark.parametrize("how", PANDAS_CSV)
def test_csv_of_pandas(db, tmp_path, how):
    given, options = PANDAS_CSV[how]
    try:
        frame().to_csv(tmp_path / "a.csv", **given)
    except (ImportError, ModuleNotFoundError) as cannot:
        pytest.skip(f"pandas cannot write that: {cannot}")
    if given.get("quoting"):
        # "" is the empty text and not NULL, so rows with NULLs in other columns are errors: all rows are accounted for.
        got, errors = read(db, tmp_path / "a.csv", f", format = 'csv'{options}", TEXT_COLUMNS)
        assert got.num_rows + len(errors) == ROWS
        return
    check_csv(db, tmp_path / "a.csv", options)


def test_csv_of_pandas_with_its_index_is_read_or_refused(db, tmp_path):
    frame().to_csv(tmp_path / "a.csv")
    check_or_refused(db, tmp_path / "a.csv", PLAIN_TABLE.select(["id", "f"]))


def test_csv_of_pandas_without_a_header(db, tmp_path):
    frame().to_csv(tmp_path / "a.csv", index=False, header=False)
    check_csv(db, tmp_path / "a.csv", ", header = 'false'")


def test_csv_of_pandas_with_decimal_commas_puts_those_rows_into_errors(db, tmp_path):
    frame().to_csv(tmp_path / "a.csv", index=False, sep=";", decimal=",")
    got, errors = read(db, tmp_path / "a.csv", ", delimiter = ';'", TEXT_COLUMNS)
    assert got.num_rows + len(errors) == ROWS
    whole = [row for row, value in enumerate(PLAIN_TABLE.column("f").to_pylist()) if value is None]
    assert set(whole) <= set(got.column("id").to_pylist())


def test_csv_of_pyarrow(db, tmp_path):
    pa_csv.write_csv(PLAIN_TABLE, tmp_path / "a.csv")
    check_csv(db, tmp_path / "a.csv")


@pytest.mark.parametrize("unit", ["ms", "us"])
def test_ndjson_of_pandas(db, tmp_path, unit):
    frame().to_json(tmp_path / "a.ndjson", orient="records", lines=True, date_format="iso", date_unit=unit, double_precision=15)
    # JSON of pandas has fifteen digits after the point, so floating point is compared as that.
    got, errors = read(db, tmp_path / "a.ndjson", "", TEXT_COLUMNS.replace("d DATE", "d VARCHAR"))
    assert errors == [] and got.num_rows == ROWS
    for name in ["id", "n", "t", "b"]:
        assert got.column(name).to_pylist() == PLAIN_TABLE.column(name).to_pylist(), name
    for have, want in zip(got.column("f").to_pylist(), PLAIN_TABLE.column("f").to_pylist()):
        assert have == want or math.isclose(have, want, rel_tol=1e-12)


def test_ndjson_of_python(db, tmp_path):
    rows = PLAIN_TABLE.to_pylist()
    (tmp_path / "a.ndjson").write_text("\n".join(json.dumps(row, default=str) for row in rows), encoding="utf-8")
    check(db, tmp_path / "a.ndjson", PLAIN_TABLE, "", TEXT_COLUMNS)


# --- polars ---------------------------------------------------------------------------------------------------------------

POLARS_PARQUET = {
    "as it comes": {},
    **{codec: {"compression": codec} for codec in ["lz4", "uncompressed", "snappy", "gzip", "brotli", "zstd"]},
    "small row groups": {"row_group_size": 50},
    "small pages": {"data_page_size": 100},
    "without statistics": {"statistics": False},
    "all statistics": {"statistics": "full"},
}


@pytest.mark.parametrize("how", POLARS_PARQUET)
def test_parquet_of_polars(db, tmp_path, how):
    pl = pytest.importorskip("polars", reason="polars is not installed")
    expected = TABLE.drop_columns(["m", "five", "nothing"])
    pl.from_arrow(expected).write_parquet(tmp_path / "a.parquet", **POLARS_PARQUET[how])
    check(db, tmp_path / "a.parquet", expected)


@pytest.mark.parametrize("how", [{}, {"separator": ";"}, {"quote_style": "non_numeric"}, {"line_terminator": "\r\n"}])
def test_csv_of_polars(db, tmp_path, how):
    pl = pytest.importorskip("polars", reason="polars is not installed")
    pl.from_arrow(PLAIN_TABLE).write_csv(tmp_path / "a.csv", **how)
    options = f", delimiter = '{how['separator']}'" if "separator" in how else ""
    check_csv(db, tmp_path / "a.csv", options)


def test_ndjson_of_polars(db, tmp_path):
    pl = pytest.importorskip("polars", reason="polars is not installed")
    pl.from_arrow(PLAIN_TABLE).write_ndjson(tmp_path / "a.ndjson")
    check(db, tmp_path / "a.ndjson", PLAIN_TABLE, "", TEXT_COLUMNS)


# --- DuckDB ---------------------------------------------------------------------------------------------------------------


def duckdb():
    return pytest.importorskip("duckdb", reason="duckdb is not installed").connect()


DUCKDB_PARQUET = ["", *(f", CODEC '{codec}'" for codec in ["uncompressed", "snappy", "gzip", "zstd", "brotli", "lz4_raw"]),
                  ", PARQUET_VERSION V2", ", ROW_GROUP_SIZE 100", ", PARQUET_VERSION V2, DICTIONARY_SIZE_LIMIT 1"]


@pytest.mark.parametrize("how", DUCKDB_PARQUET)
def test_parquet_of_duckdb(db, tmp_path, how):
    duck = duckdb()
    expected = TABLE.drop_columns(["five", "nothing"])
    duck.register("t", expected)
    duck.execute(f"COPY (SELECT * FROM t) TO '{sql_text(tmp_path / 'a.parquet')}' (FORMAT parquet{how})")
    check(db, tmp_path / "a.parquet", expected)


DUCKDB_VALUES = [
    ("'0001-01-01 00:00:00'::TIMESTAMP", dt.datetime(1, 1, 1)),
    ("'9999-12-31 23:59:59'::TIMESTAMP_S", dt.datetime(9999, 12, 31, 23, 59, 59)),
    ("'2024-01-01 00:00:00.123456'::TIMESTAMP_NS", dt.datetime(2024, 1, 1, 0, 0, 0, 123456)),
    ("'2024-01-01 00:00:00+02'::TIMESTAMPTZ", dt.datetime(2023, 12, 31, 22, tzinfo=UTC)),
    ("'b'::ENUM ('a', 'b')", "b"),
    ("'00112233-4455-6677-8899-aabbccddeeff'::UUID", "00112233-4455-6677-8899-aabbccddeeff"),
    ("'{\"a\": 1}'::JSON", '{"a": 1}'),
    ("'\\xFF\\x00'::BLOB", b"\xff\x00"),
    ("127::TINYINT", 127),
    ("18446744073709551615::UBIGINT", 18446744073709551615),
    ("0.1::FLOAT", 0.10000000149011612),
    ("12345678901234567890.123456789::DECIMAL(38, 9)", Decimal("12345678901234567890.123456789")),
    ("'23:59:59.999999'::TIME", dt.time(23, 59, 59, 999999)),
    ("[1, NULL, 3]", [1, None, 3]),
    ("{'a': 1, 'b': [{'c': 'x'}]}", {"a": 1, "b": [{"c": "x"}]}),
    ("MAP {'k': 1}", [("k", 1)]),
    ("MAP {7: 'x'}", [(7, "x")]),
]


@pytest.mark.parametrize("sql, value", DUCKDB_VALUES, ids=[sql for sql, _ in DUCKDB_VALUES])
def test_a_value_of_duckdb(db, tmp_path, sql, value):
    duckdb().execute(f"COPY (SELECT 1 AS id, {sql} AS v) TO '{sql_text(tmp_path / 'a.parquet')}' (FORMAT parquet)")
    got, errors = read(db, tmp_path / "a.parquet")
    assert errors == []
    assert plain(got.column("v").to_pylist()) == plain([value])


def test_an_interval_of_duckdb_keeps_its_months(db, tmp_path):
    duckdb().execute("COPY (SELECT 1 AS id, INTERVAL '14 months 3 days 5 seconds' AS v) "
                     f"TO '{sql_text(tmp_path / 'a.parquet')}' (FORMAT parquet)")
    got, errors = read(db, tmp_path / "a.parquet")
    assert errors == []
    assert [tuple(value) for value in got.column("v").to_pylist()] == [(14, 3, 5_000_000_000)]


@pytest.mark.parametrize("how, options", [("", ""), (", DELIMITER '|'", ", delimiter = '|'"), (", COMPRESSION gzip", "")])
def test_csv_of_duckdb(db, tmp_path, how, options):
    duck = duckdb()
    duck.register("t", PLAIN_TABLE)
    path = tmp_path / ("a.csv.gz" if "gzip" in how else "a.csv")
    duck.execute(f"COPY (SELECT * FROM t) TO '{sql_text(path)}' (FORMAT csv, HEADER{how})")
    check_csv(db, path, options)


def test_ndjson_of_duckdb(db, tmp_path):
    duck = duckdb()
    duck.register("t", PLAIN_TABLE)
    duck.execute(f"COPY (SELECT * FROM t) TO '{sql_text(tmp_path / 'a.ndjson')}' (FORMAT json)")
    check(db, tmp_path / "a.ndjson", PLAIN_TABLE, "", TEXT_COLUMNS)


# --- fastparquet ----------------------------------------------------------------------------------------------------------

FASTPARQUET = {
    "as it comes": {},
    "INT96": {"times": "int96"},
    "gzip": {"compression": "GZIP"},
    "without compression": {"compression": "UNCOMPRESSED"},
    "row groups": {"row_group_offsets": 100},
    "NULLs in all": {"has_nulls": True},
    "without statistics": {"stats": False},
}


@pytest.mark.parametrize("how", FASTPARQUET)
def test_parquet_of_fastparquet(db, tmp_path, how):
    pytest.importorskip("fastparquet", reason="fastparquet is not installed")
    import fastparquet

    columns = ["id", "f", "t", "ts"]
    flat = PLAIN_TABLE.select(columns).to_pandas()
    try:
        fastparquet.write(str(tmp_path / "a.parquet"), flat, **FASTPARQUET[how])
    except (TypeError, ValueError, AttributeError) as cannot:
        pytest.skip(f"this fastparquet cannot write that: {cannot}")
    # What it writes as INT96 depends on the unit that pandas has, so another reader says what is in the file.
    expected = pq.read_table(tmp_path / "a.parquet").select(columns)
    # It writes a missing float as NaN.
    floats = [float("nan") if value is None else value for value in expected.column("f").to_pylist()]
    got, errors = read(db, tmp_path / "a.parquet")
    assert errors == [] and got.num_rows == ROWS
    for name in ["id", "t", "ts"]:
        assert plain(got.column(name).to_pylist()) == plain(expected.column(name).to_pylist()), name
    missing = [plain(float("nan")) if value is None else plain(value) for value in got.column("f").to_pylist()]
    assert missing == plain(floats)


# --- what no writer should write and some have -------------------------------------------------------------------------------


def test_columns_of_one_name_are_told_apart(db, tmp_path):
    made = pa.table([[1, 2], [3, 4], [5, 6], [7, 8]], names=["id", "a", "a", "b"])
    pq.write_table(made, tmp_path / "a.parquet")
    check(db, tmp_path / "a.parquet", pa.table([[1, 2], [3, 4], [5, 6], [7, 8]], names=["id", "a", "a_3", "b"]))


def test_an_empty_struct_is_left_out(db, tmp_path):
    kind = pa.struct([("x", pa.struct([])), ("y", pa.int64())])
    made = pa.table({"id": [1, 2], "s": pa.array([{"x": {}, "y": 3}, None], kind), "b": [5, 6]})
    try:
        pq.write_table(made, tmp_path / "a.parquet")
    except pa.ArrowException as cannot:
        pytest.skip(f"this pyarrow cannot write that: {cannot}")
    check(db, tmp_path / "a.parquet", pa.table({"id": [1, 2], "s": [{"y": 3}, None], "b": [5, 6]}))


def test_declared_columns_take_exact_values_only(db, tmp_path):
    made = pa.table({"id": [1, 2, 3], "v": pa.array([Decimal("1.50"), Decimal("2.00"), None], pa.decimal128(10, 2))})
    pq.write_table(made, tmp_path / "a.parquet")
    got, errors = read(db, tmp_path / "a.parquet", "", "id BIGINT, v BIGINT")
    assert got.to_pylist() == [{"id": 2, "v": 2}, {"id": 3, "v": None}]
    assert errors == [("column 'v': 1.50 does not fit BIGINT",)]
