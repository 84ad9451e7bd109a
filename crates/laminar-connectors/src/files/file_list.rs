//! Files that are read one after the other, and those that are left of them as a position holds them.

use std::path::{Path, PathBuf};

use laminar_core::Result;

use crate::fields::{FieldReader, FieldWriter};

/// Files in the order in which they are read, of which the first ones have been opened.
#[derive(Debug, Default)]
pub(super) struct FileList {
    files: Vec<PathBuf>,
    next: usize,
    /// All of them as a position holds those that are left, since it is written after each poll.
    coded: Vec<u8>,
    /// Where each file begins in there.
    starts: Vec<usize>,
}

impl FileList {
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        let (mut coded, mut starts, mut before) = (FieldWriter::default(), Vec::with_capacity(files.len()), Path::new(""));
        for file in &files {
            starts.push(coded.bytes().len());
            coded.path_after(before, file);
            before = file;
        }
        Self { next: 0, coded: coded.bytes().to_vec(), starts, files }
    }

    /// The file that is opened next.
    pub(super) fn next(&self) -> Option<&Path> {
        self.files.get(self.next).map(PathBuf::as_path)
    }

    /// Says that it is open.
    pub(super) fn advance(&mut self) {
        self.next += 1;
    }

    /// The file that was opened last.
    pub(super) fn current(&self) -> Option<&Path> {
        self.next.checked_sub(1).and_then(|index| self.files.get(index)).map(PathBuf::as_path)
    }

    /// Those that are still to be opened.
    pub(super) fn left(&self) -> &[PathBuf] {
        &self.files[self.next..]
    }

    /// Writes those that are still to be opened.
    pub(super) fn write_left(&self, fields: &mut FieldWriter) {
        let left = self.left();
        fields.number(left.len() as u64);
        if let Some((first, others)) = left.split_first() {
            fields.path(first);
            let from = if others.is_empty() { self.coded.len() } else { self.starts[self.next + 1] };
            fields.text(&self.coded[from..]);
        }
    }

    /// Reads what was written.
    pub(super) fn read(fields: &mut FieldReader<'_>) -> Result<Vec<PathBuf>> {
        let count = fields.number()?;
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut files = vec![fields.path()?];
        let mut coded = fields.within()?;
        for _ in 1..count {
            let before = files.last().map_or(Path::new(""), PathBuf::as_path);
            files.push(coded.path_after(before)?);
        }
        coded.end()?;
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_that_are_left_come_back() {
        let names = ["d/a-1.csv", "d/a-2.csv", "d/a-20.csv", "d/b.csv", "e"];
        let mut list = FileList::new(names.iter().map(PathBuf::from).collect());
        for opened in 0..=names.len() {
            let mut fields = FieldWriter::default();
            list.write_left(&mut fields);
            let mut reader = FieldReader::new(1, 1, fields.bytes(), "it").unwrap();
            let left: Vec<PathBuf> = names[opened..].iter().map(PathBuf::from).collect();
            assert_eq!(FileList::read(&mut reader).unwrap(), left);
            reader.end().unwrap();
            list.advance();
        }
    }
}
