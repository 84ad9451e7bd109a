//! Any bytes as changes and state images.

#![no_main]

#[path = "../../crates/laminar-storage/tests/it/any_bytes.rs"]
#[expect(dead_code, reason = "another target runs the other function")]
mod any_bytes;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| any_bytes::encoding(bytes));
