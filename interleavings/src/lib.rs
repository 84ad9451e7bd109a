//! The queue between cores and the signal of its threads in every order that two or three threads can run in, by loom.
//!
//! The files under test are those of `laminar-core`, compiled here over loom's atomics, cells and threads.

#[cfg(test)]
mod tpc;
