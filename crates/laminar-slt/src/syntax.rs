//! Reads a test's text: records, each some lines up to an empty one.

use std::ops::Range;

use laminar_db::connectors::options::parse_duration;
use laminar_db::{Code, Error, Result, diagnostic};
use regex::Regex;

use crate::moment::Moment;
use crate::values::{LETTERS, normalized};

/// What a test says, in order.
#[derive(Debug)]
pub(crate) struct Record {
    /// Its first line, from 1.
    pub(crate) line: usize,
    pub(crate) step: Step,
}

/// One thing that a test does or looks at.
#[derive(Debug)]
pub(crate) enum Step {
    /// `statement ok | error … | count n`.
    Statement { sql: Sql, expected: Expected },
    /// `query TYPES [rowsort]`.
    Query { sql: Sql, letters: Option<String>, sorted: bool, rows: ExpectedRows },
    /// `insert [at <time>] INTO …`.
    Insert { at: Option<Moment>, sql: Sql },
    /// `load file.sql`.
    Load { path: String },
    /// `start clock at <time>`.
    StartClock(Moment),
    /// `advance clock 5s`, in nanoseconds.
    AdvanceClockBy(i64),
    /// `advance clock to <time>`.
    AdvanceClockTo(Moment),
    /// `advance watermark <source> to <time>`.
    AdvanceWatermark { source: String, to: Moment },
    /// `end <source>, …`; none: all.
    End { sources: Vec<String> },
    /// `expect changes | late | errors <object>`.
    Look { at: LookAt, object: String, rows: ExpectedRows },
    /// `any order`: the rows up to `in order` may come in any.
    AnyOrder,
    /// `in order`.
    InOrder,
    /// `halt`: what follows is not run.
    Halt,
}

/// SQL with its place in the file, in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Sql {
    pub(crate) text: String,
    pub(crate) start: usize,
}

/// How a statement must end.
#[derive(Debug)]
pub(crate) enum Expected {
    Ok,
    /// It has changed so many rows.
    Count(u64),
    /// It fails, with a message in which this is found.
    Error(Regex),
}

/// Rows that stand in the file.
#[derive(Debug)]
pub(crate) struct ExpectedRows {
    pub(crate) rows: Vec<String>,
    /// The lines where they stand, from 0; an empty range says where they would.
    pub(crate) lines: Range<usize>,
}

/// What `expect` looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LookAt {
    Changes,
    Late,
    Errors,
}

impl LookAt {
    const ALL: [Self; 3] = [Self::Changes, Self::Late, Self::Errors];

    /// The word behind `expect`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Late => "late",
            Self::Errors => "errors",
        }
    }

    /// What is subscribed to.
    pub(crate) fn target(self, object: &str) -> String {
        match self {
            Self::Changes => object.to_owned(),
            Self::Late => format!("{object}$late"),
            Self::Errors => format!("{object}$errors"),
        }
    }
}

/// A test's text cannot be read: the line, from 1, and why.
pub(crate) type Unreadable = (usize, Error);

/// The records of `text`.
pub(crate) fn parse(text: &str) -> Result<Vec<Record>, Unreadable> {
    let mut parser = Parser { lines: lines_of(text), at: 0, sorts_rows: false };
    let mut records = Vec::new();
    while let Some(record) = parser.record()? {
        records.push(record);
    }
    check_blocks(&records)?;
    Ok(records)
}

/// Each line with its place, without the line end.
fn lines_of(text: &str) -> Vec<(usize, &str)> {
    let mut start = 0;
    let line = |line: &str| {
        let place = start;
        start += line.len();
        place
    };
    let places: Vec<usize> = text.split_inclusive('\n').map(line).collect();
    places.into_iter().zip(text.lines()).collect()
}

