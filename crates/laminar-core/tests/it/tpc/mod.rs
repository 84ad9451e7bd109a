//! What the building blocks of many cores promise, from outside.

mod core;
mod core_failures;
mod router;
mod runtime;
mod standing_core;
