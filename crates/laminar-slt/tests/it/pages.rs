//! The examples of docs/09-testing.md are tests, and pass.

use std::path::Path;

use laminar_slt::{Options, run_text};

#[test]
fn the_examples_of_the_page_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let page = std::fs::read_to_string(folder.join("09-testing.md")).expect("the page is there");
    let examples: Vec<&str> = page.split("```slt\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 3, "the page shows what it describes");
    for example in examples {
        let report = run_text("09-testing.md", example, &folder, &Options::default());
        assert!(report.failures.is_empty(), "{}\n{example}", report.render());
    }
}
