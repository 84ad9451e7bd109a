//! What the binary can do: one file a command.

pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod crash_test;
pub(crate) mod run;
pub(crate) mod test;