/// Blocks of rows in any order hold nothing but rows, and end.
fn check_blocks(records: &[Record]) -> Result<(), Unreadable> {
    let mut opened = None;
    for Record { line, step } in records {
        match (step, opened) {
            (Step::AnyOrder, None) => opened = Some(*line),
            (Step::AnyOrder, Some(first)) => return Err((*line, wrong(format!("`any order` of line {first} is still open")))),
            (Step::InOrder, Some(_)) => opened = None,
            (Step::InOrder, None) => return Err((*line, wrong("`in order` without `any order` before it"))),
            (Step::Insert { at: None, .. } | Step::Statement { expected: Expected::Ok, .. }, _) | (_, None) => {}
            (_, Some(first)) => {
                let error = wrong(format!("only rows to insert can stand in the block that `any order` opens (line {first})"));
                return Err((*line, error.with_hint("end it with `in order` before anything else is done or looked at")));
            }
        }
    }
    match opened {
        Some(line) => Err((line, wrong("`any order` is not ended").with_hint("write `in order` behind the rows"))),
        None => Ok(()),
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(Code::Syntax, message)
}

struct Parser<'a> {
    lines: Vec<(usize, &'a str)>,
    at: usize,
    /// `control sortmode rowsort` stood before.
    sorts_rows: bool,
}

impl<'a> Parser<'a> {
    fn record(&mut self) -> Result<Option<Record>, Unreadable> {
        while let Some((_, text)) = self.lines.get(self.at) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                self.at += 1;
                continue;
            }
            let line = self.at + 1;
            match self.step(text).map_err(|error| (line, error))? {
                Some(step) => return Ok(Some(Record { line, step })),
                None => continue,
            }
        }
        Ok(None)
    }

    /// What the line `text` says, and the lines that belong to it. `None`: a setting of the test itself.
    fn step(&mut self, text: &'a str) -> Result<Option<Step>> {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let step = match words.as_slice() {
            ["insert", ..] => return self.insert().map(Some),
            ["expect", ..] => return self.look(text).map(Some),
            ["statement", ..] => return self.statement(text).map(Some),
            ["query", ..] => return self.query(text).map(Some),
            ["control", "sortmode", mode @ ("rowsort" | "nosort")] => {
                self.sorts_rows = *mode == "rowsort";
                self.at += 1;
                return Ok(None);
            }
            ["load", _, ..] => Step::Load { path: unquoted(behind(text, 1)).to_owned() },
            ["start", "clock", "at", _, ..] => Step::StartClock(moment(behind(text, 3))?),
            ["advance", "clock", "to", _, ..] => Step::AdvanceClockTo(moment(behind(text, 3))?),
            ["advance", "clock", "by", _, ..] => Step::AdvanceClockBy(length(behind(text, 3))?),
            ["advance", "clock", _, ..] => Step::AdvanceClockBy(length(behind(text, 2))?),
            ["advance", "watermark", _, "to", _, ..] => {
                Step::AdvanceWatermark { source: name(text.split_whitespace().nth(2)), to: moment(behind(text, 4))? }
            }
            ["end", "all", "sources"] => Step::End { sources: Vec::new() },
            ["end", _, ..] => Step::End { sources: behind(text, 1).split(',').map(|source| name(Some(source))).collect() },
            ["any", "order"] => Step::AnyOrder,
            ["in", "order"] => Step::InOrder,
            ["halt"] => Step::Halt,
            _ => return Err(unknown(&words)),
        };
        self.at += 1;
        self.expect_end()?;
        Ok(Some(step))
    }

    /// Nothing else stands up to the next empty line.
    fn expect_end(&self) -> Result<()> {
        match self.lines.get(self.at) {
            Some((_, line)) if begins_nothing(line) => {
                let error = wrong(format!("'{}' belongs to nothing: this directive is one line", line.trim()));
                Err(error.with_hint("leave an empty line before the next record"))
            }
            _ => Ok(()),
        }
    }

    fn statement(&mut self, text: &str) -> Result<Step> {
        let expected = match behind(text, 1).split_once(char::is_whitespace).unwrap_or((behind(text, 1), "")) {
            ("ok", "") => Expected::Ok,
            ("count", count) => {
                Expected::Count(count.trim().parse().map_err(|_| wrong(format!("'{count}' is no number of rows")))?)
            }
            ("error", pattern) => Expected::Error(regex(pattern)?),
            _ => {
                let hint = "write `statement ok`, `statement count 3` or `statement error LDB-1003`";
                return Err(wrong(format!("'{text}' does not say how the statement ends")).with_hint(hint));
            }
        };
        self.at += 1;
        let sql = self.sql()?;
        match self.lines.get(self.at) {
            Some((_, line)) if is_rule(line) => {
                let hint = next_record_in(&sql.text).unwrap_or_else(|| "write `query` in place of `statement`".to_owned());
                Err(wrong("a statement has no rows").with_hint(hint))
            }
            _ => Ok(Step::Statement { sql, expected }),
        }
    }

    fn query(&mut self, text: &str) -> Result<Step> {
        let mut words = text.split_whitespace().skip(1).peekable();
        if words.peek() == Some(&"error") {
            let expected = Expected::Error(regex(behind(text, 2))?);
            self.at += 1;
            return Ok(Step::Statement { sql: self.sql()?, expected });
        }
        let letters = words.next_if(|word| word.chars().all(|letter| LETTERS.contains(letter))).map(str::to_owned);
        let sorted = match words.next() {
            None => self.sorts_rows,
            Some("nosort") => false,
            Some("rowsort") => true,
            Some(other) => {
                let hint = format!("write `query rowsort`, or the types of the columns before it: letters out of {LETTERS}");
                return Err(wrong(format!("'{other}' is neither types of columns nor an order of rows")).with_hint(hint));
            }
        };
        self.at += 1;
        let sql = self.sql()?;
        match self.lines.get(self.at) {
            Some((_, line)) if is_rule(line) => self.at += 1,
            _ => return Err(wrong("the query has no `----`").with_hint("write `----` behind it, and the rows below")),
        }
        Ok(Step::Query { sql, letters, sorted, rows: self.rows() })
    }

    /// `insert [at <time>] INTO …`, which is SQL but for the time.
    fn insert(&mut self) -> Result<Step> {
        let mut sql = self.sql()?;
        if behind(&sql.text, 1).split_whitespace().next().is_none_or(|word| !word.eq_ignore_ascii_case("at")) {
            return Ok(Step::Insert { at: None, sql });
        }
        let after = behind(&sql.text, 2);
        let into = find_word(after, "into").ok_or_else(|| {
            wrong("there is no INTO behind the time").with_hint("write `insert at '2024-01-01 10:00:05' INTO clicks VALUES (…)`")
        })?;
        let at = moment(after[..into].trim())?;
        let into = sql.text.len() - after.len() + into;
        // Blanks keep the places of errors where they are in the file.
        sql.text = format!("insert{}{}", " ".repeat(into - "insert".len()), &sql.text[into..]);
        Ok(Step::Insert { at: Some(at), sql })
    }

    fn look(&mut self, text: &str) -> Result<Step> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (none, words) = match words.get(1) {
            Some(&"no") => (true, &words[2..]),
            _ => (false, &words[1..]),
        };
        let at = words.first().and_then(|word| LookAt::ALL.into_iter().find(|at| at.word() == *word));
        let (Some(at), [_, object]) = (at, words) else {
            let hint = "write `expect changes <view>`, `expect late <source or view>` or `expect errors <object>`, with `no` behind `expect` for none";
            return Err(wrong(format!("'{text}' does not say what to look at")).with_hint(hint));
        };
        self.at += 1;
        if self.lines.get(self.at).is_some_and(|(_, line)| is_rule(line)) {
            self.at += 1;
        }
        let rows = self.rows();
        if none && !rows.rows.is_empty() {
            return Err(wrong("`expect no …` has rows below it").with_hint("leave out `no`, or an empty line is missing"));
        }
        Ok(Step::Look { at, object: name(Some(object)), rows })
    }

    /// The SQL from here to an empty line, a `----`, or the end of the rows that can come in any order.
    fn sql(&mut self) -> Result<Sql> {
        let first = self.at;
        while self.lines.get(self.at).is_some_and(|(_, line)| !line.trim().is_empty() && !is_rule(line) && !ends_block(line)) {
            self.at += 1;
        }
        let lines = &self.lines[first..self.at];
        let Some((start, _)) = lines.first() else { return Err(wrong("there is no SQL below")) };
        let text = lines.iter().map(|(_, line)| *line).collect::<Vec<_>>().join("\n");
        Ok(Sql { text, start: *start })
    }

    /// The rows from here to an empty line.
    fn rows(&mut self) -> ExpectedRows {
        let first = self.at;
        while self.lines.get(self.at).is_some_and(|(_, line)| !line.trim().is_empty()) {
            self.at += 1;
        }
        let rows = self.lines[first..self.at].iter().map(|(_, line)| normalized(line)).collect();
        ExpectedRows { rows, lines: first..self.at }
    }
}

