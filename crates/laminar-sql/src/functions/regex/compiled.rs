//! A regular expression that is ready to match: of all matches that begin leftmost it finds the longest, as POSIX asks for.

use laminar_core::{Code, Error, Result};
use regex::{Regex, RegexBuilder};
use regex_automata::nfa::thompson::pikevm::{Cache, PikeVM};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};

use super::syntax::{Flags, Translated, translate};

/// Where a match and its groups stand, in bytes; the first is the whole match.
pub(super) type Spans = Vec<Option<(usize, usize)>>;

/// A compiled expression.
pub(super) struct Compiled {
    regex: Regex,
    /// Only for expressions in which the first alternative may not be the longest.
    longest: Option<(PikeVM, Cache)>,
    pub(super) flags: Flags,
}

/// Bytes that a compiled expression may take.
const SIZE_MAX: usize = 10 << 20;

impl Compiled {
    /// Compiles `pattern`.
    pub(super) fn new(pattern: &str, flags: Flags) -> Result<Self> {
        let translated = translate(pattern, flags)?;
        let flags = translated.flags;
        let regex = RegexBuilder::new(&translated.text)
            .case_insensitive(flags.ignore_case)
            .multi_line(flags.lines)
            .dot_matches_new_line(!flags.stops_at_lines)
            .ignore_whitespace(flags.expanded)
            .size_limit(SIZE_MAX)
            .build()
            .map_err(|error| invalid(&error.to_string()))?;
        let longest = translated.has_choice.then(|| longest(&translated)).transpose()?;
        Ok(Self { regex, longest, flags })
    }

    /// Whether it matches anywhere.
    pub(super) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The first match that begins at byte `start` or later.
    pub(super) fn find(&mut self, text: &str, start: usize) -> Option<Spans> {
        if start > text.len() {
            return None;
        }
        let Some((vm, cache)) = &mut self.longest else {
            let found = self.regex.captures_at(text, start)?;
            return Some(found.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect());
        };
        let begin = self.regex.find_at(text, start)?.start();
        let mut found = vm.create_captures();
        vm.search(cache, &Input::new(text).range(begin..).anchored(Anchored::Yes), &mut found);
        let spans = |index| found.get_group(index).map(|span| (span.start, span.end));
        found.is_match().then(|| (0..found.group_len()).map(spans).collect())
    }

    /// All matches one behind the other. An empty one moves on by a character, and none begins where the last one ended empty.
    pub(super) fn find_all(&mut self, text: &str, start: usize) -> Vec<Spans> {
        let mut all: Vec<Spans> = Vec::new();
        let mut at = start;
        let mut last_end = None;
        while let Some(spans) = self.find(text, at) {
            let Some(Some((begin, end))) = spans.first().copied() else { break };
            let is_empty = begin == end;
            if !(is_empty && last_end == Some(end)) {
                all.push(spans);
                last_end = Some(end);
            }
            at = if is_empty { end + text[end..].chars().next().map_or(1, char::len_utf8) } else { end };
        }
        all
    }
}

fn longest(translated: &Translated) -> Result<(PikeVM, Cache)> {
    let flags = translated.flags;
    let syntax = syntax::Config::new()
        .case_insensitive(flags.ignore_case)
        .multi_line(flags.lines)
        .dot_matches_new_line(!flags.stops_at_lines)
        .ignore_whitespace(flags.expanded);
    let vm = PikeVM::builder()
        .configure(PikeVM::config().match_kind(MatchKind::All))
        .syntax(syntax)
        .build(&translated.text)
        .map_err(|error| invalid(&error.to_string()))?;
    let cache = vm.create_cache();
    Ok((vm, cache))
}

fn invalid(message: &str) -> Error {
    // The crate draws the expression; its last line says what is wrong.
    let reason = message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
    Error::new(Code::InvalidQuery, format!("the regular expression is invalid: {reason}"))
}

/// Expressions are mostly the same in all rows, so the last one is kept.
#[derive(Default)]
pub(super) struct LastRegex {
    last: Option<(String, String, Compiled)>,
}

impl LastRegex {
    /// The expression, compiled.
    pub(super) fn get(&mut self, pattern: &str, flags: &str) -> Result<&mut Compiled> {
        let is_same = self.last.as_ref().is_some_and(|(text, of, _)| text == pattern && of == flags);
        if !is_same {
            let compiled = Compiled::new(pattern, Flags::read(flags)?)?;
            self.last = Some((pattern.to_owned(), flags.to_owned(), compiled));
        }
        match &mut self.last {
            Some((_, _, compiled)) => Ok(compiled),
            None => Err(Error::internal("a regular expression was not kept")),
        }
    }
}
