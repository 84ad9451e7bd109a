//! Which files an object reads or writes, by whatever name, so that no sink writes over what another object reads or writes.

use std::fs;
use std::path::{Component, Path, PathBuf};

use ::glob::{MatchOptions, Pattern};

use super::{glob, paths};
use crate::formats::Format;

/// Symbolic links that are followed one after the other; a chain that is longer goes in a circle.
const LINKS_MAX: usize = 40;

/// The files that an object reads or writes.
#[derive(Debug, Clone, Default)]
pub struct FileSet {
    files: Vec<PathBuf>,
    /// Directories and globs: files that are there now or will be.
    open: Vec<(String, Option<Format>)>,
}

impl FileSet {
    /// What a source with this path reads.
    pub(super) fn of_source(path: &str, format: Option<Format>) -> Self {
        Self { files: Vec::new(), open: vec![(path.to_owned(), format)] }
    }

    /// These files alone.
    pub fn of_files(files: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { files: files.into_iter().collect(), open: Vec::new() }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.open.is_empty()
    }

    /// A file of this set that is in the other one too, as this set calls it.
    pub fn shared_with(&self, other: &FileSet) -> Option<&Path> {
        self.files.iter().find(|file| other.holds(file)).map(PathBuf::as_path)
    }

    fn holds(&self, file: &Path) -> bool {
        // A device such as /dev/null takes what everybody writes.
        !is_device(file)
            && (self.files.iter().any(|own| same(own, file))
                || self.open.iter().any(|(path, format)| is_among(file, path, *format)))
    }
}

/// Whether a source with this path reads `file`, or will once the file is there.
fn is_among(file: &Path, path: &str, format: Option<Format>) -> bool {
    let place = Path::new(path);
    // What is there now may have other names, which links give it.
    let there = paths::expand(path, format).unwrap_or_default();
    if same(place, file) || there.iter().any(|other| same(other, file)) {
        return true;
    }
    let resolved = resolved(file, LINKS_MAX);
    let (Some(directory), Some(name)) = (resolved.parent(), resolved.file_name()) else { return false };
    if place.is_dir() {
        return paths::is_data(Path::new(name), format) && is_partition(directory, &self::resolved(place, LINKS_MAX));
    }
    let patterns = if glob::is_pattern(path) { glob::alternatives(path).unwrap_or_default() } else { Vec::new() };
    patterns.iter().any(|pattern| will_match(pattern, &resolved, directory, Path::new(name)))
}

/// Whether `directory` is `base` or, as in `base/year=2024`, one of its partitions, of which a source over `base` reads the files.
fn is_partition(directory: &Path, base: &Path) -> bool {
    directory
        .strip_prefix(base)
        .is_ok_and(|within| within.components().all(|part| part.as_os_str().to_string_lossy().contains('=')))
}

/// Whether a glob will match a file that is not there yet.
fn will_match(pattern: &str, file: &Path, directory: &Path, name: &Path) -> bool {
    let options = MatchOptions { require_literal_separator: true, require_literal_leading_dot: true, ..Default::default() };
    let matches = |pattern: &Path, path: &Path| {
        pattern.to_str().and_then(|text| Pattern::new(text).ok()).is_some_and(|pattern| pattern.matches_path_with(path, options))
    };
    if name.extension().is_some_and(|ending| ending == paths::PARTIAL) {
        return false;
    }
    let pattern = Path::new(pattern);
    // Directories that are there may be reached through links; those that are not are compared by name.
    let (Some(directories), Some(names)) = (pattern.parent(), pattern.file_name()) else { return false };
    let there = directories.to_str().and_then(|text| ::glob::glob_with(text, options).ok()).into_iter().flatten().flatten();
    if matches(Path::new(names), name) && there.chain([PathBuf::from(directories)]).any(|d| resolved(&d, LINKS_MAX) == directory)
    {
        return true;
    }
    let is_plain = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
    let base: PathBuf = pattern.components().take_while(is_plain).collect();
    let rest: PathBuf = pattern.components().skip_while(is_plain).collect();
    file.strip_prefix(resolved(&base, LINKS_MAX)).is_ok_and(|within| matches(&rest, within))
}

