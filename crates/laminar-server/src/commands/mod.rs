//! What the binary can do: one file a command.

pub(crate) mod run;
