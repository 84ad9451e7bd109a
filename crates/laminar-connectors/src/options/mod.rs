//! The options of a statement: every one is used or refused, none is ignored.

mod nearest;
mod quantity;

use std::collections::BTreeMap;
use std::time::Duration;

use laminar_core::{Code, Error, Result};

pub use nearest::nearest;
pub use quantity::{parse_bytes, parse_duration};

/// Options by lower-case name. A connector takes those that it knows and then calls [`finish`](Options::finish).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    values: BTreeMap<String, String>,
}

impl Options {
    /// Options from pairs; names are lower-cased.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { values: pairs.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect() }
    }

    /// The names that have not been taken yet.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Removes and returns the option called `name`.
    pub fn take(&mut self, name: &str) -> Option<String> {
        self.values.remove(name)
    }

    /// Gives the option called `name` this value.
    pub fn set(&mut self, name: &str, value: String) {
        self.values.insert(name.to_ascii_lowercase(), value);
    }

    /// Removes and returns the option called `name`, or says that `context` needs it.
    pub fn require(&mut self, name: &str, context: &str) -> Result<String> {
        self.take(name).ok_or_else(|| {
            Error::new(Code::InvalidOption, format!("{context} needs the option '{name}'"))
                .with_hint(format!("add {name} = '…' between the parentheses"))
        })
    }

    /// Removes a yes or no: `true`, `false`, `on`, `off`, `yes`, `no`, `1`, `0`.
    pub fn take_bool(&mut self, name: &str) -> Result<Option<bool>> {
        self.take_parsed(name, "true or false", |text| match text.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Some(true),
            "false" | "off" | "no" | "0" => Some(false),
            _ => None,
        })
    }

    /// Removes a whole number of at least 0; underscores may group digits.
    pub fn take_u64(&mut self, name: &str) -> Result<Option<u64>> {
        self.take_parsed(name, "a whole number such as 1000", |text| text.replace('_', "").parse().ok())
    }

    /// Removes a number of rows or the like: whole and at least 1.
    pub fn take_count(&mut self, name: &str) -> Result<Option<usize>> {
        let parse = |text: &str| text.replace('_', "").parse().ok().filter(|count| *count > 0);
        self.take_parsed(name, "a whole number of at least 1", parse)
    }

    /// Removes a duration such as `5s`, `100 ms` or `1 minute`.
    pub fn take_duration(&mut self, name: &str) -> Result<Option<Duration>> {
        self.take_parsed(name, "a duration such as '5s', '100 ms' or '1 minute'", parse_duration)
    }

    /// Removes a size in bytes such as `64 MiB`.
    pub fn take_bytes(&mut self, name: &str) -> Result<Option<u64>> {
        self.take_parsed(name, "a size such as '64 MiB' or '1 GB'", parse_bytes)
    }

    /// Removes a single ASCII character; `\t` and `tab` mean the tabulator.
    pub fn take_byte(&mut self, name: &str) -> Result<Option<u8>> {
        self.take_parsed(name, "one ASCII character (\\t for a tabulator)", |text| match text.as_bytes() {
            b"\\t" | b"tab" => Some(b'\t'),
            [byte] if byte.is_ascii() => Some(*byte),
            _ => None,
        })
    }

    /// Removes one of a few words, whatever its case.
    pub fn take_enum<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let found = choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(text.trim()));
        found.map(|(_, choice)| Some(*choice)).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            let list = words.join(", ");
            let hint = match nearest(&text, words) {
                Some(word) => format!("did you mean '{word}'? it can be: {list}"),
                None => format!("it can be: {list}"),
            };
            invalid(name, &text, "").with_hint(hint)
        })
    }

    /// Removes an option and reads it with `parse`; `wanted` completes "it must be …".
    pub fn take_parsed<T>(&mut self, name: &str, wanted: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>> {
        let Some(text) = self.take(name) else { return Ok(None) };
        parse(text.trim()).or_else(|| parse(&text)).map(Some).ok_or_else(|| invalid(name, &text, wanted))
    }

    /// Lets `format.delimiter` stand for `delimiter`, unless both are given.
    pub fn merge_prefix(&mut self, prefix: &str) -> Result<()> {
        let inner: Vec<_> = self.values.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
        for name in inner {
            let plain = name[prefix.len()..].to_owned();
            if self.values.contains_key(&plain) {
                return Err(Error::new(Code::InvalidOption, format!("option '{plain}' is given twice"))
                    .with_detail(format!("once as '{plain}' and once as '{name}'")));
            }
            if let Some(value) = self.values.remove(&name) {
                self.values.insert(plain, value);
            }
        }
        Ok(())
    }

    /// Refuses names that are not among `known`, before anything else is looked at: who misspells an option that is needed
    /// must not read that it is missing. `fields.<column>` among the known stands for all that start with `fields.`.
    pub fn check_names(&self, context: &str, known: &[&str]) -> Result<()> {
        let fits = |known: &str, name: &str| known.split_once('<').map_or(known == name, |(start, _)| name.starts_with(start));
        let mut unknown_names = self.names().filter(|name| !known.iter().any(|known| fits(known, name)));
        unknown_names.next().map_or(Ok(()), |name| Err(unknown(name, context, known)))
    }

    /// Refuses what nobody took. `context` is who was asked (`a file source`), `known` is all that it understands.
    pub fn finish(&self, context: &str, known: &[&str]) -> Result<()> {
        self.names().next().map_or(Ok(()), |name| Err(unknown(name, context, known)))
    }
}

