//! A template pattern of numbers, read into its parts and what they say together.

use laminar_core::{Code, Error, Result};

use super::ordinal::Ordinal;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Nine,
    Zero,
    /// `.` or `D`.
    Point,
    /// `,` or `G`.
    Group,
    Currency,
    Minus,
    Plus,
    Sign,
    /// `S`.
    AnchoredSign,
    Roman {
        is_lower: bool,
    },
    Ordinal(Ordinal),
    Letter(char),
    /// `V`, `PR`, `B`: they say something about the whole and write nothing themselves.
    Silent,
}

/// Where the sign of an `S` stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Before,
    Behind,
}

/// A pattern and what it says about the whole number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Pattern {
    pub(super) parts: Vec<Part>,
    /// Digits in front of the point.
    pub(super) pre: i32,
    /// Digits behind it.
    pub(super) post: i32,
    /// Digits behind a `V`: the number is multiplied by that power of ten.
    pub(super) multi: i32,
    /// The index of the first digit written as zero, if one is.
    pub(super) zero_start: Option<i32>,
    pub(super) zero_end: i32,
    pub(super) fill: bool,
    pub(super) has_point: bool,
    pub(super) anchored: Option<Anchor>,
    pub(super) has_minus: bool,
    pub(super) has_plus: bool,
    pub(super) has_brackets: bool,
    pub(super) is_roman: bool,
    pub(super) has_multi: bool,
    pub(super) is_exponential: bool,
    pub(super) is_blank: bool,
    anchored_at: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Plain(Part),
    Fill,
    Blank,
    Brackets,
    Multi,
    Exponent,
}

/// Words in which the longer stands before the shorter.
const WORDS: &[(&str, Word)] = &[
    ("EEEE", Word::Exponent),
    ("FM", Word::Fill),
    ("MI", Word::Plain(Part::Minus)),
    ("PL", Word::Plain(Part::Plus)),
    ("PR", Word::Brackets),
    ("SG", Word::Plain(Part::Sign)),
    ("TH", Word::Plain(Part::Ordinal(Ordinal::Upper))),
    ("RN", Word::Plain(Part::Roman { is_lower: false })),
    (",", Word::Plain(Part::Group)),
    (".", Word::Plain(Part::Point)),
    ("0", Word::Plain(Part::Zero)),
    ("9", Word::Plain(Part::Nine)),
    ("B", Word::Blank),
    ("D", Word::Plain(Part::Point)),
    ("G", Word::Plain(Part::Group)),
    ("L", Word::Plain(Part::Currency)),
    ("SP", Word::Plain(Part::Silent)),
    ("C", Word::Plain(Part::Silent)),
    ("S", Word::Plain(Part::AnchoredSign)),
    ("V", Word::Multi),
];

fn word_at(text: &str) -> Option<(usize, Word)> {
    WORDS.iter().find_map(|(word, meaning)| {
        let written = text.get(..word.len())?;
        let is_lower = written == word.to_lowercase();
        let meaning = match meaning {
            Word::Plain(Part::Ordinal(_)) if is_lower => Word::Plain(Part::Ordinal(Ordinal::Lower)),
            Word::Plain(Part::Roman { .. }) if is_lower => Word::Plain(Part::Roman { is_lower: true }),
            other => *other,
        };
        (written == *word || is_lower).then_some((word.len(), meaning))
    })
}

fn refused(message: &str) -> Error {
    Error::new(Code::InvalidQuery, format!("in a pattern of numbers {message}"))
}

