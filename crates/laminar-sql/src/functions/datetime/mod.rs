//! Dates, times and intervals: their fields, zones, making and cutting them, and intervals as text.

mod age;
pub(super) mod clock;
mod extract;
pub(crate) mod interval_text;
mod make;
mod trunc;
mod unit;
mod zone;

use super::routine::Routine;
pub(crate) use age::TO_INTERVAL;

/// The functions of this family.
pub(super) fn routines() -> Vec<Routine> {
    [extract::routines(), trunc::routines(), zone::routines(), make::routines(), age::routines()].into_iter().flatten().collect()
}
