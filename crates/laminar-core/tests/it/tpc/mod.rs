//! What the building blocks of many cores promise, from outside.

mod core;
mod core_failures;
mod door;
mod router;
mod runtime;
