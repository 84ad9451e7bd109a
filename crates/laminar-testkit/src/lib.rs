//! The instruments of the tests: random histories, and an oracle that knows the right answer.
//!
//! * [`random`]: tables, rows and sequences of changes out of one number, the seed.
//! * [`oracle`]: feeds a history to an engine step by step and compares every step's contents with a batch query.
//! * [`compare`]: are two bags of rows the same?
//!
//! Nothing here knows the engine: a test brings it as an [`oracle::Subject`]. Never published.

pub mod compare;
pub mod oracle;
pub mod random;
