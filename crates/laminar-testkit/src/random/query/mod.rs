//! Random queries: any shape that SQL has for tables, over given ones, such that every engine must give the same answer.
//!
//! What leaves an answer open is not written: rows are cut off (LIMIT, `row_number()`, frames in rows) only behind an order by all
//! columns, sums are of numbers that add up exactly, and numbers stay small. [`Query`] is a tree, so that one that fails can be made
//! smaller ([`Query::smaller`]) without knowing what makes it valid: a part is taken out, and the caller sees whether it still fails.

mod aggregate;
mod expression;
mod generate;
mod shrink;
mod statement;
mod tree;
mod window;

pub use generate::random_query;
pub use statement::{Statement, random_statement};
pub use tree::Query;
