//! Any bytes as lines of JSON.

#![no_main]

#[path = "../../crates/laminar-connectors/tests/it/any_bytes.rs"]
#[expect(dead_code, reason = "another target runs the other function")]
mod any_bytes;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| any_bytes::ndjson(bytes));
