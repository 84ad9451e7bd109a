//! PostgreSQL's regular expressions in the words of the `regex` crate.
//!
//! What that crate cannot do (looking around, references back) is refused by name; what it would read otherwise (classes in
//! brackets, `\y`, `{` that counts nothing) is written as it understands it.

use std::iter::Peekable;
use std::str::Chars;

use laminar_core::{Code, Error, Result};

/// What the flags of a call say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags {
    pub(super) global: bool,
    pub(super) ignore_case: bool,
    /// `.` and negated brackets do not match a line's end.
    pub(super) stops_at_lines: bool,
    /// `^` and `$` match at every line's ends.
    pub(super) lines: bool,
    pub(super) expanded: bool,
    pub(super) literal: bool,
}

impl Flags {
    /// Reads flags such as `gi`.
    pub(super) fn read(text: &str) -> Result<Self> {
        let mut flags = Self::default();
        for letter in text.chars() {
            if letter == 'g' { flags.global = true } else { flags.letter(letter)? }
        }
        Ok(flags)
    }

    fn letter(&mut self, letter: char) -> Result<()> {
        match letter {
            'i' => self.ignore_case = true,
            'c' => self.ignore_case = false,
            'n' | 'm' => (self.stops_at_lines, self.lines) = (true, true),
            'p' => (self.stops_at_lines, self.lines) = (true, false),
            'w' => (self.stops_at_lines, self.lines) = (false, true),
            's' => (self.stops_at_lines, self.lines) = (false, false),
            'x' => self.expanded = true,
            't' => self.expanded = false,
            'q' => self.literal = true,
            'e' => {}
            other => {
                return Err(Error::new(Code::InvalidQuery, format!("there is no flag '{other}' of regular expressions"))
                    .with_hint("the flags are: g, i, c, n, m, p, w, s, x, t, q"));
            }
        }
        Ok(())
    }
}

/// A pattern in the crate's words, with what decides how it is matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Translated {
    pub(super) text: String,
    pub(super) flags: Flags,
    /// Whether the first alternative that matches may not be the longest one.
    pub(super) has_choice: bool,
}

/// Translates `pattern`.
pub(super) fn translate(pattern: &str, flags: Flags) -> Result<Translated> {
    let (rest, flags) = leading(pattern, flags)?;
    if flags.literal {
        return Ok(Translated { text: escaped(rest), flags, has_choice: false });
    }
    let mut translator = Translator {
        chars: rest.chars().peekable(),
        text: String::new(),
        flags,
        has_alternative: false,
        groups_repeat: false,
        is_greedy: false,
        is_lazy: false,
        after_group: false,
    };
    translator.all()?;
    let has_choice = (translator.has_alternative || translator.groups_repeat) && !translator.is_lazy;
    // Which of both wins in the whole expression depends on the first one in PostgreSQL, unless the end is fixed.
    if translator.is_lazy && translator.is_greedy && !rest.ends_with('$') {
        return Err(not_built("a mixture of greedy and non-greedy quantifiers")
            .with_hint("make all quantifiers greedy or none, or end the expression with $"));
    }
    Ok(Translated { text: translator.text, flags, has_choice })
}

/// Reads `***:`, `***=` and `(?flags)` in front.
fn leading(pattern: &str, mut flags: Flags) -> Result<(&str, Flags)> {
    if let Some(literal) = pattern.strip_prefix("***=") {
        return Ok((literal, Flags { literal: true, ..flags }));
    }
    let pattern = pattern.strip_prefix("***:").unwrap_or(pattern);
    let inner = pattern.strip_prefix("(?").and_then(|rest| rest.split_once(')'));
    match inner {
        Some((letters, rest)) if !letters.is_empty() && letters.chars().all(|c| c.is_ascii_lowercase()) => {
            letters.chars().try_for_each(|letter| flags.letter(letter))?;
            Ok((rest, flags))
        }
        _ => Ok((pattern, flags)),
    }
}

