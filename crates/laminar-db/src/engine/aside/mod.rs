//! Rows that could not be used: counted, and the newest of them readable as `<object>$late` and `<object>$errors`.
//!
//! * [`collected`]: what every object put aside.

mod collected;

pub(crate) use collected::Aside;
