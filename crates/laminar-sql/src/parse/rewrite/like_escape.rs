//! `x LIKE pattern ESCAPE '!'`: the pattern with the backslash, which LIKE knows, as its escape character.

use datafusion::sql::sqlparser::ast::{Expr, Ident};

use crate::functions::LIKE_PATTERN;
use crate::parse::syntax;

/// Takes `ESCAPE` out of a LIKE or ILIKE.
pub(super) fn rewrite(expr: &mut Expr) {
    let (Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. }) = expr else { return };
    let Some(escape) = escape_char.take() else { return };
    let written = std::mem::replace(pattern.as_mut(), syntax::string(String::new()));
    **pattern = syntax::call(Ident::new(LIKE_PATTERN), vec![written, Expr::Value(escape)]);
}
