//! The examples of the documentation are tests, and pass; what its tables say of messages and answers is so.

use std::path::{Path, PathBuf};

use laminar_db::{Database, Error};
use laminar_slt::{Options, run_text};

/// Pages that would not be what they say without tests. Others are run too where they have examples.
const TESTED: [&str; 5] = ["04-not-supported.md", "04-queries.md", "04-sql-reference.md", "04-types.md", "09-testing.md"];

#[test]
fn the_examples_of_all_pages_pass() {
    let mut tested = Vec::new();
    for name in pages() {
        let examples = examples(&read(&name));
        for example in &examples {
            let report = run_text(&name, example, &folder(), &Options::default());
            assert!(report.failures.is_empty(), "{}", report.render());
        }
        tested.extend((!examples.is_empty()).then_some(name));
    }
    for name in TESTED {
        assert!(tested.iter().any(|page| page == name), "{name} has no examples");
    }
}

#[test]
fn what_is_not_supported_is_refused_in_the_words_of_its_page() {
    let page = read("04-not-supported.md");
    let database = Database::builder().build();
    for record in examples(&page).concat().split("\n\n") {
        let Some(statement) = record.trim().strip_prefix("statement ok\n") else { continue };
        database.execute(statement).unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
    let refused = rows(&page, ["statement", "message", "instead"]);
    assert!(refused.len() > 100, "the page lists what is refused: {} rows", refused.len());
    let differences: Vec<String> = refused.iter().filter_map(|row| refusal_differs(&database, row)).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn answers_differ_from_postgresql_as_the_page_says() {
    let differing = rows(&read("04-differences.md"), ["query", "here", "PostgreSQL", "why"]);
    assert!(differing.len() > 5, "the page lists what differs: {} rows", differing.len());
    for [query, here, postgresql, _] in &differing {
        let example = match here.strip_prefix("error: ") {
            Some(message) => format!("statement error {}\n{query}\n", regex::escape(message)),
            None => format!("query\n{query}\n----\n{here}\n"),
        };
        let report = run_text("04-differences.md", &example, &folder(), &Options::default());
        assert!(report.failures.is_empty(), "{}", report.render());
        assert_ne!(here, postgresql, "{query}: that does not differ");
    }
}

/// How what a statement answers differs from its row in the page, if it does.
fn refusal_differs(database: &Database, [statement, message, instead]: &[String; 3]) -> Option<String> {
    let Err(error) = database.execute(statement) else { return Some(format!("{statement}: is not refused")) };
    // Behind the dash stands what the page adds.
    let hint = instead.split('—').next().unwrap_or_default().trim();
    let said = error.hint().unwrap_or_default();
    let is_told = |error: &Error| is_as_written(error.message(), message) && is_as_written(said, hint) && !instead.is_empty();
    (!is_told(&error))
        .then(|| format!("{statement}: '{}', hint '{said}'; the page has '{message}', '{instead}'", error.message()))
}

/// Whether a text is that of the page, which may end in `…` before the text does.
fn is_as_written(text: &str, written: &str) -> bool {
    written.strip_suffix('…').map_or(text == written, |start| text.starts_with(start.trim_end()))
}

/// The examples of each section (`## …`) of a page as one test. All other lines are empty, so that lines have the numbers that they have in the page.
fn examples(page: &str) -> Vec<String> {
    let mut tests = vec![String::new()];
    let mut block = None;
    for (number, line) in page.lines().enumerate() {
        if block.is_none() && line.starts_with("## ") {
            tests.push("\n".repeat(number));
        }
        let fence = line.strip_prefix("```");
        let is_example = block == Some("slt") && fence.is_none();
        if let (Some(test), true) = (tests.last_mut(), is_example) {
            test.push_str(line);
        }
        tests.last_mut().into_iter().for_each(|test| test.push('\n'));
        if let Some(language) = fence {
            block = if block.is_none() { Some(language) } else { None };
        }
    }
    tests.retain(|test| !test.trim().is_empty());
    tests
}

/// The rows of the tables that have these columns.
fn rows<const COLUMNS: usize>(page: &str, head: [&str; COLUMNS]) -> Vec<[String; COLUMNS]> {
    let mut found = Vec::new();
    let mut is_inside = false;
    for line in page.lines() {
        let cells: Option<[String; COLUMNS]> = cells(line).try_into().ok();
        match cells {
            Some(cells) if cells == head => is_inside = true,
            Some(cells) if is_inside && !line.starts_with("|--") => found.push(cells),
            Some(_) => {}
            None => is_inside = false,
        }
    }
    found
}

/// The cells of a line of a table, as they are read: code without its quotes, `\|` and `\<` without the stroke.
fn cells(line: &str) -> Vec<String> {
    let Some(inside) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else { return Vec::new() };
    let cells = inside.replace("\\|", "\0");
    let read = |cell: &str| cell.trim().replace('\0', "|").replace("\\<", "<");
    let code = |cell: String| match cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')) {
        Some(code) if !code.contains('`') => code.to_owned(),
        _ => cell,
    };
    cells.split('|').map(read).map(code).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// The names of all pages, in order.
fn pages() -> Vec<String> {
    let files = std::fs::read_dir(folder()).expect("the documentation is there");
    let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
    let mut pages: Vec<String> = names.filter(|name| name.ends_with(".md")).collect();
    pages.sort();
    pages
}

fn read(page: &str) -> String {
    std::fs::read_to_string(folder().join(page)).expect("the page is there")
}
