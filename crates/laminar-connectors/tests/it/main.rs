//! Tests of the connectors through their public door: what a `CREATE` statement would do.

mod any_bytes;
mod bad_input;
mod compression;
mod connectors;
mod envelopes;
mod epochs;
mod follow;
mod follow_several;
mod globs;
mod harness;
mod lookups;
mod parquet;
#[cfg(unix)]
mod pipes;
mod properties;
mod random_tables;
mod random_values;
mod resume;
mod resume_files;
mod retry;
mod round_trips;
mod sources;
mod text_json;
mod text_layouts;
mod text_values;
