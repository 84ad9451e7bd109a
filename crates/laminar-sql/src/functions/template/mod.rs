//! `to_char`, `to_date`, `to_timestamp` and `to_number` with PostgreSQL's template patterns.
//!
//! A pattern is read once (`datetime_pattern`, `number_pattern`); values become text (`datetime_text`, `number_text`) and
//! texts become values (`datetime_value`, `number_value`) by walking over its parts. [`functions`] lists what SQL sees.

mod datetime_pattern;
mod datetime_text;
mod datetime_value;
mod functions;
mod number_pattern;
mod number_text;
mod number_value;
mod ordinal;

pub(super) use functions::routines;