impl Pattern {
    /// Reads a pattern.
    pub(super) fn read(text: &str) -> Result<Self> {
        let mut pattern = Pattern::default();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if let Some((len, word)) = word_at(rest) {
                pattern.word(word)?;
                rest = &rest[len..];
            } else if c == '"' {
                rest = pattern.quoted(&rest[1..]);
            } else if c == '%' && rest[1..].starts_with(|c: char| c.is_ascii_alphabetic()) {
                let part: String = rest.chars().take(2).collect();
                return Err(
                    refused(&format!("there is no '{part}'")).with_hint("patterns are PostgreSQL's: to_char(x, 'FM999G990D00')")
                );
            } else {
                pattern.letter(c);
                rest = &rest[c.len_utf8()..];
            }
        }
        if pattern.anchored == Some(Anchor::Before) && pattern.pre == pattern.anchored_at {
            pattern.anchored = Some(Anchor::Behind);
        }
        Ok(pattern)
    }

    fn letter(&mut self, c: char) {
        self.parts.push(Part::Letter(c));
    }

    fn quoted<'a>(&mut self, text: &'a str) -> &'a str {
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' => self.parts.extend(chars.next().map(Part::Letter)),
                c => self.letter(c),
            }
        }
        chars.as_str()
    }

    fn word(&mut self, word: Word) -> Result<()> {
        if self.is_exponential {
            return Err(refused("EEEE has to be the last part"));
        }
        match word {
            Word::Fill => self.fill = true,
            Word::Blank if self.pre == 0 && self.post == 0 && self.zero_start.is_none() => self.is_blank = true,
            Word::Blank => {}
            Word::Brackets => self.brackets()?,
            Word::Multi if self.has_point => return Err(refused("V and a decimal point exclude each other")),
            Word::Multi => self.has_multi = true,
            Word::Exponent => self.exponent()?,
            Word::Plain(part) => {
                self.part(part)?;
                self.parts.push(part);
                return Ok(());
            }
        }
        self.parts.push(Part::Silent);
        Ok(())
    }

    fn brackets(&mut self) -> Result<()> {
        if self.anchored.is_some() || self.has_plus || self.has_minus {
            return Err(refused("PR and S, PL, MI or SG exclude each other"));
        }
        self.has_brackets = true;
        Ok(())
    }

    fn exponent(&mut self) -> Result<()> {
        let others = self.is_blank || self.fill || self.anchored.is_some() || self.has_brackets;
        if others || self.has_minus || self.has_plus || self.is_roman || self.has_multi {
            return Err(refused("EEEE stands with digits and a decimal point alone"));
        }
        self.is_exponential = true;
        Ok(())
    }

    fn part(&mut self, part: Part) -> Result<()> {
        match part {
            Part::Nine | Part::Zero if self.has_brackets => return Err(refused("the digits stand before PR")),
            Part::Nine | Part::Zero => self.digit(part == Part::Zero),
            Part::Point if self.has_point => return Err(refused("there is a second decimal point")),
            Part::Point if self.has_multi => return Err(refused("V and a decimal point exclude each other")),
            Part::Point => self.has_point = true,
            Part::AnchoredSign if self.anchored.is_some() => return Err(refused("there is a second S")),
            Part::AnchoredSign if self.has_plus || self.has_minus || self.has_brackets => {
                return Err(refused("S and PL, MI, SG or PR exclude each other"));
            }
            Part::AnchoredSign if self.has_point => self.anchored = Some(Anchor::Behind),
            Part::AnchoredSign => (self.anchored, self.anchored_at) = (Some(Anchor::Before), self.pre),
            Part::Minus | Part::Plus | Part::Sign if self.anchored.is_some() => {
                return Err(refused("S and PL, MI or SG exclude each other"));
            }
            Part::Minus => self.has_minus = true,
            Part::Plus => self.has_plus = true,
            Part::Sign => (self.has_minus, self.has_plus) = (true, true),
            Part::Roman { .. } => self.is_roman = true,
            Part::Group | Part::Currency | Part::Ordinal(_) | Part::Letter(_) | Part::Silent => {}
        }
        Ok(())
    }

    fn digit(&mut self, is_zero: bool) {
        if self.has_multi && !is_zero {
            self.multi += 1;
            return;
        }
        if is_zero && self.zero_start.is_none() && !self.has_point {
            self.zero_start = Some(self.pre);
        }
        if self.has_point {
            self.post += 1;
        } else {
            self.pre += 1;
        }
        if is_zero {
            self.zero_end = self.pre + self.post;
        }
    }
}
