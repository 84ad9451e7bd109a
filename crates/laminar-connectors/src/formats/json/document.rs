//! The objects of arrays and documents, as they stream by.
//!
//! A text is a sequence of values; of an array the items are the rows, anything else is a row itself. With a root the rows are found
//! below that member of each value: `features` of `{"type": "FeatureCollection", "features": […]}`.

use laminar_core::{Code, Error, Result};

use super::framer::Framed;
use super::scanner::ValueScanner;
use crate::formats::lines::too_long;
use crate::formats::{Extent, RECORD_BYTES_MAX, Taken};

/// A text of arrays and documents, and how far it is read.
#[derive(Debug)]
pub(super) struct Document {
    name: String,
    /// The members that lead to the rows, outermost first.
    root: Vec<String>,
    state: State,
    /// Whether the root was there in the value at hand.
    found: bool,
    /// Lines passed so far.
    lines: usize,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// The next value.
    Outside,
    /// An item of the array of rows; after an item (`comma`) a comma or the end.
    Items { comma: bool },
    /// A member of the objects that lead to the root, `depth` of them.
    Members { depth: usize, comma: bool },
    /// The object that the root is.
    Row { depth: usize },
    /// The rest of a value that nobody wants.
    Passing { scanner: ValueScanner, next: Box<State> },
}

/// A step: bytes that are passed over, and what comes after them.
type Step = (usize, State);

impl Document {
    /// A text that messages call `name`, from its start.
    pub(super) fn new(name: &str, root: &[String]) -> Self {
        Self { name: name.to_owned(), root: root.to_vec(), state: State::Outside, found: false, lines: 0 }
    }