/// Whether two names are of one file.
fn same(one: &Path, other: &Path) -> bool {
    resolved(one, LINKS_MAX) == resolved(other, LINKS_MAX)
        || matches!((identity(one), identity(other)), (Some(a), Some(b)) if a == b)
}

/// The name of a file or directory without links, dots and what the working directory adds; it need not be there.
fn resolved(path: &Path, links_left: usize) -> PathBuf {
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A link to what is not there yet: a writer would make that.
    if let Ok(target) = fs::read_link(path)
        && links_left > 0
    {
        return resolved(&parent.join(target), links_left - 1);
    }
    match path.components().next_back() {
        Some(Component::Normal(name)) => resolved(parent, links_left).join(name),
        Some(Component::ParentDir) => {
            let mut above = resolved(parent, links_left);
            above.pop();
            above
        }
        _ => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
    }
}

/// What the system calls a file that is there: hard links have one identity.
#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// Elsewhere the resolved name alone decides.
#[cfg(not(unix))]
fn identity(_: &Path) -> Option<(u64, u64)> {
    None
}

#[cfg(unix)]
fn is_device(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    fs::metadata(path).is_ok_and(|found| found.file_type().is_char_device())
}

#[cfg(not(unix))]
fn is_device(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with `in/a.csv`, links to it, and an empty directory `out`.
    fn place() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir_all(at("in/deep")).unwrap();
        fs::create_dir_all(at("out")).unwrap();
        fs::write(at("in/a.csv"), "n\n1\n").unwrap();
        fs::hard_link(at("in/a.csv"), at("hard.csv")).unwrap();
        #[cfg(unix)]
        for (target, link) in [("in/a.csv", "soft.csv"), ("in", "linked"), ("out/new.csv", "dangling.csv"), ("out", "in/into")] {
            std::os::unix::fs::symlink(at(target), at(link)).unwrap();
        }
        place
    }

    fn check(written: &str, read: &str, shared: bool) {
        let place = place();
        let at = |name: &str| place.path().join(name);
        let source = FileSet::of_source(at(read).to_str().unwrap(), None);
        let sink = FileSet::of_files([at(written)]);
        assert_eq!(sink.shared_with(&source).is_some(), shared, "a sink into {written}, a source over {read}");
    }

    #[test]
    fn a_file_is_known_by_all_its_names() {
        for name in ["in/a.csv", "./in/../in/a.csv", "hard.csv", "soft.csv", "linked/a.csv", "nowhere/../in/a.csv"] {
            check(name, "in/a.csv", true);
            check(name, "in", true);
            check(name, "linked", true);
            check(name, "in/*.csv", true);
            check(name, "i*/a.csv", true);
        }
        check("out/a.csv", "in/a.csv", false);
    }

    #[test]
    fn a_file_that_is_not_there_yet_belongs_to_what_will_find_it() {
        check("in/new.csv", "in", true);
        check("linked/new.csv", "in/*.csv", true);
        check("in/new.csv", "l*/n*.csv", true);
        check("dangling.csv", "out/*.csv", true);
        check("out/new.csv", "out/new.csv", true);
        check("out/new.csv", "in/*/*.csv", true);
        check("in/x/y/new.csv", "in/**/*.csv", true);
        check("in/x/y/new.csv", "in/*/*.csv", false);
        check("in/new.txt", "in", false);
        check("in/.new.csv", "in", false);
        check("in/.new.csv", "in/*.csv", false);
        check("in/new.csv.partial", "in/*", false);
        check("in/deep/new.csv", "in", false);
        check("in/year=2024/month=1/new.csv", "in", true);
        check("in/new.csv", "in/a.csv", false);
        check("out/new.csv", "in/*.csv", false);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_belongs_to_everybody() {
        let device = || FileSet::of_files([PathBuf::from("/dev/null")]);
        assert!(device().shared_with(&device()).is_none());
    }
}
