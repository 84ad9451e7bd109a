//! Query shapes that are written in another form before planning, and for that need to know the columns of tables:
//! `JOIN … USING`, `NATURAL JOIN`, `count(DISTINCT t.*)`, a cast that ORDER BY names, VALUES of several types, and a result with two columns of one name;
//! one shape a file.

mod cast_names;
mod from;
mod repeated_names;
mod using;
mod values;
mod walk;
mod whole_row;

pub(super) use cast_names::{name_casts, order_by_casts};
pub(crate) use repeated_names::{display_names, number_repeated_names};
pub(super) use values::let_values_meet;
pub(super) use walk::rewrite;
