//! Text to statements: scripts are split, every statement is read by its own file, queries and expressions by sqlparser.
//!
//! [`statement`] holds what comes out. Every window syntax becomes one internal form ([`window_call`]), so that nothing below
//! this room knows how a user wrote it.

mod origin;
pub mod statement;
pub mod window_call;

pub use statement::*;
pub use window_call::WindowCall;
