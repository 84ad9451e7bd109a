//! Text to statements: scripts are split, every statement is read by its own file, queries and expressions by sqlparser.
//!
//! [`statement`] holds what comes out; [`script`] is where to begin. Every window syntax becomes one internal form
//! ([`window_call`]), so that nothing below this room knows how a user wrote it.

mod alter;
mod asof;
mod assignments;
mod backup;
mod change;
mod changed_rows;
mod collation;
mod columns;
mod connector;
mod constraints;
mod create;
mod create_index;
mod create_lookup;
mod create_query;
mod create_sink;
mod create_source;
mod create_table;
pub mod dialect;
mod dispatch;
mod drop;
mod emit;
mod exclude;
mod explain;
mod fill;
mod insert;
mod interval;
pub(crate) mod names;
mod nested_error;
mod objects;
mod on_conflict;
mod origin;
pub mod position;
mod probe;
mod query;
mod refusals;
mod replay;
mod returning;
pub(crate) mod rewrite;
pub mod script;
mod set;
mod set_operation;
mod show;
pub mod statement;
mod subscribe;
mod subscription;
pub(crate) mod syntax;
mod syntax_error;
#[cfg(test)]
mod tests;
mod tokens;
mod variables;
pub mod window_call;
mod windows;

pub use alter::renamed;
pub use changed_rows::{CHANGED_ROWS, EXCLUDED_ROWS, RETURNED_ROWS, ROW_NUMBER};
pub use dialect::LaminarDialect;
pub(crate) use exclude::exclusion_of_text;
pub use position::LineIndex;
pub use rewrite::{changes_name, changes_of_name};
pub use script::{parse_script, parse_script_with, parse_statement};
pub use statement::*;
pub use window_call::WindowCall;
