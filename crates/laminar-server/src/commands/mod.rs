//! What the binary can do: one file a command.

pub mod run;
