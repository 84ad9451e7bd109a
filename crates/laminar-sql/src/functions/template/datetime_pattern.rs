//! A template pattern of dates and times, read into its parts.

use laminar_core::{Code, Error, Result};

use super::ordinal::Ordinal;

/// What a part of a pattern stands for. Where letters differ in case, the case of the answer does too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Era {
        dots: bool,
    },
    HalfDay {
        dots: bool,
    },
    Century,
    MonthName,
    MonthShort,
    MonthRoman,
    Month,
    DayName,
    DayShort,
    DayOfYear,
    IsoDayOfYear,
    DayOfMonth,
    DayOfWeek,
    IsoDayOfWeek,
    WeekOfYear,
    IsoWeek,
    WeekOfMonth,
    Quarter,
    Julian,
    /// That many last digits of the year; five stands for `Y,YYY`.
    Year(usize),
    IsoYear(usize),
    Hour12,
    Hour24,
    Minute,
    Second,
    SecondOfDay,
    Millisecond,
    Microsecond,
    Fraction(usize),
    Zone,
    ZoneOffset,
    ZoneHours,
    ZoneMinutes,
}

/// The case in which names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Lower,
    Capital,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FieldPart {
    pub(super) field: Field,
    pub(super) case: Case,
    /// `FM`: no blanks and zeros around it.
    pub(super) fill: bool,
    pub(super) ordinal: Option<Ordinal>,
    /// How the pattern writes it.
    pub(super) word: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Field(FieldPart),
    /// A blank.
    Blank(char),
    /// Punctuation.
    Separator(char),
    /// Any other character, and all that stands in quotes.
    Letter(char),
}

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) parts: Vec<Part>,
    /// `FX`: the text has to follow the pattern to the letter.
    pub(super) exact: bool,
}

const WORDS: &[(&str, Field)] = &[
    ("A.D.", Field::Era { dots: true }),
    ("A.M.", Field::HalfDay { dots: true }),
    ("AD", Field::Era { dots: false }),
    ("AM", Field::HalfDay { dots: false }),
    ("B.C.", Field::Era { dots: true }),
    ("BC", Field::Era { dots: false }),
    ("CC", Field::Century),
    ("DAY", Field::DayName),
    ("DDD", Field::DayOfYear),
    ("DD", Field::DayOfMonth),
    ("DY", Field::DayShort),
    ("D", Field::DayOfWeek),
    ("FF1", Field::Fraction(1)),
    ("FF2", Field::Fraction(2)),
    ("FF3", Field::Fraction(3)),
    ("FF4", Field::Fraction(4)),
    ("FF5", Field::Fraction(5)),
    ("FF6", Field::Fraction(6)),
    ("HH24", Field::Hour24),
    ("HH12", Field::Hour12),
    ("HH", Field::Hour12),
    ("IDDD", Field::IsoDayOfYear),
    ("ID", Field::IsoDayOfWeek),
    ("IW", Field::IsoWeek),
    ("IYYY", Field::IsoYear(4)),
    ("IYY", Field::IsoYear(3)),
    ("IY", Field::IsoYear(2)),
    ("I", Field::IsoYear(1)),
    ("J", Field::Julian),
    ("MI", Field::Minute),
    ("MM", Field::Month),
    ("MONTH", Field::MonthName),
    ("MON", Field::MonthShort),
    ("MS", Field::Millisecond),
    ("OF", Field::ZoneOffset),
    ("P.M.", Field::HalfDay { dots: true }),
    ("PM", Field::HalfDay { dots: false }),
    ("Q", Field::Quarter),
    ("RM", Field::MonthRoman),
    ("SSSSS", Field::SecondOfDay),
    ("SSSS", Field::SecondOfDay),
    ("SS", Field::Second),
    ("TZH", Field::ZoneHours),
    ("TZM", Field::ZoneMinutes),
    ("TZ", Field::Zone),
    ("US", Field::Microsecond),
    ("WW", Field::WeekOfYear),
    ("W", Field::WeekOfMonth),
    ("Y,YYY", Field::Year(5)),
    ("YYYY", Field::Year(4)),
    ("YYY", Field::Year(3)),
    ("YY", Field::Year(2)),
    ("Y", Field::Year(1)),
];

/// The word at the front of `text`, written all in capitals or all in small letters; names may have one capital.
fn word_at(text: &str) -> Option<(&'static str, Field, Case)> {
    WORDS.iter().find_map(|(word, field)| {
        let written = text.get(..word.len())?;
        if written == *word {
            return Some((*word, *field, Case::Upper));
        }
        if written == word.to_lowercase() {
            return Some((*word, *field, Case::Lower));
        }
        let is_name = matches!(field, Field::MonthName | Field::MonthShort | Field::DayName | Field::DayShort);
        let capital = word[..1].to_owned() + &word[1..].to_lowercase();
        (is_name && written == capital).then_some((*word, *field, Case::Capital))
    })
}