    /// The next value, or what is passed over before it.
    pub(super) fn next<'a>(&mut self, bytes: &'a [u8], last: bool) -> Result<Framed<'a>> {
        if bytes.is_empty() {
            return Ok(Framed::Other(Taken::Incomplete));
        }
        if let State::Passing { .. } = self.state {
            return self.pass(bytes, last);
        }
        let blank = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if blank > 0 {
            return Ok(self.skipped(&bytes[..blank]));
        }
        let step = match (self.state.clone(), bytes[0]) {
            (State::Outside, b'[') if self.root.is_empty() => Some((1, State::Items { comma: false })),
            (State::Outside, _) if self.root.is_empty() => return self.value(bytes, last, State::Outside),
            (State::Outside, b'{') => Some((1, State::Members { depth: 0, comma: false })),
            (State::Outside, _) => return Err(self.no_root()),
            (State::Items { .. }, b']') => Some((1, self.after_items())),
            (State::Items { comma: true }, b',') => Some((1, State::Items { comma: false })),
            (State::Items { comma: false }, _) => return self.value(bytes, last, State::Items { comma: true }),
            (State::Row { depth }, _) => return self.value(bytes, last, State::Members { depth, comma: true }),
            (State::Members { depth, .. }, b'}') => Some((1, self.after_members(depth)?)),
            (State::Members { depth, comma: true }, b',') => Some((1, State::Members { depth, comma: false })),
            (State::Members { depth, comma: false }, b'"') => self.member(bytes, last, depth)?,
            _ => return Err(self.broken("a comma or the end of an array or object is missing")),
        };
        let Some((passed, state)) = step else { return Ok(Framed::Other(Taken::Incomplete)) };
        self.state = state;
        Ok(self.skipped(&bytes[..passed]))
    }

    /// Fails if the text ends before its arrays and objects do.
    pub(super) fn end(&self) -> Result<()> {
        if self.state == State::Outside { Ok(()) } else { Err(self.cut_off()) }
    }

    fn skipped<'a>(&mut self, bytes: &[u8]) -> Framed<'a> {
        Framed::Other(Taken::Skipped(self.extent(bytes)))
    }

    fn extent(&mut self, bytes: &[u8]) -> Extent {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        self.lines += lines;
        Extent { bytes: bytes.len(), lines }
    }

    /// The value at the start of `bytes`, which is a row.
    fn value<'a>(&mut self, bytes: &'a [u8], last: bool, next: State) -> Result<Framed<'a>> {
        let mut scanner = ValueScanner::default();
        let end = match scanner.advance(bytes) {
            Some(0) => return Err(self.broken("a value is missing")),
            Some(end) => end,
            None if bytes.len() > RECORD_BYTES_MAX => {
                self.state = State::Passing { scanner, next: Box::new(next) };
                return Ok(Framed::Other(Taken::Bad(self.extent(bytes), too_long())));
            }
            None if last && scanner.may_end() => bytes.len(),
            None if last => return Err(self.cut_off()),
            None => return Ok(Framed::Other(Taken::Incomplete)),
        };
        self.state = next;
        let extent = self.extent(&bytes[..end]);
        if end > RECORD_BYTES_MAX {
            return Ok(Framed::Other(Taken::Bad(extent, too_long())));
        }
        Ok(Framed::Value(&bytes[..end], extent))
    }

    fn pass<'a>(&mut self, bytes: &'a [u8], last: bool) -> Result<Framed<'a>> {
        let State::Passing { scanner, next } = &mut self.state else {
            return Err(Error::internal("no value is being passed over"));
        };
        match scanner.advance(bytes) {
            Some(end) => {
                self.state = (**next).clone();
                if end == 0 { self.next(bytes, last) } else { Ok(self.skipped(&bytes[..end])) }
            }
            None => Ok(self.skipped(bytes)),
        }
    }

    /// The member at the start of `bytes`, up to its value; `None`: its start is not there yet.
    fn member(&mut self, bytes: &[u8], last: bool, depth: usize) -> Result<Option<Step>> {
        let Some((key, at)) = key_and_value(bytes) else {
            return if last || bytes.len() > RECORD_BYTES_MAX { Err(self.broken("a member has no value")) } else { Ok(None) };
        };
        if serde_json::from_slice::<String>(key).ok().as_ref() != self.root.get(depth) {
            let next = Box::new(State::Members { depth, comma: true });
            return Ok(Some((at, State::Passing { scanner: ValueScanner::default(), next })));
        }
        let inner = depth + 1 == self.root.len();
        self.found |= inner;
        match bytes[at] {
            b'[' if inner => Ok(Some((at + 1, State::Items { comma: false }))),
            b'{' if inner => Ok(Some((at, State::Row { depth }))),
            b'{' => Ok(Some((at + 1, State::Members { depth: depth + 1, comma: false }))),
            _ => Err(self.no_root()),
        }
    }

    fn after_items(&self) -> State {
        match self.root.len() {
            0 => State::Outside,
            members => State::Members { depth: members - 1, comma: true },
        }
    }

    fn after_members(&mut self, depth: usize) -> Result<State> {
        if depth > 0 {
            return Ok(State::Members { depth: depth - 1, comma: true });
        }
        if std::mem::take(&mut self.found) { Ok(State::Outside) } else { Err(self.no_root()) }
    }

    fn no_root(&self) -> Error {
        let root = self.root.join(".");
        Error::new(Code::BadData, format!("{} has no array or object '{root}'", self.name))
            .with_detail(format!("looked for in the value that ends after line {}", self.lines + 1))
            .with_hint("root names the member that holds the rows, the outer ones before it: root = 'response.items'")
    }

    fn broken(&self, what: &str) -> Error {
        Error::new(Code::BadData, format!("{} is not valid JSON in line {}", self.name, self.lines + 1)).with_detail(what)
    }

    fn cut_off(&self) -> Error {
        Error::new(Code::BadData, format!("{} is cut off: its JSON is not closed at the end", self.name))
            .with_hint("the file is damaged or still being written; copy it again")
    }
}

