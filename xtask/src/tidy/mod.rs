//! The house rules that a program can check; the rest is in STYLE.md.
//!
//! [`source`] judges one Rust file, [`functions`] measures functions, [`pages`] follows the links of the documents and
//! compares the error page with the codes.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::Report;

mod functions;
mod pages;
mod source;

/// How many of the longest files and functions are shown.
const SHOWN: usize = 10;

/// Judges the whole repository.
pub(crate) fn run(root: &Path) -> Result<Report, String> {
    let files = rust_files(root, root)?;
    let documents = read_all(root, root, "md")?;
    let mut complaints: Vec<String> = files.iter().flat_map(|(path, text)| source::judge(path, text)).collect();
    complaints.extend(documents.iter().flat_map(|(path, text)| pages::judge_links(root, path, text)));
    complaints.extend(pages::judge_error_page(root)?);
    Ok(Report { facts: facts(&files), complaints })
}

/// The ten largest files and functions.
fn facts(files: &[(String, String)]) -> String {
    let mut lengths: Vec<_> = files.iter().map(|(path, text)| (text.lines().count(), path.clone())).collect();
    let measured = |(path, text): &(String, String)| {
        let path = path.clone();
        functions::measure(text).into_iter().map(move |f| (f.lines, format!("{} ({path}:{})", f.name, f.line)))
    };
    let mut functions: Vec<_> = files.iter().flat_map(measured).collect();
    let median = |sorted: &[(usize, String)]| sorted.get(sorted.len() / 2).map_or(0, |(lines, _)| *lines);

    let mut text = String::new();
    for (what, found) in [("files", &mut lengths), ("functions", &mut functions)] {
        found.sort_by(|a, b| b.cmp(a));
        let _ = writeln!(text, "{} {what}, median {} lines, the largest:", found.len(), median(found));
        for (lines, name) in found.iter().take(SHOWN) {
            let _ = writeln!(text, "{lines:6}  {name}");
        }
    }
    text
}

/// All Rust files below `folder`, as (path from `root`, text), in order of their paths.
pub(crate) fn rust_files(folder: &Path, root: &Path) -> Result<Vec<(String, String)>, String> {
    read_all(folder, root, "rs")
}

fn read_all(folder: &Path, root: &Path, extension: &str) -> Result<Vec<(String, String)>, String> {
    let mut paths = Vec::new();
    if folder.exists() {
        walk(folder, extension, &mut paths).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok((path.strip_prefix(root).unwrap_or(&path).display().to_string(), text))
    };
    paths.into_iter().map(read).collect()
}

/// Hidden folders and build output are not ours to judge.
fn walk(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && !["target", "node_modules", "__pycache__"].contains(&name.as_str()) {
                walk(&path, extension, found)?;
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    Ok(())
}
