//! `GROUP BY … [HAVING …] FILL (…)`, for which sqlparser has no place, as one more condition of HAVING: `HAVING (…) AND __fill(…)`.
//! `rewrite/fill.rs` reads what stands in it.

use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::tokens::token_is_word;

/// The call that stands for the clause.
pub(super) const FILL_CLAUSE: &str = "__fill";

/// Words that end the clauses in which a FILL may stand.
const BEHIND: [&str; 11] =
    ["SELECT", "UNION", "INTERSECT", "EXCEPT", "ORDER", "LIMIT", "OFFSET", "FETCH", "WINDOW", "QUALIFY", "EMIT"];
/// Words behind which an expression begins: a FILL there is the name of a function.
const BEFORE: [&str; 13] = ["BY", "HAVING", "AND", "OR", "NOT", "IN", "LIKE", "ILIKE", "BETWEEN", "WHEN", "THEN", "ELSE", "IS"];

/// The clauses at one depth of brackets.
#[derive(Debug, Default, Clone, Copy)]
struct Clauses {
    /// Whether GROUP BY has begun.
    groups: bool,
    /// The token HAVING.
    having: Option<usize>,
}

/// Replaces every FILL clause.
pub(super) fn with_fill_conditions(tokens: &mut Vec<TokenWithSpan>) {
    let mut depths = vec![Clauses::default()];
    let mut at = 0;
    while at < tokens.len() {
        let is = |word: &str| token_is_word(&tokens[at].token, word);
        let top = depths.len() - 1;
        match &tokens[at].token {
            Token::LParen | Token::LBracket | Token::LBrace => depths.push(Clauses::default()),
            Token::RParen | Token::RBracket | Token::RBrace if top > 0 => {
                depths.pop();
            }
            Token::SemiColon => depths = vec![Clauses::default()],
            _ if BEHIND.iter().any(|word| is(word)) => depths[top] = Clauses::default(),
            _ if is("GROUP") && tokens.get(at + 1).is_some_and(|next| token_is_word(&next.token, "BY")) => {
                depths[top].groups = true;
            }
            _ if is("HAVING") && depths[top].groups => depths[top].having = Some(at),
            _ if is("FILL") && depths[top].groups && begins_a_clause(tokens, at) => {
                replace(tokens, at, depths[top].having);
                depths[top] = Clauses::default();
            }
            _ => {}
        }
        at += 1;
    }
}

/// Whether the FILL at `at` stands behind an expression and before a list.
fn begins_a_clause(tokens: &[TokenWithSpan], at: usize) -> bool {
    let is_list = tokens.get(at + 1).is_some_and(|next| next.token == Token::LParen);
    let Some(before) = at.checked_sub(1).map(|before| &tokens[before].token) else { return false };
    let ends_expression = match before {
        Token::Word(word) => word.quote_style.is_some() || !BEFORE.iter().any(|word| token_is_word(before, word)),
        Token::Number(..) | Token::SingleQuotedString(_) | Token::RParen | Token::RBracket => true,
        _ => false,
    };
    is_list && ends_expression
}

fn replace(tokens: &mut Vec<TokenWithSpan>, fill: usize, having: Option<usize>) {
    let start = tokens[fill].span.start;
    tokens[fill].token = Token::make_word(FILL_CLAUSE, None);
    match having {
        None => tokens.insert(fill, added(Token::make_keyword("HAVING"), start)),
        Some(having) => {
            tokens.insert(fill, added(Token::make_keyword("AND"), start));
            tokens.insert(fill, added(Token::RParen, start));
            let behind = tokens[having].span.end;
            tokens.insert(having + 1, added(Token::LParen, behind));
        }
    }
}

fn added(token: Token, at: Location) -> TokenWithSpan {
    TokenWithSpan { token, span: at.span_to(at) }
}
