//! Tests written in SQL: what comes in, what time it is, and what must come out. `laminar test` runs them, and so can the tests of a program:
//!
//! ```
//! use laminar_slt::{Options, run_text};
//!
//! let test = "
//! statement ok
//! CREATE SOURCE clicks (page VARCHAR, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
//!
//! statement ok
//! CREATE MATERIALIZED VIEW minutes AS
//! SELECT window_start, count(*) AS n FROM clicks GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE) EMIT ON WINDOW CLOSE
//!
//! insert INTO clicks VALUES ('/', '2024-01-01 10:00:07'), ('/', '2024-01-01 10:00:03')
//!
//! advance watermark clicks to 10:01:00
//!
//! expect changes minutes
//! +I 2024-01-01T10:00:00 2
//! ";
//! let report = run_text("minutes.slt", test, ".".as_ref(), &Options::default());
//! assert!(report.failures.is_empty(), "{}", report.render());
//! assert_eq!(report.checks, 3);
//! ```
//!
//! The language stands in docs/09-testing.md. A test is a list of records (`syntax`), which a `session` does one after the other; `run` holds what comes
//! against what is expected, and repeats the test with rows in other orders (`any_order`).

mod moment;
mod values;

mod syntax;

mod difference;

mod failure;

mod pipeline;

mod session;

mod any_order;

mod run;

mod files;

pub use failure::Failure;
pub use files::{find, run_file};
pub use run::{Options, Report, run_text};