/// The key at the start of `bytes` in its quotes, and the index of its value's first byte.
fn key_and_value(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let key = ValueScanner::default().advance(bytes)?;
    let past_blank = |from: usize| bytes[from..].iter().position(|byte| !byte.is_ascii_whitespace()).map(|blank| from + blank);
    let colon = past_blank(key)?;
    let value = if bytes[colon] == b':' { past_blank(colon + 1)? } else { colon };
    Some((&bytes[..key], value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values in a text, and the failure if there is one, however the text is cut.
    fn check(text: &str, root: &[&str], expected: &[&str]) {
        let root: Vec<String> = root.iter().map(|name| name.to_string()).collect();
        for piece in [1, 5, 1000] {
            let mut found = Vec::new();
            if let Err(error) = read(text.as_bytes(), &root, piece, &mut found) {
                found.push(format!("! {}", error.message()));
            }
            assert_eq!(found, expected, "{text} in pieces of {piece}");
        }
    }

    fn read(text: &[u8], root: &[String], piece: usize, found: &mut Vec<String>) -> Result<()> {
        let mut document = Document::new("'a'", root);
        let (mut at, mut shown) = (0, piece.min(text.len()));
        while at < text.len() {
            let extent = match document.next(&text[at..shown], shown == text.len())? {
                Framed::Value(value, extent) => {
                    found.push(String::from_utf8_lossy(value).into_owned());
                    extent
                }
                Framed::Other(Taken::Skipped(extent)) => extent,
                Framed::Other(_) => {
                    shown = (shown + piece).min(text.len());
                    continue;
                }
            };
            at += extent.bytes;
            shown = shown.max(at);
        }
        document.end()
    }

    #[test]
    fn items_of_arrays_and_single_values_are_rows() {
        check("[{\"a\":1}, {\"a\":[2]}\n,3]", &[], &["{\"a\":1}", "{\"a\":[2]}", "3"]);
        check("{\"a\":\n1}\n{\"b\":2} [ ] [null]", &[], &["{\"a\":\n1}", "{\"b\":2}", "null"]);
        check(" [[1],\"]\"] 12", &[], &["[1]", "\"]\"", "12"]);
        check("", &[], &[]);
    }

    #[test]
    fn a_root_leads_to_the_rows() {
        let text = "{\"type\":\"x\",\"n\":[{\"items\":[9]}],\"items\":[{\"a\":1},{\"a\":2}],\"more\":{}}";
        check(text, &["items"], &["{\"a\":1}", "{\"a\":2}"]);
        check(&format!("{text}\n{text}"), &["items"], &["{\"a\":1}", "{\"a\":2}", "{\"a\":1}", "{\"a\":2}"]);
        check("{\"r\" : {\"x\":1, \"i\\u0074\" : [1]} }", &["r", "it"], &["1"]);
        check("{\"r\":{\"it\":{\"a\":1},\"z\":0}}", &["r", "it"], &["{\"a\":1}"]);
        check("{\"r\":{\"x\":1}}", &["r", "it"], &["! 'a' has no array or object 'r.it'"]);
        check("{\"r\":5}", &["r"], &["! 'a' has no array or object 'r'"]);
        check("[1]", &["r"], &["! 'a' has no array or object 'r'"]);
    }

    #[test]
    fn a_text_that_is_broken_or_cut_off_fails_after_the_values_before() {
        check("[{\"a\":1},{\"a\":", &[], &["{\"a\":1}", "! 'a' is cut off: its JSON is not closed at the end"]);
        check("[{\"a\":1},", &[], &["{\"a\":1}", "! 'a' is cut off: its JSON is not closed at the end"]);
        check("[{\"a\":1}\n{\"a\":2}]", &[], &["{\"a\":1}", "! 'a' is not valid JSON in line 2"]);
        check("[1]]", &[], &["1", "! 'a' is not valid JSON in line 1"]);
        check("{\"r\":[1],", &["r"], &["1", "! 'a' is cut off: its JSON is not closed at the end"]);
    }
}
