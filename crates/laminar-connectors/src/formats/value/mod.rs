//! The text of values, such that [`column`](super::column) reads it back as the same values.
//!
//! * [`shown`]: one column, value by value, as separated values and tables show it. [`json`]: the same as JSON.
//! * [`temporal`]: dates, times and timestamps, over the whole range of their types.
//! * [`plain`]: columns without dictionaries and runs. [`repeated_keys`]: maps that no JSON object can hold.

mod json;
mod plain;
mod repeated_keys;
mod shown;
mod temporal;

pub(crate) use json::encoder_factory;
pub(crate) use plain::plain;
pub(crate) use repeated_keys::repeated_keys;
pub(crate) use shown::{Shown, pairs};
