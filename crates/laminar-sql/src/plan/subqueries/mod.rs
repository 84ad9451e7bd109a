//! Sub-queries inside of expressions: every one becomes a join, wherever it stands and however it is correlated.
//!
//! [`flatten`] goes over the plan of an ad-hoc query, [`flatten_to_joins`] over that of a continuous one, in which also what is the
//! same for all rows is joined to them, because it changes. A sub-query is brought to one value first (EXISTS to a count, IN and ANY to an array, a scalar
//! one to its only row), then computed once for each combination of the outer values that it reads (a [`domain`]): these are
//! pushed down to where they are read, and joined back to the rows they came from. What DataFusion itself joins well, an IN or
//! EXISTS in WHERE, is left to it.

mod domain;
mod flatten;
mod push;
mod references;

pub(super) use flatten::{flatten, flatten_to_joins};
