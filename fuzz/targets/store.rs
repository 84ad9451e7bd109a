//! Any bytes as changes to the directory of a small store, opened and read.

#![no_main]

#[path = "../../crates/laminar-storage/tests/it/any_store.rs"]
mod any_store;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| any_store::store(bytes));
