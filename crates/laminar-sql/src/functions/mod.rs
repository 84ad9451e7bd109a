//! The one registry of scalar functions: ours, which answer as PostgreSQL's do, over DataFusion's of the same name.
//!
//! A function is a [`routine::Routine`]: a name, overloads by kinds of arguments (`kinds`), and what each computes over columns
//! (`columns`). There is a file, or a folder, for each family. Functions are the same in ad-hoc queries and in views.

mod array_remove;
mod bytes;
mod columns;
mod datetime;
mod decimal;
mod degrees;
mod fill_marker;
mod float_extremes;
mod join_marker;
mod kinds;
mod like_pattern;
mod limited;
mod numbers;
mod only;
mod ordered_set;
mod postgres_names;
mod quantified;
mod quote;
mod ranks;
mod regex;
mod registry;
mod routine;
mod sliding;
mod strings;
mod template;
mod text_form;
mod whole_numbers;
mod window_gaps;
mod window_marker;

pub(crate) use self::regex::SIMILAR_TO;
pub(crate) use datetime::{TO_INTERVAL, interval_text};
pub(crate) use fill_marker::{FillClause, fill_clause_of};
pub(crate) use like_pattern::LIKE_PATTERN;
pub(crate) use limited::limit_values;
pub(crate) use only::Only;
pub(crate) use postgres_names::register_shapes;
pub(crate) use quantified::{Quantified, Quantifier, quantified_name};
pub(crate) use ranks::with_signed_ranks;
pub(crate) use registry::register;
pub(crate) use routine::{FailedCall, HINT, NO_OVERLOAD};
pub(crate) use sliding::with_moving_frames;
pub(crate) use window_gaps::{end_of_window, has_line, on_line, starts_between};
pub(crate) use window_marker::{Bound, marker_of};
