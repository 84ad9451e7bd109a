//! How a thread waits for another: see [`Signal`]. Its interleavings are tried out by loom (see CONTRIBUTING.md).

mod patience;
#[cfg(test)]
mod tests;
mod wait;

use super::sync;

pub(super) use patience::Patience;
pub(super) use wait::Signal;
