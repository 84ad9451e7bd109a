"""What the tests share: a database with a source of trades and the totals over it."""

import faulthandler
import sys

import laminardb
import pytest


@pytest.fixture(autouse=True)
def watchdog():
    """A deadlock ends the run and shows where, rather than hanging for ever."""
    faulthandler.dump_traceback_later(180, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def db():
    with laminardb.connect() as database:
        yield database


@pytest.fixture
def trades(db):
    db.execute(
        """
        CREATE SOURCE trades (symbol VARCHAR NOT NULL, volume BIGINT, ts TIMESTAMP,
                              WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
        CREATE MATERIALIZED VIEW totals AS SELECT symbol, sum(volume) AS volume FROM trades GROUP BY symbol;
        """
    )
    return db
