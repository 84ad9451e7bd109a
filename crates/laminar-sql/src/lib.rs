//! SQL text to a graph of incremental operators: parse, plan, lower.

pub mod diagnostic;
pub mod parse;
