//! Follows the links of the documents, and compares the error page with the codes in the source.

use std::collections::BTreeSet;
use std::path::Path;

const CODES: &str = "crates/laminar-core/src/error.rs";
const ERROR_PAGE: &str = "docs/06-errors.md";

/// Links of the document at `path` that lead to no file. Links to the web are not followed.
pub(crate) fn judge_links(root: &Path, path: &str, text: &str) -> Vec<String> {
    let folder = root.join(path).parent().map(Path::to_path_buf).unwrap_or_default();
    let dead = links(text).into_iter().filter(|(_, target)| !folder.join(target).exists());
    dead.map(|(line, target)| format!("{path}:{line}: the link to '{target}' leads nowhere")).collect()
}

/// Links to files with their lines; code is skipped.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut in_code = false;
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        in_code ^= line.trim_start().starts_with("```");
        // Odd pieces between backticks are code.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned);
        let files = targets.filter_map(|target| {
            let file = target.split('#').next().unwrap_or_default().to_owned();
            (!file.is_empty() && !file.contains("://") && !file.starts_with("mailto:")).then_some(file)
        });
        if !in_code {
            found.extend(files.map(|file| (at + 1, file)));
        }
    }
    found
}

/// Every code has its entry in the error page, and every entry its code.
pub(crate) fn judge_error_page(root: &Path) -> Result<Vec<String>, String> {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"));
    Ok(compare_codes(&read(CODES)?, &read(ERROR_PAGE)?))
}

fn compare_codes(source: &str, page: &str) -> Vec<String> {
    let (known, described) = (codes(source), codes(page));
    let missing = known.difference(&described).map(|code| format!("{ERROR_PAGE}: {code} of {CODES} is not described"));
    let invented = described.difference(&known).map(|code| format!("{ERROR_PAGE}: {code} does not exist in {CODES}"));
    missing.chain(invented).collect()
}

fn codes(text: &str) -> BTreeSet<String> {
    let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
    text.split("LDB-").skip(1).map(digits).filter(|digits| !digits.is_empty()).map(|digits| format!("LDB-{digits}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_of_code() {
        let text =
            "see [a](docs/a.md#part), [web](https://x.org), [here](#there) and `[b](b.md)`\n```\n[c](c.md)\n```\n[d](d.md)";
        assert_eq!(links(text), [(1, "docs/a.md".to_owned()), (5, "d.md".to_owned())]);
    }

    #[test]
    fn a_dead_link_is_a_complaint() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(judge_links(root, "README.md", "[x](src/main.rs)").is_empty());
        assert_eq!(
            judge_links(root, "README.md", "\n[x](src/none.rs)"),
            ["README.md:2: the link to 'src/none.rs' leads nowhere"]
        );
    }

    #[test]
    fn codes_and_page_must_agree() {
        assert!(compare_codes("\"LDB-1001\"", "## LDB-1001").is_empty());
        let complaints = compare_codes("\"LDB-1001\" \"LDB-1002\"", "LDB-1001 LDB-7777 `LDB-…`");
        assert_eq!(complaints.len(), 2, "{complaints:?}");
    }
}
