"""LaminarDB: streaming SQL in your program. Push rows, and the answers stay current."""

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Literal, Protocol

import pandas
import pyarrow

__version__: str

class ArrowStream(Protocol):
    """Tables of pyarrow, polars, duckdb and others: see the Arrow PyCapsule interface."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...

class ArrowArray(Protocol):
    """Record batches and struct arrays."""

    def __arrow_c_array__(self, requested_schema: object = None) -> object: ...

def connect(path: str = ":memory:") -> Database:
    """Opens a database. Today the only path is ":memory:": another one is refused, because nothing would be written there."""

class LaminarError(Exception):
    """What went wrong. As text it shows the statement with a caret below the fault."""

    code: str
    """Stable, such as "LDB-1003": what programs should look at."""
    message: str
    """What is wrong."""
    detail: str | None
    """Why."""
    hint: str | None
    """What to write or do instead."""
    position: int | None
    """Where in the statement the fault begins, in characters."""

class LaminarWarning(UserWarning):
    """An answer lacks rows: something that it depends on has stopped, or the oldest rows of a side output are forgotten."""

class Database:
    """A database. It works when it is called: on the caller's thread, with the interpreter released. Threads may share it."""

    def execute(self, sql: str) -> Result | Subscription | None:
        """Runs all statements of `sql`, stopping at the first that fails, and answers what the last one answers: a Result for a
        query, a Subscription for SUBSCRIBE or a SELECT over streams, else None. What was done before a failure stays."""
    def query(self, sql: str) -> Result:
        """The rows of one SELECT over tables and materialized views, as of now."""
    def push(
        self,
        name: str,
        data: ArrowStream | ArrowArray | pandas.DataFrame | list[dict[str, Any]] | dict[str, list[Any]],
    ) -> int:
        """Pushes rows into a source without connector or into a table, and returns how many when every view is current.

        Columns are found by name, in any order, and converted to the declared types; a value that does not fit, a missing column
        or one too many is an error. In a list of dicts a missing key is NULL. Arrow data is taken without a copy where its types
        are the declared ones. Data of several batches is pushed batch by batch, and what came before a faulty batch stays. Lists
        and dicts need pyarrow."""
    def end_source(self, name: str) -> None:
        """Says that nothing more will be pushed into a source: its windows close."""
    def run(self, timeout: float | None = None) -> bool:
        """Reads connectors until every bounded source has ended: then True. An unbounded one is read until the timeout (in seconds;
        then False) or Ctrl-C."""
    def subscribe(
        self,
        name_or_query: str,
        *,
        snapshot: bool | None = None,
        timeout: float | None = None,
        as_of_step: int | None = None,
        slow_reader: Literal["fail", "drop_oldest", "block"] = "fail",
        capacity: int | None = None,
    ) -> Subscription:
        """The changes of a source, table, stream or materialized view, or of a SELECT over them, step by step.

        `snapshot`: whether the current rows come first; None: if they are stored. `timeout`: how many seconds iterating waits for
        changes that other threads push; None: iterating ends when nothing more comes without a push. `as_of_step`: begin with
        the changes after this step instead, as far as the object's history reaches (`CREATE … WITH (history = …)`).

        `slow_reader`: what happens when more waits to be read than `capacity` steps (None: any number) or the setting
        `subscription_memory` (64 MiB): the subscription fails with LDB-4001, the oldest changes are dropped and counted, or what
        feeds it waits. Then pushes fail with LDB-4003 after `push_timeout` (1 second); nothing of them is taken in."""
    def close(self) -> None:
        """Completes the output of sinks and closes the database. Subscriptions stay open until they are closed."""
    def __enter__(self) -> Database: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...

class Result:
    """Rows of one consistent moment: the answer of a query, or the changes of one step. Iterating gives tuples."""

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
    @property
    def notices(self) -> list[str]:
        """What is to be known beside the rows: that some are missing, and why. Each was a LaminarWarning too."""
    def arrow(self) -> pyarrow.Table:
        """The rows as a pyarrow.Table, without a copy."""
    def df(self) -> pandas.DataFrame:
        """The rows as a pandas.DataFrame."""
    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows that were not fetched yet. Times have microseconds: finer digits are cut off; arrow() keeps them."""
    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        """Up to `size` rows that were not fetched yet."""
    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row; None after the last."""
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[tuple[Any, ...]]: ...
    def __next__(self) -> tuple[Any, ...]: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...

class Subscription:
    """Changes, step by step: each step is a Result with the columns `step` (a number), `op` and those of the rows. `op` is "+I" for
    a new row, "-D" for one that is gone, "-U" and "+U" for a row before and after an update."""

    @property
    def name(self) -> str:
        """The name of the object; "query" for a SELECT."""
    @property
    def columns(self) -> list[str]:
        """Names of the columns, `step` and `op` first."""
    @property
    def dropped(self) -> int:
        """Changes that were dropped because they were not read in time."""
    @property
    def finished(self) -> bool:
        """True once nothing will come any more and everything has been read, or the subscription is closed."""
    def next(self, timeout: float | None = None) -> Result | None:
        """The changes of the next step, reading connectors where that brings some. With a timeout it waits so many seconds, also
        for what other threads push; 0 only looks. None: nothing came, or nothing will without a push."""
    def close(self) -> None:
        """Stops listening."""
    def __iter__(self) -> Iterator[Result]: ...
    def __next__(self) -> Result: ...
    def __enter__(self) -> Subscription: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...
