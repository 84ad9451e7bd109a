//! `EXCLUDE CURRENT ROW | GROUP | TIES | NO OTHERS` behind the frame of a window, for which neither sqlparser nor DataFusion has a place: it travels
//! as one more key of PARTITION BY, a text, which is the same for all rows and so changes no partition.

use datafusion::sql::sqlparser::ast::{Expr, OrderByExpr, Value, WindowSpec};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use laminar_core::dag::Exclude;

use super::tokens::token_is_word;

/// What the text begins with.
const MARK: &str = "__exclude ";

/// What the text of a key excludes, if it is such a key.
pub(crate) fn exclusion_of_text(text: &str) -> Option<Exclude> {
    match text.strip_prefix(MARK)? {
        "current row" => Some(Exclude::CurrentRow),
        "group" => Some(Exclude::Group),
        "ties" => Some(Exclude::Ties),
        _ => None,
    }
}

/// Puts what every frame excludes before the frame, as a key of the list that stands there.
pub(super) fn with_exclusions(tokens: &mut Vec<TokenWithSpan>) {
    for at in (0..tokens.len()).rev().filter(|at| token_is_word(&tokens[*at].token, "EXCLUDE")).collect::<Vec<_>>() {
        rewrite(tokens, at);
    }
}

fn rewrite(tokens: &mut Vec<TokenWithSpan>, exclude: usize) {
    let is_word = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token_is_word(&token.token, word));
    let (text, end) = match () {
        () if is_word(exclude + 1, "CURRENT") && is_word(exclude + 2, "ROW") => ("current row", exclude + 3),
        () if is_word(exclude + 1, "GROUP") => ("group", exclude + 2),
        () if is_word(exclude + 1, "TIES") => ("ties", exclude + 2),
        () if is_word(exclude + 1, "NO") && is_word(exclude + 2, "OTHERS") => ("no others", exclude + 3),
        () => return,
    };
    if tokens.get(end).is_none_or(|token| token.token != Token::RParen) {
        return;
    }
    let Some((frame, has_keys)) = frame_before(tokens, exclude) else { return };
    tokens.drain(exclude..end);
    if text == "no others" {
        return;
    }
    let start = tokens[frame].span.start;
    let key = Token::SingleQuotedString(format!("{MARK}{text}"));
    let list = match has_keys {
        true => vec![Token::Comma, key],
        false => vec![Token::make_keyword("PARTITION"), Token::make_keyword("BY"), key],
    };
    tokens.splice(frame..frame, list.into_iter().map(|token| TokenWithSpan { token, span: start.span_to(start) }));
}

/// Where the frame before `exclude` begins, and whether a list of keys stands before it in the same brackets.
fn frame_before(tokens: &[TokenWithSpan], exclude: usize) -> Option<(usize, bool)> {
    let mut depth = 0_usize;
    let (mut frame, mut has_keys) = (None, false);
    for at in (0..exclude).rev() {
        match &tokens[at].token {
            Token::RParen | Token::RBracket | Token::RBrace => depth += 1,
            Token::LParen if depth == 0 => break,
            Token::LParen | Token::LBracket | Token::LBrace => depth = depth.checked_sub(1)?,
            Token::SemiColon => return None,
            word if depth == 0 && ["ROWS", "RANGE", "GROUPS"].iter().any(|unit| token_is_word(word, unit)) => {
                frame.get_or_insert(at);
            }
            word if depth == 0 && token_is_word(word, "BY") => has_keys = true,
            _ => {}
        }
    }
    Some((frame?, has_keys))
}

/// Moves the key from ORDER BY, where it stands if there is one, to PARTITION BY. Its brackets keep it there: DataFusion leaves plain constants out.
pub(super) fn exclusion_as_partition(spec: &mut WindowSpec) {
    if spec.order_by.last().is_some_and(|key| is_exclusion(&key.expr))
        && let Some(OrderByExpr { expr, .. }) = spec.order_by.pop()
    {
        spec.partition_by.push(expr);
    }
    if let Some(key) = spec.partition_by.last_mut().filter(|key| is_exclusion(key)) {
        *key = Expr::Nested(Box::new(key.clone()));
    }
}

fn is_exclusion(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => matches!(&value.value, Value::SingleQuotedString(text) if exclusion_of_text(text).is_some()),
        _ => false,
    }
}
