//! Threads against each other at random, with failures and ends in the middle; every case holds its results against what was put in.
//!
//! Seconds by default. `LAMINAR_STRESS_CASES` is the number of cases of each test, and `LAMINAR_ORACLE_SEED` repeats one of them.

mod cores;
mod gates;
mod queues;
mod thread_pool;
