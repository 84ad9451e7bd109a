//! SQL text to a graph of incremental operators.
//!
//! The stages, in the order in which a query goes through them:
//!
//! 1. [`parse`]: text to statements; every window syntax becomes one internal form.
//! 2. [`plan`]: names, types and optimisation by DataFusion; windows, emission and refusals by us.
//!    `semantics` says what expressions mean where PostgreSQL and DataFusion differ.
//! 3. `expr`: DataFusion's expressions and aggregates behind core's traits.
//! 4. [`lower`]: the plan to nodes of a graph. The last place where anything of SQL exists.
//!
//! [`diagnostic`] draws an error under the text that it is about; [`batch`] runs a query once over stored rows.

mod ast_walk;
pub mod batch;
mod deep;
pub mod diagnostic;
mod expr;
mod functions;
pub mod lower;
pub mod parse;
pub mod plan;
mod semantics;

pub use deep::with_deep_stack;
