//! A statement as tokens with byte positions, and the cursor with which every statement's file reads them.

use std::ops::Range;

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{self, Location, Token, TokenWithSpan, Tokenizer};
use laminar_core::{Code, Error, Result, Span};

use super::asof::with_match_conditions;
use super::dialect::LaminarDialect;
use super::exclude::with_exclusions;
use super::fill::with_fill_conditions;
use super::names;
use super::nested_error;
use super::position::{Follower, LineIndex};
use super::probe;
use super::statement::Name;
use super::syntax_error;

/// How deep expressions and queries may nest.
const DEPTH_MAX: usize = 100;
/// How many operators may follow each other without a comma or bracket between: each nests the tree by one.
const CHAIN_MAX: usize = 2_000;

/// The tokens of a text, without white space and comments.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    pub(super) text: &'a str,
    pub(super) tokens: Vec<TokenWithSpan>,
    /// The byte range of each token.
    pub(super) spans: Vec<Span>,
}

impl<'a> Tokens<'a> {
    /// Cuts a text into tokens. If the text cannot be cut to its end, the tokens before the trouble come with the error.
    pub(super) fn of(text: &'a str) -> (Self, Option<Error>) {
        let mut tokens = Vec::new();
        let outcome = Tokenizer::new(&LaminarDialect, text).tokenize_with_location_into_buf(&mut tokens);
        let error = outcome.err().map(|error| syntax_error::of_tokenizer(error, text));
        tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
        for token in &mut tokens {
            // `1_000` is written for people only; what reads the tree knows digits.
            if let Token::Number(digits, _) = &mut token.token {
                digits.retain(|c| c != '_');
            }
        }
        probe::with_calls(&mut tokens);
        with_match_conditions(&mut tokens);
        with_fill_conditions(&mut tokens);
        with_exclusions(&mut tokens);
        let mut follower = Follower::new(text);
        let spans = tokens
            .iter()
            .map(|token| Span { start: follower.offset(token.span.start), end: follower.offset(token.span.end) })
            .collect();
        (Self { text, tokens, spans }, error)
    }

    /// The tokens of a range as a text of their own, in which lines, columns and bytes begin at the first token; none for none.
    pub(super) fn slice(&self, range: Range<usize>) -> Option<Tokens<'a>> {
        if range.is_empty() {
            return None;
        }
        let bytes = Span { start: self.spans.get(range.start)?.start, end: self.spans.get(range.end.checked_sub(1)?)?.end };
        let first = self.tokens[range.start].span.start;
        let tokens = self.tokens[range.clone()].iter().map(|token| TokenWithSpan {
            token: token.token.clone(),
            span: relative(token.span.start, first).span_to(relative(token.span.end, first)),
        });
        let spans =
            self.spans[range.clone()].iter().map(|span| Span { start: span.start - bytes.start, end: span.end - bytes.start });
        Some(Tokens { text: &self.text[bytes.start..bytes.end], tokens: tokens.collect(), spans: spans.collect() })
    }
}

fn relative(location: Location, first: Location) -> Location {
    let line = location.line - first.line + 1;
    Location { line, column: if line == 1 { location.column - first.column + 1 } else { location.column } }
}

