//! Any text as the length of a window.

#![no_main]

#[path = "../../crates/laminar-sql/tests/oracle/any_text.rs"]
#[expect(dead_code, reason = "another target runs the other function")]
mod any_text;

libfuzzer_sys::fuzz_target!(|text: &str| any_text::interval(text));
