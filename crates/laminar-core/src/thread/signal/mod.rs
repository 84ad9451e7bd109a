//! How a thread waits for another: see [`Signal`]. Its interleavings are tried out by loom (see CONTRIBUTING.md).

mod patience;
#[cfg(test)]
mod tests;
mod wait;

use super::sync;

pub(crate) use patience::Patience;
pub(crate) use wait::Signal;
