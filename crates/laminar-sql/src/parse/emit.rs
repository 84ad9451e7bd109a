//! The clauses behind a query that make it a stream: `EMIT …`, `ALLOW LATENESS …`, `LATE DATA TO …`, in any order.

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::{Code, Error, Result, Span};

use super::interval::{self, Length, NoLength};
use super::statement::{EmitClause, EmitKind, Lateness, Name};
use super::tokens::Cursor;
use crate::diagnostic::nearest;

/// Every way to write each emission; forms that wait for an interval come last.
const FORMS: &[(&[&str], EmitKind)] = &[
    (&["ON", "WATERMARK"], EmitKind::OnWatermark),
    (&["AFTER", "WATERMARK"], EmitKind::OnWatermark),
    (&["ON", "WINDOW", "CLOSE"], EmitKind::OnWindowClose),
    (&["FINAL"], EmitKind::Final),
    (&["ON", "UPDATE"], EmitKind::OnUpdate),
    (&["CHANGES"], EmitKind::Changes),
];
const EVERY: &[&str] = &["EVERY", "PERIODICALLY"];
const FORMS_HINT: &str =
    "EMIT has the forms ON WATERMARK, ON WINDOW CLOSE, FINAL, ON UPDATE, CHANGES, and EVERY INTERVAL '…'; quote a name \"emit\"";

/// The clauses as far as they were written.
#[derive(Debug, Default)]
pub(super) struct StreamClauses {
    pub(super) emit: Option<EmitClause>,
    pub(super) lateness: Option<Lateness>,
    pub(super) late_to: Option<Name>,
}

/// Whether one of the clauses begins at a token.
pub(super) fn begins_at(cursor: &Cursor<'_>, number: usize) -> bool {
    let mut at = cursor.clone();
    at.go_to(number);
    at.position() == number && (at.are_words(&["ALLOW", "LATENESS"]) || at.are_words(&["LATE", "DATA", "TO"]) || emit_begins(&at))
}

/// Whether `EMIT` here is the clause and not a column or table of that name.
fn emit_begins(cursor: &Cursor<'_>) -> bool {
    if !cursor.is_word(0, "EMIT") || !may_end_query(cursor) {
        return false;
    }
    match (cursor.peek(1), cursor.peek(2)) {
        (None, _) => true,
        (Some(Token::Word(word)), after) => match word.keyword {
            // `JOIN t emit ON emit.x = …`
            Keyword::ON => {
                matches!(after, Some(Token::Word(_))) && !matches!(cursor.peek(3), Some(token) if continues_expression(token))
            }
            keyword => !CONTINUES_QUERY.contains(&keyword),
        },
        _ => false,
    }
}

/// Whether the token before could be a query's last.
fn may_end_query(cursor: &Cursor<'_>) -> bool {
    let before = cursor.position().checked_sub(1).and_then(|n| cursor.token(n));
    match before {
        Some(Token::Word(word)) => word.quote_style.is_some() || !NEEDS_MORE.contains(&word.keyword),
        Some(token) => matches!(
            token,
            Token::RParen | Token::RBracket | Token::RBrace | Token::Number(..) | Token::SingleQuotedString(_) | Token::Mul
        ),
        None => false,
    }
}

const NEEDS_MORE: &[Keyword] = &[
    Keyword::SELECT,
    Keyword::FROM,
    Keyword::JOIN,
    Keyword::AS,
    Keyword::BY,
    Keyword::WHERE,
    Keyword::AND,
    Keyword::OR,
    Keyword::NOT,
    Keyword::ON,
    Keyword::DISTINCT,
    Keyword::HAVING,
    Keyword::WHEN,
    Keyword::THEN,
    Keyword::ELSE,
    Keyword::CASE,
    Keyword::LATERAL,
    Keyword::QUALIFY,
];

const CONTINUES_QUERY: &[Keyword] = &[
    Keyword::FROM,
    Keyword::WHERE,
    Keyword::GROUP,
    Keyword::ORDER,
    Keyword::HAVING,
    Keyword::LIMIT,
    Keyword::OFFSET,
    Keyword::FETCH,
    Keyword::JOIN,
    Keyword::INNER,
    Keyword::LEFT,
    Keyword::RIGHT,
    Keyword::FULL,
    Keyword::CROSS,
    Keyword::NATURAL,
    Keyword::ASOF,
    Keyword::UNION,
    Keyword::EXCEPT,
    Keyword::INTERSECT,
    Keyword::USING,
    Keyword::AS,
    Keyword::WINDOW,
    Keyword::QUALIFY,
    Keyword::AND,
    Keyword::OR,
    Keyword::IS,
    Keyword::IN,
    Keyword::BETWEEN,
    Keyword::LIKE,
    Keyword::NOT,
    Keyword::ASC,
    Keyword::DESC,
    Keyword::NULLS,
    Keyword::FOR,
    Keyword::END,
];

fn continues_expression(token: &Token) -> bool {
    !matches!(token, Token::Word(_) | Token::SemiColon | Token::RParen)
}

