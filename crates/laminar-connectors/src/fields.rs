//! Numbers and texts one after the other, as positions and tokens hold them.

use std::path::{Path, PathBuf};

use laminar_core::{Code, Error, Result};

/// Writes fields. Numbers take as many bytes as they need.
#[derive(Debug, Default)]
pub(crate) struct FieldWriter(Vec<u8>);

impl FieldWriter {
    /// Everything that was written.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Adds a number, seven bits a byte, the lowest first.
    pub(crate) fn number(&mut self, mut number: u64) -> &mut Self {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
        self
    }

    /// Adds a number that may be negative.
    pub(crate) fn signed(&mut self, number: i64) -> &mut Self {
        self.number((number << 1 ^ number >> 63) as u64)
    }

    pub(crate) fn flag(&mut self, flag: bool) -> &mut Self {
        self.number(u64::from(flag))
    }

    /// Adds bytes, their length first.
    pub(crate) fn text(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds the name of a file as the system has it.
    pub(crate) fn path(&mut self, path: &Path) -> &mut Self {
        self.text(path.as_os_str().as_encoded_bytes())
    }

    /// The same, by how much of the name `before` it begins with: files that are read together differ in their last characters.
    pub(crate) fn path_after(&mut self, before: &Path, path: &Path) -> &mut Self {
        let (before, name) = (before.as_os_str().as_encoded_bytes(), path.as_os_str().as_encoded_bytes());
        let shared = name.iter().zip(before).take_while(|(a, b)| a == b).count();
        self.number(shared as u64).text(&name[shared..])
    }
}

/// Reads them in the same order. What is not there is an error: the bytes are not what was written.
#[derive(Debug)]
pub(crate) struct FieldReader<'a> {
    rest: &'a [u8],
    /// As messages call it: `the position of source 's'`.
    what: &'a str,
}

impl<'a> FieldReader<'a> {
    /// Reads what was written in `version`, which must be the one that is `known`.
    pub(crate) fn new(version: u8, known: u8, bytes: &'a [u8], what: &'a str) -> Result<Self> {
        if version == known {
            return Ok(Self { rest: bytes, what });
        }
        Err(Error::new(Code::NotSupported, format!("{what} is of version {version}, and this program reads version {known}"))
            .with_hint("open the database with the program that wrote it, or a newer one"))
    }

    pub(crate) fn number(&mut self) -> Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or_else(|| self.damaged())?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.damaged())
    }

    pub(crate) fn signed(&mut self) -> Result<i64> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    pub(crate) fn flag(&mut self) -> Result<bool> {
        Ok(self.number()? != 0)
    }

    pub(crate) fn text(&mut self) -> Result<&'a [u8]> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        let (text, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.damaged())?;
        self.rest = rest;
        Ok(text)
    }

    pub(crate) fn string(&mut self) -> Result<String> {
        Ok(String::from_utf8_lossy(self.text()?).into_owned())
    }

    pub(crate) fn path(&mut self) -> Result<PathBuf> {
        let bytes = self.text()?;
        path_of(bytes).ok_or_else(|| self.damaged())
    }

    pub(crate) fn path_after(&mut self, before: &Path) -> Result<PathBuf> {
        let (shared, rest) = (self.number()?, self.text()?);
        let shared = before.as_os_str().as_encoded_bytes().get(..usize::try_from(shared).unwrap_or(usize::MAX));
        let name = shared.map(|shared| [shared, rest].concat()).ok_or_else(|| self.damaged())?;
        path_of(&name).ok_or_else(|| self.damaged())
    }

    /// Fields that were written as one text.
    pub(crate) fn within(&mut self) -> Result<FieldReader<'a>> {
        Ok(FieldReader { rest: self.text()?, what: self.what })
    }

    /// Refuses bytes behind the last field.
    pub(crate) fn end(&self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.damaged()) }
    }

    /// What is wrong with the bytes.
    pub(crate) fn damaged(&self) -> Error {
        Error::new(Code::BadData, format!("{} is damaged", self.what))
            .with_hint("open an older checkpoint, or DROP and CREATE the object to begin anew")
    }
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(bytes)))
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(bytes).ok().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_and_damage_is_told_at_every_length() {
        let mut fields = FieldWriter::default();
        fields.number(0).number(u64::MAX).signed(-1).signed(i64::MIN).flag(true).text(b"x\xff").path(Path::new("a/\u{e9}"));
        let read = |bytes: &[u8]| -> Result<String> {
            let mut fields = FieldReader::new(1, 1, bytes, "it")?;
            let numbers = (fields.number()?, fields.number()?, fields.signed()?, fields.signed()?, fields.flag()?);
            let texts = (fields.text()?.to_vec(), fields.path()?);
            fields.end()?;
            Ok(format!("{numbers:?} {texts:?}"))
        };
        let all = format!("{:?} {:?}", (0, u64::MAX, -1, i64::MIN, true), (b"x\xff", "a/\u{e9}"));
        assert_eq!(read(fields.bytes()).unwrap(), all);
        for length in 0..fields.bytes().len() {
            assert_eq!(read(&fields.bytes()[..length]).unwrap_err().message(), "it is damaged");
        }
        assert_eq!(read(&[fields.bytes(), &[0]].concat()).unwrap_err().message(), "it is damaged");
        assert_eq!(FieldReader::new(2, 1, b"", "it").unwrap_err().code(), Code::NotSupported);
    }
}
