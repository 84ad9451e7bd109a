//! What expressions mean: PostgreSQL's rules where DataFusion's differ, alike ad hoc, in views, in INSERT and for constants.
//!
//! 1. [`syntax`]: what must be decided before names and types are known (exact literals, lengths of VARCHAR).
//! 2. [`operators`] and [`coercion`], with [`meeting`] and [`operands`]: the types at which two operands meet; operators that
//!    compute become the functions of [`arithmetic`].
//! 3. [`casts`]: after DataFusion's own coercion, each cast that Arrow would do in another way becomes one of [`cast`].
//! 4. [`short_circuit`]: AND and OR look at each row's left side first, in what runs.
//!
//! Both rules run in the analyzer, before anything is folded or moved, so a constant is computed by what computes a row.

mod arithmetic;
mod averages;
pub(crate) mod cast;
mod casts;
mod coercion;
mod common_type;
mod explicit_order;
mod guarded_plans;
pub(crate) mod interval;
mod meeting;
mod operands;
mod operators;
mod overstated;
mod short_circuit;
mod syntax;
mod untyped;

pub(crate) use averages::AverageRule;
pub(crate) use casts::{CastRule, no_such_cast};
pub(crate) use coercion::CoercionRule;
pub(crate) use guarded_plans::physical_rules;
pub(crate) use operators::OperatorPlanner;
pub(crate) use short_circuit::guarded;
pub(crate) use syntax::{exact_expression, exact_syntax, length_of};