/// A place in a statement's tokens.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    source: &'a Tokens<'a>,
    at: usize,
    end: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(source: &'a Tokens<'a>) -> Self {
        Self { source, at: 0, end: source.tokens.len() }
    }

    /// Lines of the statement's text.
    pub(super) fn lines(&self) -> LineIndex<'a> {
        LineIndex::new(self.source.text)
    }

    /// The statement's text at `span`.
    pub(super) fn text_of(&self, span: Span) -> &'a str {
        self.source.text.get(span.start..span.end).unwrap_or_default()
    }

    /// The number of the next token.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn at_end(&self) -> bool {
        self.at >= self.end
    }

    /// The token `n` after the next one.
    pub(super) fn peek(&self, n: usize) -> Option<&'a Token> {
        self.token(self.at + n)
    }

    /// The token of a number, if this cursor may read it.
    pub(super) fn token(&self, number: usize) -> Option<&'a Token> {
        if number < self.end { self.source.tokens.get(number).map(|token| &token.token) } else { None }
    }

    /// Where the next token stands; at the end, the empty place behind the last.
    pub(super) fn here(&self) -> Span {
        if self.at_end() {
            let end = self.before().end;
            return Span { start: end, end };
        }
        self.source.spans[self.at]
    }

    /// Where the token before the next stands.
    pub(super) fn before(&self) -> Span {
        match self.at.checked_sub(1) {
            Some(before) => self.source.spans[before],
            None => Span { start: 0, end: 0 },
        }
    }

    /// From the token with a number to the token before the next.
    pub(super) fn since(&self, position: usize) -> Span {
        let start = self.source.spans.get(position).map_or(self.before().start, |span| span.start);
        Span { start, end: self.before().end.max(start) }
    }

    pub(super) fn advance(&mut self) {
        self.at = (self.at + 1).min(self.end);
    }

    /// A cursor over the tokens up to a number.
    pub(super) fn up_to(&self, end: usize) -> Self {
        Self { source: self.source, at: self.at, end: end.min(self.end) }
    }

    /// Goes on where another cursor over the same tokens stands.
    pub(super) fn go_to(&mut self, position: usize) {
        self.at = position.min(self.end);
    }

    /// Whether the token `n` after the next is this word, unquoted, in any case.
    pub(super) fn is_word(&self, n: usize, word: &str) -> bool {
        self.peek(n).is_some_and(|token| token_is_word(token, word))
    }

    /// Whether the next tokens are these words.
    pub(super) fn are_words(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(n, word)| self.is_word(n, word))
    }

    /// Takes these words if they come next.
    pub(super) fn take_words(&mut self, words: &[&str]) -> bool {
        let found = self.are_words(words);
        if found {
            self.go_to(self.at + words.len());
        }
        found
    }

    /// Takes one word if it comes next.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        self.take_words(&[word])
    }

    /// Takes a word that must come next.
    pub(super) fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.take_word(word) {
            return Ok(());
        }
        let error = self.expected(word);
        Err(match self.peek(0) {
            Some(Token::Word(found)) if crate::diagnostic::nearest(&found.value, &[word]).is_some() => {
                error.with_hint(format!("did you mean '{word}'?"))
            }
            _ => error,
        })
    }

    /// Takes a token if it comes next.
    pub(super) fn take(&mut self, token: &Token) -> bool {
        let found = self.peek(0) == Some(token);
        if found {
            self.advance();
        }
        found
    }

    /// Takes a token that must come next.
    pub(super) fn expect(&mut self, token: &Token, name: &str) -> Result<()> {
        if self.take(token) { Ok(()) } else { Err(self.expected(name)) }
    }

    /// `(` item `,` item … `)`; an empty list is allowed.
    pub(super) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect(&Token::LParen, "'('")?;
        let mut items = Vec::new();
        if self.take(&Token::RParen) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.take(&Token::RParen) {
                return Ok(items);
            }
            self.expect(&Token::Comma, "',' or ')'")?;
        }
    }

    /// `(name, …)`, each name once.
    pub(super) fn distinct_names(&mut self, what: &str) -> Result<Vec<Name>> {
        let mut names: Vec<Name> = Vec::new();
        self.list(|cursor| {
            let name = cursor.name(what)?;
            if names.iter().any(|before| before.text == name.text) {
                return Err(Error::new(Code::InvalidQuery, format!("column '{}' is named twice", name.text)).at(name.span));
            }
            names.push(name);
            Ok(())
        })?;
        Ok(names)
    }

    /// The next word's text in upper case, if it is an unquoted word.
    pub(super) fn word(&self) -> Option<String> {
        match self.peek(0) {
            Some(Token::Word(word)) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
            _ => None,
        }
    }

    /// Takes a name, folded to lower case unless quoted.
    pub(super) fn name(&mut self, what: &str) -> Result<Name> {
        let Some(Token::Word(word)) = self.peek(0) else {
            return Err(self.expected(what));
        };
        let text = names::of_word(word);
        let span = self.here();
        if text.is_empty() {
            return Err(Error::new(Code::Syntax, "a name cannot be empty").at(span));
        }
        self.advance();
        Ok(Name { text, span })
    }

    /// Takes the name of an object, which may be written with the one schema there is: `public.trades`.
    pub(super) fn object_name(&mut self, what: &str) -> Result<Name> {
        let first = self.name(what)?;
        if !self.take(&Token::Period) {
            return Ok(first);
        }
        let second = self.name(what)?;
        if self.peek(0) == Some(&Token::Period) || first.text != "public" {
            let span = Span { start: first.span.start, end: second.span.end };
            let error = Error::new(Code::NotSupported, "there are no schemas but 'public'").at(span);
            return Err(error.with_hint(format!("write '{}' alone", second.text)));
        }
        Ok(second)
    }

    /// Takes `IF NOT EXISTS` if it comes next.
    pub(super) fn if_not_exists(&mut self) -> bool {
        self.take_words(&["IF", "NOT", "EXISTS"])
    }

    /// An error that says what should stand here and what does.
    pub(super) fn expected(&self, what: &str) -> Error {
        let found = match self.token(self.at).or_else(|| self.source.tokens.get(self.at).map(|token| &token.token)) {
            Some(token) => format!("but found {}", syntax_error::quoted(token)),
            None => "but the statement ends".to_owned(),
        };
        let span = self.source.spans.get(self.at).copied().unwrap_or_else(|| self.here());
        Error::new(Code::Syntax, format!("expected {what}, {found}")).at(span)
    }

    /// The number of the first token from here that is outside of brackets and fits, or where this cursor ends.
    pub(super) fn find(&self, fits: impl Fn(&Self, usize) -> bool) -> usize {
        let mut depth = 0usize;
        for number in self.at..self.end {
            let token = &self.source.tokens[number].token;
            if depth == 0 && fits(self, number) {
                return number;
            }
            match token {
                Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
                Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        self.end
    }

    /// Lets sqlparser read what comes next.
    pub(super) fn parse<T>(&mut self, read: impl FnOnce(&mut Parser<'static>) -> Result<T, ParserError>) -> Result<T> {
        self.refuse_long_chains()?;
        self.attempt(read).map_err(|error| match error {
            ParserError::RecursionLimitExceeded => syntax_error::of_parser(error, self),
            error => nested_error::find(self).unwrap_or_else(|| syntax_error::of_parser(error, self)),
        })
    }

    /// As [`Cursor::parse`], with sqlparser's error.
    pub(super) fn attempt<T>(
        &mut self,
        read: impl FnOnce(&mut Parser<'static>) -> Result<T, ParserError>,
    ) -> Result<T, ParserError> {
        let tokens = self.source.tokens[self.at..self.end].to_vec();
        let mut parser = Parser::new(&LaminarDialect).with_recursion_limit(DEPTH_MAX).with_tokens_with_locations(tokens);
        let value = read(&mut parser)?;
        self.at = (self.at + parser.index()).min(self.end);
        Ok(value)
    }

    /// Recursion over the tree takes stack for every operator of a chain, so that a chain has a bound.
    fn refuse_long_chains(&self) -> Result<()> {
        let mut chains = vec![Chain::default()];
        for number in self.at..self.end {
            let token = &self.source.tokens[number].token;
            match token {
                Token::LParen | Token::LBracket | Token::LBrace => chains.push(Chain::default()),
                Token::RParen | Token::RBracket | Token::RBrace if chains.len() > 1 => {
                    chains.pop();
                }
                _ => {}
            }
            let Some(chain) = chains.last_mut() else { continue };
            if chain.grow(token) > CHAIN_MAX {
                let error = Error::new(Code::LimitReached, format!("more than {CHAIN_MAX} operators follow each other"));
                let hint = "write a list: a IN (1, 2, …), or a table of values: FROM (VALUES (1), (2), …)";
                return Err(error.at(self.source.spans[number]).with_hint(hint));
            }
        }
        Ok(())
    }

    /// The number of the token that begins at a line and column.
    pub(super) fn token_at(&self, line: u64, column: u64) -> Option<usize> {
        let wanted = Location { line, column };
        let number = self.source.tokens.partition_point(|token| token.span.start < wanted);
        (number < self.source.tokens.len() && self.source.tokens[number].span.start == wanted).then_some(number)
    }

    /// Where the token before the next stands, in lines and columns.
    pub(super) fn place_before(&self) -> tokenizer::Span {
        let before = self.at.checked_sub(1).and_then(|before| self.source.tokens.get(before));
        before.map_or_else(tokenizer::Span::empty, |token| token.span)
    }

    /// Where the token of a number stands.
    pub(super) fn span_of(&self, number: usize) -> Span {
        self.source.spans.get(number).copied().unwrap_or_else(|| self.here())
    }

    /// The number behind this cursor's last token.
    pub(super) fn end(&self) -> usize {
        self.end
    }
}

/// Whether a token is this word, unquoted, in any case.
pub(super) fn token_is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

/// How many operators follow each other at one depth of brackets.
#[derive(Debug, Default)]
struct Chain {
    operators: usize,
    set_operations: usize,
}

impl Chain {
    /// Counts a token; returns the length of the longer chain.
    fn grow(&mut self, token: &Token) -> usize {
        match token {
            Token::Comma => self.operators = 0,
            Token::Word(word) if BREAKS.contains(&word.keyword) => self.operators = 0,
            Token::Word(word) if SETS.contains(&word.keyword) => self.set_operations += 1,
            Token::Word(word) if !LINKS.contains(&word.keyword) => {}
            token if is_operand(token) => {}
            _ => self.operators += 1,
        }
        self.operators.max(self.set_operations)
    }
}

/// Words that link two parts of an expression.
const LINKS: &[Keyword] = &[Keyword::AND, Keyword::OR, Keyword::NOT, Keyword::IS, Keyword::LIKE, Keyword::ILIKE];
/// Words that link two queries.
const SETS: &[Keyword] = &[Keyword::UNION, Keyword::EXCEPT, Keyword::INTERSECT];
/// Words between which expressions are by themselves.
const BREAKS: &[Keyword] =
    &[Keyword::WHEN, Keyword::THEN, Keyword::ELSE, Keyword::SELECT, Keyword::FROM, Keyword::WHERE, Keyword::ON];

fn is_operand(token: &Token) -> bool {
    matches!(
        token,
        Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::DollarQuotedString(_)
            | Token::Placeholder(_)
            | Token::Period
            | Token::Colon
            | Token::LParen
            | Token::LBracket
            | Token::LBrace
            | Token::RParen
            | Token::RBracket
            | Token::RBrace
    )
}