fn unknown(name: &str, context: &str, known: &[&str]) -> Error {
    let list = match known {
        [] => "it has no options".to_owned(),
        _ => format!("its options are: {}", known.join(", ")),
    };
    let hint = match nearest(name, known.iter().copied()) {
        Some(meant) if meant != name => format!("did you mean '{meant}'? {list}"),
        _ => list,
    };
    Error::new(Code::UnknownOption, format!("{context} has no option '{name}'")).with_hint(hint)
}

/// The message for a value that an option cannot have. Values of secrets are not repeated.
pub fn invalid(name: &str, value: &str, wanted: &str) -> Error {
    let message = match is_secret(name) {
        true => format!("the value of option '{name}' is not valid"),
        false => format!("option '{name}' cannot be '{value}'"),
    };
    let error = Error::new(Code::InvalidOption, message);
    if wanted.is_empty() { error } else { error.with_hint(format!("it must be {wanted}")) }
}

/// Whether an option's value must not appear in messages, by its name.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "passwd", "secret", "token", "credential", "private", "api_key", "apikey", "access_key", "sasl"]
        .iter()
        .any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        Options::new(pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())))
    }

    #[test]
    fn an_unknown_option_names_the_nearest_known_one() {
        let error = options(&[("Pth", "x")]).finish("file source", &["format", "path"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "LDB-1005: file source has no option 'pth'; hint: did you mean 'path'? its options are: format, path"
        );
    }

    #[test]
    fn names_can_be_checked_before_any_is_taken() {
        let known = ["path", "fields.<column>.<option>"];
        let check =
            |name: &str| options(&[("path", "x"), (name, "y")]).check_names("a source", &known).map_err(|e| e.to_string());
        assert_eq!(check("path"), Ok(()));
        assert_eq!(check("fields.a.min"), Ok(()));
        let list = "its options are: path, fields.<column>.<option>";
        assert_eq!(check("field"), Err(format!("LDB-1005: a source has no option 'field'; hint: {list}")));
        assert_eq!(
            options(&[("pth", "x")]).check_names("a source", &known).unwrap_err().to_string(),
            format!("LDB-1005: a source has no option 'pth'; hint: did you mean 'path'? {list}")
        );
    }

    #[test]
    fn a_wrong_value_says_what_it_could_be() {
        let mut given = options(&[("a", "maybe"), ("b", "5"), ("c", "zst"), ("d", "0")]);
        let texts = [
            given.take_bool("a").unwrap_err().to_string(),
            given.take_duration("b").unwrap_err().to_string(),
            given.take_enum("c", &[("gzip", 1), ("zstd", 2)]).unwrap_err().to_string(),
            given.take_count("d").unwrap_err().to_string(),
        ];
        assert_eq!(
            texts,
            [
                "LDB-1006: option 'a' cannot be 'maybe'; hint: it must be true or false",
                "LDB-1006: option 'b' cannot be '5'; hint: it must be a duration such as '5s', '100 ms' or '1 minute'",
                "LDB-1006: option 'c' cannot be 'zst'; hint: did you mean 'zstd'? it can be: gzip, zstd",
                "LDB-1006: option 'd' cannot be '0'; hint: it must be a whole number of at least 1",
            ]
        );
    }

    #[test]
    fn the_value_of_a_secret_is_never_repeated() {
        let error = options(&[("db_password", "hunter2")]).take_u64("db_password").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn format_options_may_carry_their_prefix_but_not_twice() {
        let mut given = options(&[("format.header", "false")]);
        given.merge_prefix("format.").unwrap();
        assert_eq!(given.take_bool("header").unwrap(), Some(false));
        assert!(options(&[("format.header", "false"), ("header", "true")]).merge_prefix("format.").is_err());
    }
}
