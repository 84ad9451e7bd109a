//! LaminarDB: write SQL, push rows, and the answers stay current.
//!
//! ```
//! use laminar_db::Database;
//!
//! # fn main() -> laminar_db::Result<()> {
//! let db = Database::open(":memory:")?;
//! db.execute(
//!     "CREATE TABLE orders (id BIGINT PRIMARY KEY, customer VARCHAR, amount BIGINT);
//!      CREATE MATERIALIZED VIEW totals AS SELECT customer, sum(amount) AS total FROM orders GROUP BY customer;
//!      INSERT INTO orders VALUES (1, 'ada', 10), (2, 'bob', 5), (3, 'ada', 7);",
//! )?;
//! let rows = db.query("SELECT total FROM totals WHERE customer = 'ada'")?;
//! assert_eq!(rows.to_strings(), [["17"]]);
//! # Ok(())
//! # }
//! ```
//!
//! A [`Database`] runs inline: whoever calls it does the work, and [`Database::push`] returns when every view is current. Several threads can
//! use it: whoever pushes or asks goes before a thread that reads sources ([`Database::run_until_finished`]), whose steps are kept short then.

// Each room needs only those above it (`cargo run -p xtask -- arrows`); a line between two keeps rustfmt from sorting them.
mod interrupt;
mod notice;
mod rows;
mod settings;

mod block_on;

mod replay_clock;

mod catalog;

mod history;

mod events;

mod engine_lock;

mod stored;

mod durability;

mod engine;

mod status;

mod database;

mod turn;

mod checkpoint;

mod backup;

mod hosted;

mod subscription;

mod statements;

mod recovery;

mod sql;

mod builder;

pub use backup::back_up_directory;
pub use builder::DatabaseBuilder;
pub use database::{CallbackHandle, Database};
pub use events::Event;
pub use history::{Change, ChangeSet, SlowReader, SubscribeOptions, schema_with_operations};
pub use interrupt::Interrupt;
pub use laminar_connectors as connectors;
pub use laminar_core as core;
pub use laminar_core::row::Row;
pub use laminar_core::{ChangeBatch, Code, Error, Result, Span, StepId};
pub use laminar_derive::Row;
pub use laminar_sql::diagnostic;
pub use laminar_sql::parse::{ObjectKind, ParsedStatement, Statement, parse_script, parse_script_with};
pub use laminar_storage::store::{Copied, Report as DirectoryReport, check as check_directory, restore as restore_directory};
pub use notice::{Notice, NoticeKind};
pub use rows::Rows;
pub use settings::{Durability, IoMethod, Settings, StepBudget};
pub use statements::StatementOutcome;
pub use status::{ObjectStatus, Retrying, Status};
pub use subscription::Subscription;
pub use turn::Turn;
