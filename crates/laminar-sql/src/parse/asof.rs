//! `ASOF [LEFT] JOIN … ON`, as DuckDB writes it, in the form that sqlparser reads: with a MATCH_CONDITION, which says here only what
//! kind of join it is. The conditions stay where they are.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::token_is_word;

/// The MATCH_CONDITION of an inner join whose conditions are all in ON.
pub(super) const ASOF_INNER: &str = "__asof_inner";
/// The same of a left join.
pub(super) const ASOF_LEFT: &str = "__asof_left";
/// The same of a join of another kind, which is not built.
pub(super) const ASOF_OTHER: &str = "__asof_other";

/// Gives every ASOF JOIN without a MATCH_CONDITION one.
pub(super) fn with_match_conditions(tokens: &mut Vec<TokenWithSpan>) {
    // From the end, so that what is still to be looked at stays where it is.
    for at in (0..tokens.len()).rev().filter(|at| token_is_word(&tokens[*at].token, "ASOF")).collect::<Vec<_>>() {
        rewrite(tokens, at);
    }
}

fn rewrite(tokens: &mut Vec<TokenWithSpan>, asof: usize) {
    let is_word = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token_is_word(&token.token, word));
    let (kind, join) = match () {
        () if is_word(asof + 1, "LEFT") && is_word(asof + 2, "OUTER") => (ASOF_LEFT, asof + 3),
        () if is_word(asof + 1, "LEFT") => (ASOF_LEFT, asof + 2),
        () if is_word(asof + 1, "INNER") => (ASOF_INNER, asof + 2),
        () if is_word(asof + 2, "OUTER") => (ASOF_OTHER, asof + 3),
        () if ["RIGHT", "FULL", "SEMI", "ANTI"].iter().any(|kind| is_word(asof + 1, kind)) => (ASOF_OTHER, asof + 2),
        () => (ASOF_INNER, asof + 1),
    };
    if !is_word(join, "JOIN") {
        return;
    }
    let Some(constraint) = constraint_of(tokens, join + 1) else { return };
    if token_is_word(&tokens[constraint].token, "MATCH_CONDITION") {
        // A MATCH_CONDITION keeps all left rows, so that LEFT says nothing new and INNER is refused by what reads it.
        if kind == ASOF_LEFT {
            tokens.drain(asof + 1..join);
        }
        return;
    }
    let start = tokens[constraint].span.start;
    let span = start.span_to(start);
    let condition = [Token::make_keyword("MATCH_CONDITION"), Token::LParen, Token::make_word(kind, None), Token::RParen];
    tokens.splice(constraint..constraint, condition.map(|token| TokenWithSpan { token, span }));
    tokens.drain(asof + 1..join);
}

/// Where the condition of a join begins whose relation stands at `from`.
pub(super) fn constraint_of(tokens: &[TokenWithSpan], from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.checked_sub(1)?,
            Token::SemiColon => return None,
            word if depth == 0 && ["ON", "USING", "MATCH_CONDITION"].iter().any(|name| token_is_word(word, name)) => {
                return Some(at);
            }
            _ => {}
        }
    }
    None
}