fn is_rule(line: &str) -> bool {
    line.trim_end() == "----"
}

fn ends_block(line: &str) -> bool {
    line.split_whitespace().eq(["in", "order"])
}

/// Whether a line is neither empty nor a comment nor a directive.
fn begins_nothing(line: &str) -> bool {
    let first = line.split_whitespace().next().unwrap_or("#").to_lowercase();
    !first.starts_with('#') && !DIRECTIVES.iter().any(|directive| directive.split(' ').next() == Some(first.as_str()))
}

/// What to say of SQL in which the next record seems to stand.
pub(crate) fn next_record_in(sql: &str) -> Option<String> {
    let next = sql.lines().skip(1).find(|line| begins_record(line))?;
    Some(format!("an empty line must stand before the next record, as in front of `{}`", next.trim()))
}

/// Whether a line among those of SQL is more likely the begin of the next record.
pub(crate) fn begins_record(line: &str) -> bool {
    matches!(
        line.split_whitespace().collect::<Vec<_>>().as_slice(),
        ["statement" | "query" | "expect" | "advance" | "load", ..] | ["any" | "in", "order"] | ["insert", "at", ..]
    )
}

/// What a record can begin with.
const DIRECTIVES: [&str; 13] = [
    "statement ok",
    "statement error",
    "query",
    "insert",
    "load",
    "start clock at",
    "advance clock",
    "advance watermark",
    "end",
    "expect",
    "any order",
    "in order",
    "halt",
];

