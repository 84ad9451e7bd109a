//! What tests in files do and say.

mod messages;
mod orders;
mod pages;

use laminar_slt::{Options, Report, run_text};

/// Runs a test that is called `test.slt`, in a folder that holds nothing for it.
fn run(text: &str) -> Report {
    run_with(text, &Options::default())
}

fn run_with(text: &str, options: &Options) -> Report {
    run_text("test.slt", text, "no-such-folder".as_ref(), options)
}
