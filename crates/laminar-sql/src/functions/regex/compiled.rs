//! A regular expression that is ready to match: of all matches that begin leftmost it finds the longest, as POSIX asks for.

use laminar_core::{Code, Error, Result};
use regex::{Regex, RegexBuilder};
use regex_automata::dfa::onepass::{self, DFA};
use regex_automata::nfa::thompson::pikevm::{self, PikeVM};
use regex_automata::util::captures::Captures;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};

use super::syntax::{Flags, Translated, translate};

/// Where a match and its groups stand, in bytes; the first is the whole match.
pub(super) type Spans = Vec<Option<(usize, usize)>>;

/// A compiled expression.
pub(super) struct Compiled {
    regex: Regex,
    /// Only for expressions in which the first alternative may not be the longest.
    longest: Option<Longest>,
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
        let longest = translated.has_choice.then(|| Longest::new(&translated)).transpose()?;
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
        let Some(longest) = &mut self.longest else {
            let found = self.regex.captures_at(text, start)?;
            return Some(found.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect());
        };
        let begin = self.regex.find_at(text, start)?.start();
        longest.match_at(text, begin)
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

/// Finds the longest of the matches that begin at one place.
struct Longest {
    engine: Engine,
    found: Captures,
}

enum Engine {
    /// Knows after each byte the one way that goes on, which some expressions allow.
    OnePass(Box<DFA>, onepass::Cache),
    /// Goes all ways side by side: a microsecond for a short text.
    AllWays(Box<PikeVM>, pikevm::Cache),
}

impl Longest {
    fn new(translated: &Translated) -> Result<Self> {
        let syntax = syntax_of(translated);
        let one_pass = DFA::config().match_kind(MatchKind::All).size_limit(Some(SIZE_MAX));
        match DFA::builder().configure(one_pass).syntax(syntax).build(&translated.text) {
            Ok(dfa) => {
                let (found, cache) = (dfa.create_captures(), dfa.create_cache());
                Ok(Self { engine: Engine::OnePass(Box::new(dfa), cache), found })
            }
            Err(_) => Self::all_ways(translated, syntax),
        }
    }

    fn all_ways(translated: &Translated, syntax: syntax::Config) -> Result<Self> {
        let vm = PikeVM::builder()
            .configure(PikeVM::config().match_kind(MatchKind::All))
            .syntax(syntax)
            .build(&translated.text)
            .map_err(|error| invalid(&error.to_string()))?;
        let (found, cache) = (vm.create_captures(), vm.create_cache());
        Ok(Self { engine: Engine::AllWays(Box::new(vm), cache), found })
    }

    /// The longest match that begins at byte `begin`.
    fn match_at(&mut self, text: &str, begin: usize) -> Option<Spans> {
        let (input, found) = (Input::new(text).range(begin..).anchored(Anchored::Yes), &mut self.found);
        match &mut self.engine {
            Engine::OnePass(dfa, cache) => dfa.captures(cache, input, found),
            Engine::AllWays(vm, cache) => vm.search(cache, &input, found),
        }
        let spans = |index| found.get_group(index).map(|span| (span.start, span.end));
        found.is_match().then(|| (0..found.group_len()).map(spans).collect())
    }
}

fn syntax_of(translated: &Translated) -> syntax::Config {
    let flags = translated.flags;
    syntax::Config::new()
        .case_insensitive(flags.ignore_case)
        .multi_line(flags.lines)
        .dot_matches_new_line(!flags.stops_at_lines)
        .ignore_whitespace(flags.expanded)
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

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// A random expression of few letters, with groups, alternatives and repetitions.
    fn expression(rng: &mut StdRng, depth: usize) -> String {
        let inner = |rng: &mut StdRng| expression(rng, depth - 1);
        match rng.random_range(0..if depth == 0 { 3 } else { 9 }) {
            0 => "a".to_owned(),
            1 => "b".to_owned(),
            2 => ["^", "$", "[^a]", "x", "\\y", "\\m", "A"][rng.random_range(0..7)].to_owned(),
            3 => format!("({}|{})", inner(rng), inner(rng)),
            4 => format!("(?:{}|{})", inner(rng), inner(rng)),
            5 => format!("({}){}", inner(rng), ["*", "+", "?"][rng.random_range(0..3)]),
            _ => format!("{}{}", inner(rng), inner(rng)),
        }
    }

    #[test]
    fn one_pass_finds_what_all_ways_find() {
        let mut rng = StdRng::seed_from_u64(1);
        let (mut in_one_pass, mut matches) = (0, 0);
        for _ in 0..4000 {
            let pattern = expression(&mut rng, 3);
            let flags =
                Flags { ignore_case: rng.random(), lines: rng.random(), stops_at_lines: rng.random(), ..Flags::default() };
            let translated = Translated { has_choice: true, ..translate(&pattern, flags).unwrap() };
            let mut longest = Longest::new(&translated).unwrap();
            if let Engine::AllWays(..) = longest.engine {
                continue;
            }
            in_one_pass += 1;
            let mut all_ways = Longest::all_ways(&translated, syntax_of(&translated)).unwrap();
            for _ in 0..20 {
                let text: String =
                    (0..rng.random_range(0..7)).map(|_| ['a', 'b', 'x', 'é', '\n', ' '][rng.random_range(0..6)]).collect();
                for begin in text.char_indices().map(|(begin, _)| begin).chain([text.len()]) {
                    let found = longest.match_at(&text, begin);
                    matches += usize::from(found.is_some());
                    assert_eq!(found, all_ways.match_at(&text, begin), "'{pattern}' in '{text}' at {begin}");
                }
            }
        }
        assert!(in_one_pass > 300 && matches > 3000, "{in_one_pass} expressions with {matches} matches are too few");
    }
}