fn escaped(text: &str) -> String {
    regex::escape(text)
}

fn not_built(what: &str) -> Error {
    Error::new(Code::NotSupported, format!("{what} in regular expressions is not supported"))
}

fn invalid(message: &str) -> Error {
    Error::new(Code::InvalidQuery, format!("the regular expression is invalid: {message}"))
}

struct Translator<'a> {
    chars: Peekable<Chars<'a>>,
    text: String,
    flags: Flags,
    has_alternative: bool,
    groups_repeat: bool,
    is_greedy: bool,
    is_lazy: bool,
    /// Whether a group has just ended.
    after_group: bool,
}

impl Translator<'_> {
    fn all(&mut self) -> Result<()> {
        while let Some(c) = self.chars.next() {
            let after_group = std::mem::take(&mut self.after_group);
            match c {
                '\\' => self.escape()?,
                '[' => self.brackets()?,
                '(' => self.group()?,
                ')' => {
                    self.text.push(')');
                    self.after_group = true;
                }
                '|' => {
                    self.has_alternative = true;
                    self.text.push('|');
                }
                '*' | '+' | '?' => self.quantifier(&c.to_string(), after_group),
                '{' => self.counted(after_group)?,
                '}' => self.text.push_str("\\}"),
                c => self.text.push(c),
            }
        }
        Ok(())
    }

    fn quantifier(&mut self, quantifier: &str, after_group: bool) {
        self.text.push_str(quantifier);
        self.groups_repeat |= after_group;
        if self.chars.next_if_eq(&'?').is_some() {
            self.text.push('?');
            self.is_lazy = true;
        } else {
            // A fixed count is neither.
            self.is_greedy |= !quantifier.starts_with('{') || quantifier.contains(',');
        }
    }

    /// `{2}`, `{2,}`, `{2,5}`; any other brace is itself.
    fn counted(&mut self, after_group: bool) -> Result<()> {
        if !self.chars.peek().is_some_and(char::is_ascii_digit) {
            self.text.push_str("\\{");
            return Ok(());
        }
        let mut count = String::from("{");
        for c in self.chars.by_ref() {
            count.push(c);
            if c == '}' {
                break;
            }
        }
        let inner = count[1..].strip_suffix('}').ok_or_else(|| invalid("a brace is not closed"))?;
        let is_valid = inner.split(',').count() <= 2 && inner.chars().all(|c| c.is_ascii_digit() || c == ',');
        if !is_valid {
            return Err(invalid(&format!("'{count}' is no count")));
        }
        self.quantifier(&count, after_group);
        Ok(())
    }

    fn group(&mut self) -> Result<()> {
        self.text.push('(');
        if self.chars.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        match self.chars.next() {
            Some(':') => self.text.push_str("?:"),
            Some('=' | '!') => return Err(not_built("looking ahead ((?=…) or (?!…))")),
            Some('<') => return Err(not_built("looking behind ((?<=…) or (?<!…))")),
            Some('#') => {
                // A comment.
                self.chars.by_ref().find(|c| *c == ')');
                self.text.pop();
            }
            // The translation of SIMILAR TO asks for the shortest first part so.
            Some('U') if self.chars.next_if_eq(&':').is_some() => self.text.push_str("?U:"),
            _ => return Err(invalid("'(?' begins nothing")),
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<()> {
        let Some(c) = self.chars.next() else { return Err(invalid("it ends with a backslash")) };
        match c {
            'y' => self.text.push_str("\\b"),
            'Y' => self.text.push_str("\\B"),
            'm' => self.text.push_str("\\b{start}"),
            'M' => self.text.push_str("\\b{end}"),
            'A' => self.text.push_str("\\A"),
            'Z' => self.text.push_str("\\z"),
            'd' => self.text.push_str("[0-9]"),
            'D' => self.text.push_str("[^0-9]"),
            'w' | 'W' | 's' | 'S' => {
                self.text.push('\\');
                self.text.push(c);
            }
            '1'..='9' => return Err(not_built("a reference back (\\1)")),
            c => {
                let meant = self.character(c)?;
                self.text.push_str(&escaped(&meant.to_string()));
            }
        }
        Ok(())
    }

    /// The character that a backslash and `c` mean.
    fn character(&mut self, c: char) -> Result<char> {
        Ok(match c {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'B' => '\\',
            'e' => '\u{1b}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '0' => '\0',
            'x' => self.hex(usize::MAX)?,
            'u' => self.hex(4)?,
            'U' => self.hex(8)?,
            c if c.is_ascii_alphabetic() => return Err(invalid(&format!("there is no escape '\\{c}'"))),
            c => c,
        })
    }

    fn hex(&mut self, digits: usize) -> Result<char> {
        let mut text = String::new();
        while text.len() < digits
            && let Some(digit) = self.chars.next_if(char::is_ascii_hexdigit)
        {
            text.push(digit);
        }
        let code = u32::from_str_radix(&text, 16).ok().and_then(char::from_u32);
        code.ok_or_else(|| invalid("an escape names no character"))
    }

    /// `[…]`: the crate knows operators between sets, which PostgreSQL does not.
    fn brackets(&mut self) -> Result<()> {
        self.text.push('[');
        let is_negated = self.chars.next_if_eq(&'^').is_some();
        if is_negated {
            self.text.push('^');
            if self.flags.stops_at_lines {
                self.text.push_str("\\n");
            }
        }
        let mut is_first = true;
        loop {
            let Some(c) = self.chars.next() else { return Err(invalid("a bracket is not closed")) };
            match c {
                ']' if !is_first => break,
                '[' if matches!(self.chars.peek(), Some(':' | '.' | '=')) => self.class()?,
                '\\' => self.escape_in_brackets()?,
                '-' if !is_first && self.chars.peek() != Some(&']') => self.text.push('-'),
                c => self.text.push_str(&escaped_in_brackets(c)),
            }
            is_first = false;
        }
        self.text.push(']');
        Ok(())
    }

    fn class(&mut self) -> Result<()> {
        let kind = self.chars.next().unwrap_or(':');
        let mut name = String::new();
        for c in self.chars.by_ref() {
            if c == ']' && name.ends_with(kind) {
                name.pop();
                break;
            }
            name.push(c);
        }
        match (kind, name.as_str()) {
            (':', "alpha") => self.text.push_str("\\p{Alphabetic}"),
            (':', "alnum") => self.text.push_str("\\p{Alphabetic}\\p{N}"),
            (':', "upper") => self.text.push_str("\\p{Lu}"),
            (':', "lower") => self.text.push_str("\\p{Ll}"),
            (':', "digit" | "punct" | "xdigit" | "cntrl" | "blank" | "graph" | "print") => {
                self.text.push_str(&format!("[:{name}:]"));
            }
            (':', "space") => self.text.push_str("\\s"),
            (':', "word") => self.text.push_str("\\w"),
            ('.' | '=', single) if single.chars().count() == 1 => {
                self.text.extend(single.chars().map(escaped_in_brackets));
            }
            _ => return Err(invalid(&format!("there is no class '{name}'"))),
        }
        Ok(())
    }

    fn escape_in_brackets(&mut self) -> Result<()> {
        let Some(c) = self.chars.next() else { return Err(invalid("it ends with a backslash")) };
        match c {
            'd' => self.text.push_str("0-9"),
            'w' | 's' => {
                self.text.push('\\');
                self.text.push(c);
            }
            c => {
                let meant = self.character(c)?;
                self.text.push_str(&escaped_in_brackets(meant));
            }
        }
        Ok(())
    }
}

fn escaped_in_brackets(c: char) -> String {
    if c.is_ascii_punctuation() { format!("\\{c}") } else { c.to_string() }
}
