//! Any text as statements, parsed, planned and lowered.

#![no_main]

#[path = "../../crates/laminar-sql/tests/oracle/any_text.rs"]
#[expect(dead_code, reason = "another target runs the other function")]
mod any_text;

libfuzzer_sys::fuzz_target!(|text: &str| any_text::parse_and_plan(text));
