//! The instruments of the tests: random histories, an oracle that knows the right answer, and a runner of SQL scripts.
//!
//! * [`random`]: tables, rows and sequences of changes out of one number, the seed.
//! * [`oracle`]: feeds a history to an engine step by step and compares every step's contents with a batch query.
//! * [`compare`]: are two bags of rows the same?
//! * [`script`]: runs `.slt` files.
//!
//! Nothing here knows the engine: a test brings it as an [`oracle::Subject`] or a [`script::Engine`]. Never published.

pub mod compare;
pub mod oracle;
pub mod random;
pub mod script;