fn unknown(words: &[&str]) -> Error {
    let first = words.first().copied().unwrap_or_default();
    let error = |message: &str| wrong(message.to_owned());
    match first {
        "sleep" => error("nothing here waits").with_hint("move the clock: `advance clock 5s`"),
        "connection" => error("a test has one database").with_hint("put what needs another one into another file"),
        "include" => error("a test includes no other").with_hint("`load pipeline.sql` runs a script before the test goes on"),
        "skipif" | "onlyif" => error("there is one engine").with_hint("leave out the condition, and what is for others"),
        "system" | "hash-threshold" | "let" | "subtest" | "control" => {
            wrong(format!("'{first}' of sqllogictest is not built")).with_hint("docs/09-testing.md lists what is")
        }
        "advance" => error("'advance' moves the clock or a watermark")
            .with_hint("write `advance clock 5s`, `advance clock to <time>` or `advance watermark <source> to <time>`"),
        "end" => error("which source ends?").with_hint("write `end clicks`, or `end all sources`"),
        "any" | "in" => {
            wrong(format!("'{}' is no directive", words.join(" "))).with_hint("write `any order`, and `in order` behind the rows")
        }
        _ => {
            let near = diagnostic::nearest(first, DIRECTIVES.iter().filter_map(|directive| directive.split(' ').next()));
            let is_sql = ["create", "select", "update", "delete", "drop", "set", "with", "truncate", "alter"].contains(&first);
            let hint = match near {
                _ if is_sql => "SQL stands below `statement ok` or `query`".to_owned(),
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("a record begins with one of: {}", DIRECTIVES.join(", ")),
            };
            wrong(format!("'{first}' is no directive")).with_hint(hint)
        }
    }
}

/// What stands behind the first `words` words.
fn behind(text: &str, words: usize) -> &str {
    (0..words).fold(text.trim_start(), |rest, _| rest.split_once(char::is_whitespace).map_or("", |(_, rest)| rest).trim_start())
}

/// Where `word` stands by itself, whatever the case of its letters.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let is_border = |c: Option<char>| c.is_none_or(char::is_whitespace);
    lower
        .match_indices(word)
        .map(|(at, _)| at)
        .find(|at| is_border(lower[..*at].chars().next_back()) && is_border(lower[at + word.len()..].chars().next()))
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).unwrap_or(text)
}

/// A name as the catalog knows it: in lower case unless it is quoted.
fn name(word: Option<&str>) -> String {
    let word = word.unwrap_or_default().trim();
    match word.strip_prefix('"').and_then(|word| word.strip_suffix('"')) {
        Some(quoted) => quoted.to_owned(),
        None => word.to_ascii_lowercase(),
    }
}