impl Pattern {
    /// Reads a pattern.
    pub(super) fn read(text: &str) -> Result<Self> {
        let mut pattern = Pattern { parts: Vec::new(), exact: false };
        let mut rest = text;
        while !rest.is_empty() {
            rest = pattern.part(rest)?;
        }
        Ok(pattern)
    }

    /// For how many nanoseconds the text of a point in time stays the same, from one multiple to the next.
    pub(super) fn unit(&self) -> i64 {
        const SECOND: i64 = 1_000_000_000;
        let of_part = |part: &Part| match part {
            Part::Field(part) => match part.field {
                Field::HalfDay { .. } | Field::Hour12 | Field::Hour24 => 3600 * SECOND,
                Field::Minute => 60 * SECOND,
                Field::Second | Field::SecondOfDay => SECOND,
                Field::Millisecond | Field::Microsecond | Field::Fraction(_) => 1,
                Field::Era { .. }
                | Field::Century
                | Field::MonthName
                | Field::MonthShort
                | Field::MonthRoman
                | Field::Month
                | Field::DayName
                | Field::DayShort
                | Field::DayOfYear
                | Field::IsoDayOfYear
                | Field::DayOfMonth
                | Field::DayOfWeek
                | Field::IsoDayOfWeek
                | Field::WeekOfYear
                | Field::IsoWeek
                | Field::WeekOfMonth
                | Field::Quarter
                | Field::Julian
                | Field::Year(_)
                | Field::IsoYear(_)
                | Field::Zone
                | Field::ZoneOffset
                | Field::ZoneHours
                | Field::ZoneMinutes => 86_400 * SECOND,
            },
            Part::Blank(_) | Part::Separator(_) | Part::Letter(_) => 86_400 * SECOND,
        };
        self.parts.iter().map(of_part).min().unwrap_or(86_400 * SECOND)
    }

    /// Reads the next part and gives what is behind it.
    fn part<'a>(&mut self, mut rest: &'a str) -> Result<&'a str> {
        let (mut fill, mut translated) = (false, false);
        loop {
            if let Some(after) = strip_any(rest, &["FM", "fm"]) {
                (fill, rest) = (true, after);
            } else if let Some(after) = strip_any(rest, &["TM", "tm"]) {
                (translated, rest) = (true, after);
            } else if let Some(after) = strip_any(rest, &["FX", "fx"]) {
                (self.exact, rest) = (true, after);
            } else {
                break;
            }
        }
        if let Some((word, field, case)) = word_at(rest) {
            let (ordinal, after) = ordinal(&rest[word.len()..]);
            // TM asks for names of the session's language, which is English, and these are not filled.
            let fill =
                fill || (translated && matches!(field, Field::MonthName | Field::MonthShort | Field::DayName | Field::DayShort));
            self.parts.push(Part::Field(FieldPart { field, case, fill, ordinal, word }));
            return Ok(after);
        }
        let mut chars = rest.chars();
        match chars.next() {
            None => Ok(rest),
            Some('"') => Ok(self.quoted(chars.as_str())),
            Some('\\') if chars.as_str().starts_with('"') => {
                self.parts.push(Part::Letter('"'));
                Ok(&chars.as_str()[1..])
            }
            Some('%') if chars.as_str().starts_with(|c: char| c.is_ascii_alphabetic()) => Err(percent(rest)),
            Some(c) => {
                self.parts.push(unquoted(c));
                Ok(chars.as_str())
            }
        }
    }

    fn quoted<'a>(&mut self, text: &'a str) -> &'a str {
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' => self.parts.extend(chars.next().map(Part::Letter)),
                c => self.parts.push(Part::Letter(c)),
            }
        }
        chars.as_str()
    }
}

fn strip_any<'a>(text: &'a str, words: &[&str]) -> Option<&'a str> {
    words.iter().find_map(|word| text.strip_prefix(word))
}

fn ordinal(text: &str) -> (Option<Ordinal>, &str) {
    if let Some(rest) = text.strip_prefix("TH") {
        return (Some(Ordinal::Upper), rest);
    }
    match text.strip_prefix("th") {
        Some(rest) => (Some(Ordinal::Lower), rest),
        None => (None, text),
    }
}

fn unquoted(c: char) -> Part {
    match c {
        c if c.is_ascii_whitespace() || c == '\u{b}' => Part::Blank(c),
        c if c.is_ascii_punctuation() => Part::Separator(c),
        c => Part::Letter(c),
    }
}

fn percent(rest: &str) -> Error {
    let part: String = rest.chars().take(2).collect();
    Error::new(Code::InvalidQuery, format!("'{part}' is no part of a pattern"))
        .with_hint("patterns are PostgreSQL's: to_char(ts, 'YYYY-MM-DD HH24:MI:SS'); other text stands in double quotes")
}