/// The first `EMIT` in brackets that has one of the clause's forms.
pub(super) fn nested(cursor: &Cursor<'_>) -> Option<usize> {
    let mut depth = 0usize;
    (0..cursor.end()).find(|number| {
        match cursor.token(*number) {
            Some(Token::LParen) => depth += 1,
            Some(Token::RParen) => depth = depth.saturating_sub(1),
            _ => {}
        }
        let mut at = cursor.clone();
        at.go_to(*number);
        depth > 0 && at.take_word("EMIT") && FORMS.iter().any(|(words, _)| at.are_words(words))
    })
}

/// Reads clauses for as long as there are any.
pub(super) fn clauses(cursor: &mut Cursor<'_>) -> Result<StreamClauses> {
    let mut found = StreamClauses::default();
    loop {
        let start = cursor.position();
        if cursor.take_words(&["ALLOW", "LATENESS"]) {
            let length = fixed_length(cursor, "the lateness")?;
            let span = cursor.since(start);
            once(&found.lateness, "ALLOW LATENESS", span)?;
            if length < 0 {
                return Err(Error::new(Code::InvalidWindow, "the lateness must not be negative").at(span));
            }
            found.lateness = Some(Lateness { nanos: length, span });
        } else if cursor.take_words(&["LATE", "DATA", "TO"]) {
            let name = cursor.object_name("the name of a table or sink")?;
            once(&found.late_to, "LATE DATA TO", cursor.since(start))?;
            found.late_to = Some(name);
        } else if cursor.take_word("EMIT") {
            let kind = emit(cursor, start)?;
            let span = cursor.since(start);
            once(&found.emit, "EMIT", span)?;
            found.emit = Some(EmitClause { kind, span });
        } else {
            return Ok(found);
        }
    }
}

fn once<T>(earlier: &Option<T>, clause: &str, span: Span) -> Result<()> {
    match earlier {
        Some(_) => Err(Error::new(Code::Syntax, format!("{clause} stands here a second time")).at(span)),
        None => Ok(()),
    }
}

/// What follows `EMIT`, which stands at token `start`.
fn emit(cursor: &mut Cursor<'_>, start: usize) -> Result<EmitKind> {
    if let Some((_, kind)) = FORMS.iter().find(|(words, _)| cursor.take_words(words)) {
        return Ok(*kind);
    }
    if EVERY.iter().any(|word| cursor.take_word(word)) {
        let nanos = fixed_length(cursor, "the time between two emissions")?;
        if nanos <= 0 {
            return Err(
                Error::new(Code::InvalidWindow, "the time between two emissions must be more than 0").at(cursor.since(start))
            );
        }
        return Ok(EmitKind::Every(nanos));
    }
    Err(unknown_form(cursor, start))
}

fn unknown_form(cursor: &mut Cursor<'_>, start: usize) -> Error {
    let mut words = Vec::new();
    while words.len() < 3
        && let Some(word) = cursor.word().filter(|_| !begins_at(cursor, cursor.position()))
    {
        words.push(word);
        cursor.advance();
    }
    let span = cursor.since(start);
    if words.is_empty() {
        return Error::new(Code::Syntax, "EMIT does not say when").at(span).with_hint(FORMS_HINT);
    }
    let written = words.join(" ");
    let forms: Vec<String> = FORMS.iter().map(|(words, _)| words.join(" ")).collect();
    let error = Error::new(Code::Syntax, format!("there is no 'EMIT {written}'")).at(span);
    let meant = nearest(&written, &forms).or_else(|| nearest(&words[0], EVERY.iter().copied()));
    match meant {
        Some(meant) => error.with_hint(format!("did you mean 'EMIT {meant}'?")),
        None => error.with_hint(FORMS_HINT),
    }
}

/// Reads an interval of fixed length in nanoseconds.
fn fixed_length(cursor: &mut Cursor<'_>, what: &str) -> Result<i64> {
    let start = cursor.position();
    let mut own = cursor.up_to(cursor.find(|c, n| n > start && begins_at(c, n)));
    let expr = own.parse(Parser::parse_prefix)?;
    cursor.go_to(own.position());
    nanos_of(&expr, what, cursor.since(start))
}

/// An interval of fixed length in nanoseconds; `what` names it in errors.
pub(super) fn nanos_of(expr: &Expr, what: &str, span: Span) -> Result<i64> {
    let hint = "write an interval, as in INTERVAL '5' SECOND";
    match interval::of_expr(expr) {
        Ok(Length { months: 0, nanos }) => Ok(nanos),
        Ok(_) => {
            let error = Error::new(Code::InvalidWindow, format!("{what} cannot be counted in months")).at(span);
            Err(error.with_hint("write it in days or less: months differ in length"))
        }
        Err(NoLength::OtherThing) => {
            Err(Error::new(Code::InvalidWindow, format!("{what} is not an interval")).at(span).with_hint(hint))
        }
        Err(NoLength::Unreadable(why)) => Err(Error::new(Code::InvalidWindow, why).at(span).with_hint(hint)),
    }
}