fn moment(text: &str) -> Result<Moment> {
    Moment::parse(unquoted(text)).ok_or_else(|| {
        wrong(format!("'{}' is no point in time", unquoted(text)))
            .with_hint("write '2024-01-01 10:00:05', or 10:00:05 for the day that the clock shows")
    })
}

fn length(text: &str) -> Result<i64> {
    let length = parse_duration(unquoted(text)).and_then(|length| i64::try_from(length.as_nanos()).ok());
    length.ok_or_else(|| {
        wrong(format!("'{text}' is no length of time")).with_hint("write a number with a unit: `5s`, `1 hour 30 minutes`")
    })
}

fn regex(pattern: &str) -> Result<Regex> {
    Regex::new(pattern.trim()).map_err(|error| wrong(format!("'{pattern}' is no regular expression: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let (line, error) = parse(text).err().unwrap_or_else(|| panic!("{text} is refused"));
        format!("{line}: {} ({})", error.message(), error.hint().unwrap_or_default())
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_line_and_a_way_out() {
        for (text, expected) in [
            ("\n\nsleep 5s", "3: nothing here waits (move the clock: `advance clock 5s`)"),
            ("statment ok\nSELECT 1", "1: 'statment' is no directive (did you mean 'statement'?)"),
            ("SELECT 1", "1: 'select' is no directive (SQL stands below `statement ok` or `query`)"),
            ("query I\nSELECT 1\n1", "1: the query has no `----` (write `----` behind it, and the rows below)"),
            ("query I sorted\nSELECT 1\n----\n1", "1: 'sorted' is neither types of columns nor an order of rows"),
            ("statement ok\nSELECT 1\n----\n1", "1: a statement has no rows (write `query` in place of `statement`)"),
            ("statement ok", "1: there is no SQL below"),
            ("statement error (", "1: '(' is no regular expression"),
            ("advance clock soon", "1: 'soon' is no length of time"),
            ("advance clock to soon", "1: 'soon' is no point in time"),
            ("advance s to 10:00:00", "1: 'advance' moves the clock or a watermark"),
            ("end", "1: which source ends?"),
            ("expect something v", "1: 'expect something v' does not say what to look at"),
            ("expect no changes v\n+I 1", "1: `expect no …` has rows below it"),
            ("insert at 10:00:00 VALUES (1)", "1: there is no INTO behind the time"),
            ("any order\ninsert INTO t VALUES (1)", "1: `any order` is not ended"),
            (
                "any order\nadvance clock 1s\nin order",
                "2: only rows to insert can stand in the block that `any order` opens (line 1)",
            ),
            ("in order", "1: `in order` without `any order` before it"),
            ("halt\nand more", "1: 'and more' belongs to nothing: this directive is one line"),
        ] {
            assert!(error(text).starts_with(expected), "{text}: {}", error(text));
        }
    }

    #[test]
    fn a_time_in_front_of_into_leaves_the_sql_where_it_is() {
        let text = "# first\n\ninsert at '2024-01-01 10:00:05' INTO t\nVALUES (1)\n";
        let records = parse(text).unwrap();
        let Step::Insert { at: Some(_), sql } = &records[0].step else { panic!("{records:?}") };
        assert_eq!(sql.text.split_whitespace().collect::<Vec<_>>().join(" "), "insert INTO t VALUES (1)");
        assert_eq!(text.find("INTO").unwrap(), sql.start + sql.text.find("INTO").unwrap());
    }

    #[test]
    fn rows_know_their_lines() {
        let records = parse("query\nSELECT 1\n----\na   b\nc d\n\nexpect no changes V\n").unwrap();
        let Step::Query { rows, letters: None, sorted: false, .. } = &records[0].step else { panic!("{records:?}") };
        assert_eq!((rows.rows.clone(), rows.lines.clone()), (vec!["a b".to_owned(), "c d".to_owned()], 3..5));
        let Step::Look { at: LookAt::Changes, object, rows } = &records[1].step else { panic!("{records:?}") };
        assert_eq!((object.as_str(), rows.rows.len(), rows.lines.clone()), ("v", 0, 7..7));
    }
}
