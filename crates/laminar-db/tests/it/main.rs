//! The library as a program uses it: push, subscribe, callbacks, typed rows, slow readers, failures beside things that go on, workers, several threads.

mod aggregates;
mod alignment;
mod asof_oracle;
mod backpressure;
mod changes;
mod changes_oracle;
mod closed_windows;
mod durable;
mod explain_state;
mod explain_why;
mod fairness;
mod first_rows;
mod functions;
mod hosted;
mod joins_by_time;
mod late;
mod library;
mod limits;
mod notices;
mod rename;
mod snapshots;
mod temporal_filters;
mod tpch;
mod undo;
mod watermarks;
mod workers;
